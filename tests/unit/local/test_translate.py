"""The supervisor's configuration, and the environment of the gateway and its kernels."""

from __future__ import annotations

import json
from pathlib import Path

from ipybox_local.translate import kernel_environment, supervisor_config

from ipybox import Bind
from ipybox.authoring import ContainerSpec


def test_only_allowed_environment_variables_are_passed_on(tmp_path: Path) -> None:
    host = {
        "AWS_SECRET_ACCESS_KEY": "x", "PYTHONPATH": "/x", "LD_PRELOAD": "x", "HOME": "/root",
        "IPYBOX_TOKEN": "t", "LC_ALL": "C", "PIP_INDEX_URL": "i", "PATH": "/bin",
    }  # fmt: skip
    found = kernel_environment(tmp_path, host_env=host, host_home=tmp_path)
    assert found["LC_ALL"] == "C"
    assert found["PIP_INDEX_URL"] == "i"
    assert found["PATH"] == f"{tmp_path}/venv/bin:/bin"
    assert found["HOME"] == f"{tmp_path}/home"
    for name in ("AWS_SECRET_ACCESS_KEY", "PYTHONPATH", "LD_PRELOAD", "IPYBOX_TOKEN"):
        assert name not in found


def test_the_configuration_is_json_without_secrets_in_argv(tmp_path: Path) -> None:
    spec = ContainerSpec(
        env={"KEY": "secret"}, binds=(Bind(host_path=tmp_path, container_path="a"),)
    )
    config = supervisor_config(
        spec, tmp_path / "r", import_paths=["/p"], host_env={}, host_home=tmp_path
    )
    assert json.loads(json.dumps(config)) == config
    assert spec.token not in " ".join(config["argv"]) and spec.token not in config["env"].values()
    assert config["env"]["KEY"] == "secret"
