"""What an execution is, on each backend: real kernels, real output."""

import asyncio
import base64
import io
import time

import httpx
import pytest
from PIL import Image

from ipybox import (
    ExecutionClient,
    ExecutionContainer,
    ExecutionError,
    ExecutionInterruptedError,
    ExecutionTimeoutError,
    InvalidArgumentError,
    KernelDiedError,
    NotConnectedError,
    OutputLimits,
    TransportError,
)


async def test_text_is_stripped_and_in_order_of_arrival(client: ExecutionClient) -> None:
    result = await client.execute(
        "import sys\nprint('  one')\nprint('two', file=sys.stderr)\n'three'"
    )
    assert result.stdout == "  one\n"
    assert result.stderr == "two\n"
    assert result.text is not None
    assert sorted(result.text.split()) == ["'three'", "one", "two"]
    assert result.text.endswith("'three'")
    assert (await client.execute("x = 1")).text is None


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("\n        x = 2\n        print(x)\n        ", "2"),
        ("!echo from the shell", "from the shell"),
        ("%pwd", None),
        ("import asyncio\nawait asyncio.sleep(0)\nprint('awaited')", "awaited"),
        ("\n".join(f"x{i} = {i}" for i in range(10_000)) + "\nprint(x9999)", "9999"),
        ("%%capture captured\nprint('hidden')", None),
        ("print('ünï', '日本', '🎉', '\\x00|')", "ünï 日本 🎉 \x00|"),
        ("", None),
    ],
    ids=["indented", "shell", "magic", "await", "10,000 lines", "cell magic", "unicode", "empty"],
)
async def test_kinds_of_code(client: ExecutionClient, code: str, text: str | None) -> None:
    result = await client.execute(code)
    if code == "%pwd":
        assert result.text is not None
        assert result.text.strip("'").endswith("/app")
    else:
        assert result.text == text


async def test_help_is_output(client: ExecutionClient) -> None:
    result = await client.execute("len?")
    assert result.text is not None
    assert "Return the number of items" in result.text


async def test_error_and_trace(client: ExecutionClient) -> None:
    with pytest.raises(ExecutionError) as caught:
        await client.execute("print('before')\ndef fail():\n    return y\nfail()")
    assert caught.value.args[0] == "NameError: name 'y' is not defined"
    assert "in fail()" in caught.value.trace
    assert "\x1b" not in caught.value.trace
    assert caught.value.text == "before"
    assert (await client.execute("print('after')")).text == "after"


async def test_timeout_interrupts_and_keeps_state(client: ExecutionClient) -> None:
    await client.execute("kept = 7")
    with pytest.raises(asyncio.TimeoutError) as caught:
        await client.execute("print('started')\nwhile True: pass", timeout=1)
    assert isinstance(caught.value, ExecutionTimeoutError)
    assert caught.value.state == "preserved"
    assert caught.value.text == "started"
    assert (await client.execute("print(kept)")).text == "7"


@pytest.mark.parametrize("timeout", [0.0001, 0.001, 0.005, 0.01, 0.05])
async def test_a_very_short_timeout_keeps_state_too(
    client: ExecutionClient, timeout: float
) -> None:
    await client.execute("kept = 7")
    for _ in range(5):
        with pytest.raises(ExecutionTimeoutError) as caught:
            await client.execute("while True: pass", timeout=timeout)
        assert caught.value.state == "preserved"
    assert (await client.execute("print(kept)")).text == "7"


async def test_stream_timeout_interrupts_too(client: ExecutionClient) -> None:
    execution = await client.submit("import time\nprint('a')\ntime.sleep(60)")
    pieces = []
    with pytest.raises(ExecutionTimeoutError):
        async for piece in execution.stream(timeout=1.5):
            pieces.append(piece)
    assert pieces == ["a\n"]
    with pytest.raises(ExecutionTimeoutError):
        await execution.result()
    assert (await client.execute("print('b')")).text == "b"


async def test_code_that_ignores_interrupts_costs_the_kernel(
    container: ExecutionContainer,
) -> None:
    async with ExecutionClient(container.port, interrupt_grace=1) as client:
        stubborn = """
            import time
            while True:
                try:
                    time.sleep(60)
                except BaseException:
                    pass
        """
        with pytest.raises(ExecutionTimeoutError) as caught:
            await client.execute(stubborn, timeout=0.5)
        assert caught.value.state == "lost"
        assert (await client.execute("print('again')")).text == "again"


async def test_timeout_of_one_that_waits_leaves_the_running_one_alone(
    client: ExecutionClient,
) -> None:
    first = await client.submit("import time\ntime.sleep(3)\nprint('whole')")
    second = await client.submit("print('never')\nran = True")
    with pytest.raises(ExecutionTimeoutError):
        await second.result(timeout=0.5)
    assert (await first.result()).text == "whole"
    with pytest.raises(ExecutionError, match="NameError"):
        await client.execute("ran")


async def test_one_behind_a_timeout_runs_in_the_same_kernel(client: ExecutionClient) -> None:
    """It begins once it is known that the kernel is well, however long it takes itself."""
    await client.execute("kept = 1")
    first = await client.submit("import time; time.sleep(60)")
    second = await client.submit("time.sleep(3); print(kept)")
    with pytest.raises(ExecutionTimeoutError) as caught:
        await first.result(timeout=0.5)
    assert caught.value.state == "preserved"
    assert (await second.result()).text == "1"


@pytest.mark.parametrize("character", ["\\udcff", "\\ud800"])
async def test_strings_that_are_no_text(client: ExecutionClient, character: str) -> None:
    """As file names may be; the connection does not suffer."""
    with pytest.raises(ExecutionError, match=r"ValueError: before\?"):
        await client.execute(f"raise ValueError('before{character}')")
    result = await client.execute(f"display({{'text/html': 'x{character}'}}, raw=True); print(1)")
    assert result.outputs[0].values["text/html"] == "x?"
    assert result.text == "1"


class Code(str):
    """A template's text, say."""


async def test_code_of_a_subclass_of_str(client: ExecutionClient) -> None:
    assert (await client.execute(Code("print(1)"), timeout=10)).text == "1"


async def test_code_that_is_too_large(client: ExecutionClient) -> None:
    with pytest.raises(InvalidArgumentError, match="at most 62,914,560"):
        await client.execute("x = '" + "a" * 70_000_000 + "'")
    assert (await client.execute("print(1)")).text == "1"


async def test_cancelled_execute_stops_the_code(client: ExecutionClient) -> None:
    await client.execute("count = 0")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1):
            await client.execute("import time\nwhile True:\n    count += 1\n    time.sleep(0.01)")
    first = (await client.execute("count")).text
    assert first != "0"
    assert (await client.execute("count")).text == first


async def test_50_concurrent_submits(client: ExecutionClient) -> None:
    executions = [await client.submit(f"print({i} * {i})") for i in range(50)]
    results = await asyncio.gather(*(execution.result() for execution in reversed(executions)))
    assert [result.text for result in reversed(results)] == [str(i * i) for i in range(50)]


async def test_50_concurrent_executes(client: ExecutionClient) -> None:
    results = await asyncio.gather(*(client.execute(f"print({i})\n{i}") for i in range(50)))
    assert [result.text for result in results] == [f"{i}\n{i}" for i in range(50)]


async def test_unconsumed_executions_lose_nothing(client: ExecutionClient) -> None:
    first = await client.submit("for i in range(1000): print(i)")
    _never_consumed = await client.submit("print('x' * 100_000)")
    third = await client.submit("print('third')")
    assert (await third.result()).text == "third"
    streamed = "".join([piece async for piece in first.stream()])
    assert streamed == "".join(f"{i}\n" for i in range(1000))
    assert (await first.result()).text == streamed.strip()
    assert "".join([piece async for piece in first.stream()]) == streamed


async def test_an_error_does_not_stop_those_behind_it(client: ExecutionClient) -> None:
    failing = await client.submit("1 / 0")
    behind = await client.submit("print('runs')")
    assert (await behind.result()).text == "runs"
    with pytest.raises(ExecutionError, match="ZeroDivisionError"):
        await failing.result()


async def test_output_arrives_while_the_code_runs(client: ExecutionClient) -> None:
    execution = await client.submit(
        "import time\nfor i in range(3):\n    print(i)\n    time.sleep(0.7)"
    )
    arrivals = [time.monotonic() async for _ in execution.stream()]
    assert len(arrivals) == 3
    assert arrivals[-1] - arrivals[0] > 0.7


async def test_20_mb_arrive_complete(container: ExecutionContainer) -> None:
    limits = OutputLimits(text=32 * 1024 * 1024)
    async with ExecutionClient(container.port, limits=limits) as client:
        result = await client.execute("for i in range(200_000): print(f'{i:0100d}')")
    assert len(result.stdout) == 200_000 * 101
    lines = result.stdout.splitlines()
    assert [int(line) for line in lines] == list(range(200_000))
    assert not result.truncated


async def test_one_message_above_the_usual_frame_limit(client: ExecutionClient) -> None:
    result = await client.execute("import sys\n_ = sys.stdout.write('y' * 5_000_000)")
    assert result.stdout == "y" * 5_000_000


async def test_cap_says_what_it_cut(container: ExecutionContainer) -> None:
    limits = OutputLimits(text=1000, outputs=2)
    async with ExecutionClient(container.port, limits=limits) as client:
        result = await client.execute("print('z' * 4999)\nfor i in range(5): display(i)")
        assert len(result.stdout) == 1000
        assert len(result.outputs) == 2
        assert result.truncated
        assert result.truncated.outputs == 3
        assert result.truncated.text >= 4000
        assert (await client.execute("print('on')")).text == "on"


PNG = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5E"
    "rkJggg=="
)


async def test_bundles_in_order_with_their_types(client: ExecutionClient) -> None:
    result = await client.execute(f"""
        from IPython.display import display
        display({{"text/html": "<b>x</b>", "text/plain": "x"}}, raw=True)
        display({{"image/png": "{PNG}"}}, raw=True)
        display({{"application/json": {{"a": [1, None]}}}}, raw=True)
        display({{"application/x-unknown": "?"}}, raw=True)
        rest = {{"image/svg+xml": "<svg/>", "text/latex": "$x$", "text/markdown": "*x*"}}
        display(rest, raw=True)
        40 + 2
    """)
    assert [output.mime_types for output in result.outputs] == [
        ("text/html", "text/plain"),
        ("image/png",),
        ("application/json",),
        ("application/x-unknown",),
        ("image/svg+xml", "text/latex", "text/markdown"),
        ("text/plain",),
    ]
    assert [output.kind for output in result.outputs] == ["display"] * 5 + ["result"]
    assert result.outputs[0].values["text/html"] == "<b>x</b>"
    assert result.outputs[2].values["application/json"] == {"a": [1, None]}
    assert result.outputs[3].values == {}
    assert result.outputs[4].values["image/svg+xml"] == "<svg/>"
    assert [image.size for image in result.images] == [(1, 1)]
    assert result.text == "x\n42"


async def test_image_formats(client: ExecutionClient) -> None:
    bundles = []
    for name in ("png", "jpeg", "gif", "webp"):
        buffer = io.BytesIO()
        Image.new("RGB", (3, 2), "red").save(buffer, name)
        bundles.append({f"image/{name}": base64.b64encode(buffer.getvalue()).decode()})
    result = await client.execute(f"for bundle in {bundles!r}: display(bundle, raw=True)")
    assert [image.format for image in result.images] == ["PNG", "JPEG", "GIF", "WEBP"]
    assert {image.size for image in result.images} == {(3, 2)}


async def test_a_broken_image_is_an_error_of_its_own(client: ExecutionClient) -> None:
    result = await client.execute(
        f"display({{'image/png': 'bm8='}}, raw=True)\ndisplay({{'image/png': '{PNG}'}}, raw=True)"
    )
    assert "UnidentifiedImageError" in result.outputs[0].errors["image/png"]
    assert result.outputs[0].values == {}
    assert len(result.images) == 1


async def test_images_are_on_the_exception(client: ExecutionClient) -> None:
    with pytest.raises(ExecutionError) as caught:
        await client.execute(f"display({{'image/png': '{PNG}'}}, raw=True)\n1/0")
    assert len(caught.value.images) == 1


async def test_clear_output(client: ExecutionClient) -> None:
    result = await client.execute("""
        from IPython.display import clear_output
        print("gone"); clear_output(); print("one")
        clear_output(wait=True); print("two", flush=True); clear_output(wait=True)
    """)
    assert result.text == "two"


async def test_update_display_data(client: ExecutionClient) -> None:
    result = await client.execute("""
        handle = display("first", display_id=True)
        print("between")
        handle.update("second")
    """)
    assert result.text is not None
    assert len(result.outputs) == 1
    assert result.outputs[0].values["text/plain"] == "'second'"
    assert "first" not in result.text
    later = await client.execute("handle.update('third')")
    assert later.outputs[0].values["text/plain"] == "'third'"


async def test_interrupt_from_another_task(client: ExecutionClient) -> None:
    execution = await client.submit("print('on', flush=True)\nimport time\ntime.sleep(60)")
    async for _ in execution.stream():
        await client.interrupt()
        break
    with pytest.raises(ExecutionInterruptedError) as caught:
        await execution.result()
    assert caught.value.text == "on"
    assert (await client.execute("1")).text == "1"


@pytest.mark.parametrize(
    ("code", "exit_code"),
    [
        ("import os; os._exit(3)", 3),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", -9),
        ("import ctypes; ctypes.string_at(0)", -11),
    ],
    ids=["exit", "SIGKILL", "SIGSEGV"],
)
async def test_kernel_death_is_told(client: ExecutionClient, code: str, exit_code: int) -> None:
    waiting = [
        await client.submit(f"print('before', flush=True)\nimport time\ntime.sleep(0.3)\n{code}")
    ]
    waiting += [await client.submit("print('never')")]
    for execution in waiting:
        with pytest.raises(KernelDiedError) as caught:
            await execution.result()
        assert caught.value.exit_code == exit_code
    with pytest.raises(KernelDiedError) as first:
        await waiting[0].result()
    assert first.value.text == "before"
    with pytest.raises(KernelDiedError):
        await client.execute("1")
    await client.restart()
    assert (await client.execute("print('new')")).text == "new"


async def test_restart_gives_an_empty_kernel(client: ExecutionClient) -> None:
    await client.execute("x = 1")
    running = await client.submit("import time; time.sleep(60)")
    await asyncio.sleep(0)
    await client.restart()
    with pytest.raises(KernelDiedError, match="restarted"):
        await running.result()
    with pytest.raises(ExecutionError, match="NameError"):
        await client.execute("x")


async def test_input_raises_at_once(client: ExecutionClient) -> None:
    with pytest.raises(ExecutionError, match="StdinNotImplementedError"):
        await client.execute("input('name? ')", timeout=20)


async def test_completion(client: ExecutionClient) -> None:
    await client.execute("something_long = 1")
    matches, start, end = await client.complete("1 + something_l")
    assert "something_long" in matches
    assert (start, end) == (4, 15)


async def test_clients_do_not_see_each_other(container: ExecutionContainer) -> None:
    async with (
        ExecutionClient(container.port) as one,
        ExecutionClient(container.port) as two,
    ):
        assert one.kernel_id != two.kernel_id
        await one.execute("mine = 1")
        with pytest.raises(ExecutionError, match="NameError"):
            await two.execute("mine")


async def test_calls_before_connect_and_after_disconnect(container: ExecutionContainer) -> None:
    client = ExecutionClient(container.port)
    for _ in range(2):
        with pytest.raises(ValueError, match="connect"):
            _ = client.kernel_id
        for call in (client.execute("1"), client.submit("1"), client.interrupt(), client.restart()):
            with pytest.raises(NotConnectedError):
                await call
        await client.connect()
        running = await client.submit("import time; time.sleep(60)")
        await client.disconnect()
        await client.disconnect()
        with pytest.raises(NotConnectedError):
            await running.result()


@pytest.mark.parametrize("timeout", [0, -1, "1", float("nan"), True])
async def test_bad_timeouts(client: ExecutionClient, timeout: float) -> None:
    with pytest.raises(InvalidArgumentError, match="timeout"):
        await client.execute("1", timeout=timeout)
    execution = await client.submit("1")
    with pytest.raises(InvalidArgumentError):
        await execution.result(timeout=timeout)
    with pytest.raises(InvalidArgumentError):
        async for _ in execution.stream(timeout=timeout):
            pass


async def test_bad_code(client: ExecutionClient) -> None:
    with pytest.raises(InvalidArgumentError, match="str"):
        await client.execute(b"1")  # type: ignore[arg-type]
    with pytest.raises(InvalidArgumentError, match="surrogate"):
        await client.execute("'\ud800'")
    with pytest.raises(ExecutionError, match="SyntaxError"):
        await client.execute("def")
    assert (await client.execute("1")).text == "1"


async def test_exchanges_at_once_leave_one_kernel(container: ExecutionContainer) -> None:
    async def kernels() -> list[str]:
        endpoint = container.endpoint
        address = f"http://{endpoint.host}:{endpoint.port}/api/kernels"
        headers = {"Authorization": f"token {endpoint.token}"}
        async with httpx.AsyncClient() as http:
            return [kernel["id"] for kernel in (await http.get(address, headers=headers)).json()]

    before = await kernels()
    client = ExecutionClient(container.port)
    outcomes = await asyncio.gather(
        client.connect(), client.connect(), client.connect(), return_exceptions=True
    )
    assert sum(isinstance(outcome, TransportError) for outcome in outcomes) == 2
    await asyncio.gather(client.restart(), client.restart(), client.restart())
    assert (await client.execute("1")).text == "1"
    assert sorted(await kernels()) == sorted([*before, client.kernel_id])
    restarting = asyncio.ensure_future(client.restart())
    await asyncio.sleep(0)
    await client.disconnect()
    await asyncio.wait([restarting])
    assert await kernels() == before


async def test_cancelled_connect_leaves_no_kernel(container: ExecutionContainer) -> None:
    endpoint = container.endpoint
    headers = {"Authorization": f"token {endpoint.token}"}
    async with httpx.AsyncClient(headers=headers) as http:
        address = f"http://{endpoint.host}:{endpoint.port}/api/kernels"
        before = (await http.get(address)).json()
        for seconds in (0, 0.01, 0.02, 0.05, 0.1, 0.3):
            client = ExecutionClient(container.port)
            connecting = asyncio.ensure_future(client.connect())
            await asyncio.wait([connecting], timeout=seconds)
            connecting.cancel()
            await asyncio.wait([connecting])
            if not connecting.cancelled():  # it was faster
                await client.disconnect()
        left = {kernel["id"] for kernel in (await http.get(address)).json()}
    assert left == {kernel["id"] for kernel in before}
