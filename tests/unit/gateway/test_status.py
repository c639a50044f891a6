"""The status that a gateway reports; it is untrusted."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from ipybox import ExecutionClient
from ipybox.errors import GatewayError
from ipybox.gateway.rest import STATUS_PATH
from ipybox.gateway.status import parse_status
from ipybox.spec.status import GatewayStatus, KernelStatus
from ipybox.testing import FakeGateway

KERNEL = {
    "id": "0-a",
    "state": "idle",
    "pid": 7,
    "memory": 50_000_000,
    "last_activity": "2025-11-25T15:46:00.123456+00:00",
    "exit_code": None,
    "out_of_memory": False,
    "forked": True,
}
ANSWER = {
    "runtime": "0.2.0",
    "protocol": 1,
    "fork_server": True,
    "fork_server_ready": True,
    "lease": 12.5,
    "kernels": [KERNEL],
}
STATUS = GatewayStatus(
    runtime_version="0.2.0",
    protocol=1,
    fork_server=True,
    fork_server_ready=True,
    lease_seconds=12.5,
    kernels=(
        KernelStatus(
            id="0-a",
            state="idle",
            pid=7,
            memory_bytes=50_000_000,
            last_activity=datetime(2025, 11, 25, 15, 46, 0, 123456, UTC),
            forked=True,
        ),
    ),
)


def test_an_answer_is_parsed() -> None:
    assert parse_status(ANSWER, "localhost:1") == STATUS


def test_unknown_keys_are_ignored() -> None:
    answer = {**ANSWER, "new": 1, "kernels": [{**KERNEL, "new": 1}]}
    assert parse_status(answer, "localhost:1") == STATUS


MALFORMED: list[Any] = [
    None,
    [],
    "status",
    {},
    {**ANSWER, "runtime": 7},
    {**ANSWER, "runtime": "\x1b[31m"},
    {**ANSWER, "protocol": "1"},
    {**ANSWER, "protocol": 10**400},
    {**ANSWER, "lease": float("nan")},
    {**ANSWER, "lease": float("inf")},
    {**ANSWER, "lease": 10**400},
    {**ANSWER, "\ud800": 1},
    {**ANSWER, "kernels": None},
    {**ANSWER, "kernels": {"id": "a"}},
    {**ANSWER, "kernels": [7]},
    {**ANSWER, "kernels": [{"id": "a"}]},
    {**ANSWER, "kernels": [{**KERNEL, "id": "../../etc"}]},
    {**ANSWER, "kernels": [{**KERNEL, "id": "a\n"}]},
    {**ANSWER, "kernels": [{**KERNEL, "state": "\ud800"}]},
    {**ANSWER, "kernels": [{**KERNEL, "pid": -1}]},
    {**ANSWER, "kernels": [{**KERNEL, "pid": True}]},
    {**ANSWER, "kernels": [{**KERNEL, "memory": 1.5}]},
    {**ANSWER, "kernels": [{**KERNEL, "last_activity": "yesterday"}]},
    {**ANSWER, "kernels": [{**KERNEL, "exit_code": 2**70}]},
]


@pytest.mark.parametrize("answer", MALFORMED, ids=lambda answer: ascii(answer)[:60])
def test_a_malformed_answer_raises_a_gateway_error(answer: Any) -> None:
    with pytest.raises(GatewayError, match="localhost:1 answered with a malformed status"):
        parse_status(answer, "localhost:1")


@pytest.mark.parametrize(
    "body", ["", "null", "[1]", '{"runtime": "1"}', "[" * 100_000, "<html>", '{"a": "\\ud800"}']
)
async def test_the_client_raises_only_gateway_errors(body: str) -> None:
    async with FakeGateway() as gateway:
        gateway.answers[STATUS_PATH] = body
        async with ExecutionClient(gateway.port) as client:
            with pytest.raises(GatewayError):
                await client.status()
            gateway.answers[STATUS_PATH] = json.dumps(ANSWER)
            assert await client.status() == STATUS


def test_the_keys_of_the_answer_work_with_a_warning() -> None:
    for key in ANSWER.keys() - {"kernels"}:
        with pytest.warns(
            DeprecationWarning, match=f'GatewayStatus."{key}". is deprecated'
        ) as seen:
            assert STATUS[key] == ANSWER[key]
        assert seen[0].filename == __file__
    with pytest.warns(DeprecationWarning, match="use the attribute kernels"):
        (kernel,) = STATUS["kernels"]
    for key, value in KERNEL.items():
        with pytest.warns(DeprecationWarning, match="use the attribute"):
            assert kernel[key] == value
    with pytest.raises(KeyError, match="runtime_"):
        _ = STATUS["runtime_"]


def test_other_uses_as_a_dict_work_with_a_warning() -> None:
    with pytest.warns(DeprecationWarning, match=r"get.\"lease\". is .* attribute lease_s") as seen:
        assert STATUS.get("lease") == ANSWER["lease"]
    assert seen[0].filename == __file__
    with pytest.warns(DeprecationWarning, match=r"get.\"x\". is deprecated"):
        assert STATUS.get("x") is None
    with pytest.warns(DeprecationWarning):
        assert STATUS.get("x", 7) == 7
    with pytest.warns(DeprecationWarning, match=r"GatewayStatus\.keys.. is deprecated") as seen:
        assert STATUS.keys() == ANSWER.keys()
    assert seen[0].filename == __file__
    with pytest.warns(DeprecationWarning, match='"runtime" in GatewayStatus') as seen:
        assert "runtime" in STATUS
    assert seen[0].filename == __file__
    with pytest.warns(DeprecationWarning, match='"runtime_version" in GatewayStatus'):
        assert "runtime_version" not in STATUS
    with pytest.warns(DeprecationWarning, match="Iterating over GatewayStatus") as seen:
        assert set(STATUS) == ANSWER.keys()
    assert seen[0].filename == __file__


def test_a_status_can_be_converted_to_the_dict_that_it_was() -> None:
    with pytest.deprecated_call():
        found = dict(STATUS)
    with pytest.deprecated_call():
        kernels = [dict(kernel) for kernel in found["kernels"]]
    assert {**found, "kernels": kernels} == ANSWER
