"""``ipybox run`` as a user calls it: streams, exit codes, options. Also doctor and plugins."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

PNG = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5E"
    "rkJggg=="
)
IPYBOX = [str(Path(sys.executable).with_name("ipybox"))]


def ipybox(*arguments: str, stdin: str = "", **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*IPYBOX, *arguments],
        input=stdin,
        env={**os.environ, "COLUMNS": "200", **variables},
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_code_comes_from_an_option_a_file_or_standard_input(local: str, tmp_path: Path) -> None:
    (tmp_path / "code.py").write_text("print('from a file')")
    assert ipybox("run", "-c", "print('given')").stdout == "given\n"
    assert ipybox("run", str(tmp_path / "code.py")).stdout == "from a file\n"
    assert ipybox("run", "-", stdin="print('from stdin')").stdout == "from stdin\n"


def test_stdout_and_stderr_stay_separate(local: str) -> None:
    done = ipybox("run", "-c", "import sys; print('o'); print('e', file=sys.stderr)\n1 + 1")
    assert (done.returncode, done.stdout, done.stderr) == (0, "o\n2\n", "e\n")


def test_an_error_in_the_code_exits_with_1_and_prints_the_traceback(local: str) -> None:
    done = ipybox("run", "-c", "print('before')\n1/0")
    assert (done.returncode, done.stdout) == (1, "before\n")
    assert "ZeroDivisionError: division by zero" in done.stderr
    assert "\x1b" not in done.stderr


def test_a_timeout_exits_with_124(local: str) -> None:
    done = ipybox("run", "-c", "print('on')\nwhile True: pass", "--timeout", "5")
    assert (done.returncode, done.stdout) == (124, "on\n")
    assert "timed out after 5.0 s" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "either a FILE"),
        (["-c", "1", "file.py"], "either a FILE"),
        (["no-such-file.py"], "No such file"),
        (["-c", "1", "--bind", "x"], "HOST:CONTAINER"),
        (["-c", "1", "--bind", "x:/abs"], "must be relative"),
        (["-c", "1", "--bind", "x:../up"], "may not leave"),
        (["-c", "1", "--env", "NOVALUE"], "NAME=VALUE"),
        (["-c", "1", "--timeout", "0"], "above 0"),
        (["-c", "1", "--timeout", "x"], "Invalid value"),
        (["-c", "1", "--backend", "lokal"], "Did you mean 'local'"),
        (["-c", "1", "--no-such-option"], "No such option"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_usage_exits_with_2_and_no_traceback(
    arguments: list[str], message: str, local: str
) -> None:
    done = ipybox("run", *arguments)
    assert done.returncode == 2, done
    assert message in " ".join(done.stderr.replace("│", " ").split())
    assert "Traceback" not in done.stderr


def test_run_refuses_to_fall_back_to_a_backend_without_isolation() -> None:
    done = ipybox("run", "-c", "1", IPYBOX_BACKEND="", IPYBOX_DISABLE_PLUGINS="docker,podman")
    assert done.returncode == 1
    assert "No backend that isolates the code is ready" in done.stderr


def test_binds_env_and_save_images_take_effect(local: str, tmp_path: Path) -> None:
    code = f"""
        import os
        open('out/result.txt', 'w').write(os.environ['WORD'])
        display({{'image/png': '{PNG}'}}, raw=True)
        display({{'image/png': '{PNG}'}}, raw=True)
    """
    done = ipybox(
        "run", "-c", code, "--bind", f"{tmp_path / 'made'}:out", "--env", "WORD=a=b",
        "--save-images", str(tmp_path / "images"),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "made/result.txt").read_text() == "a=b"
    assert sorted(path.name for path in (tmp_path / "images").iterdir()) == [
        "image-1.png",
        "image-2.png",
    ]
    assert "2 images not saved" in ipybox("run", "-c", code, "--env", "WORD=", "--bind",
                                            f"{tmp_path}:out").stderr  # fmt: skip


def test_output_arrives_while_the_code_runs_and_sigterm_exits_with_143(local: str) -> None:
    code = "import time\nprint('first', flush=True)\ntime.sleep(30)"
    process = subprocess.Popen(
        [*IPYBOX, "run", "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "first\n"
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=20)
    assert process.returncode == 128 + signal.SIGTERM


@pytest.mark.slow
def test_doctor_and_plugins_list_what_is_installed() -> None:
    rows = {row["name"]: row for row in json.loads(ipybox("doctor", "--json").stdout)}
    assert rows["local"]["ready"] is True
    assert rows["local"]["version"].startswith("Python 3.")
    assert {"docker", "podman"} <= set(rows)
    for row in rows.values():
        assert row["ready"] or row["reason"]
        assert all(found["remedy"] for found in row["findings"] if found["level"] != "ok")
    assert "local" in ipybox("doctor").stdout
    table = ipybox("plugins").stdout
    assert "backend local" in table and "output handler images" in table
    assert "backend docker" in table and "image recipe default" in table
    names = [row["name"] for row in json.loads(ipybox("plugins", "--json").stdout)]
    assert names[:4] == ["docker", "images", "local", "outputs"]
