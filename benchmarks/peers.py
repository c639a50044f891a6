"""Other libraries that run code in containers: each in a virtual environment of its own,
with an image of its own on the base that ours stand on, driven by a script of its own.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ipybox.image.build_context import BASE_VARIABLE
from ipybox.spec.image import DEFAULT_BASE

CACHE = Path.home() / ".cache" / "ipybox-benchmarks"
SCRIPTS = Path(__file__).parent / "peer_scripts"
INSTALL_SECONDS = 900
ROUND_SECONDS = 120

OLD_IPYBOX = "ipybox 0.6.7"
LLM_SANDBOX = "llm-sandbox 0.3.46"

# Its own Dockerfile without what takes no part in a start (Node.js, the firewall's tools),
# and with uv from the package index in place of an image that holds it.
OLD_IPYBOX_DOCKERFILE = """\
FROM {base}
ENV HOME=/home/appuser
RUN python3 -m venv /opt/uv && /opt/uv/bin/pip install --no-cache-dir uv==0.8.3
RUN groupadd -g 1000 appuser && useradd -u 1000 -g appuser -m -s /bin/bash appuser
WORKDIR ${{HOME}}
USER appuser
COPY --chown=appuser:appuser pyproject.toml .python-version ${{HOME}}/
RUN /opt/uv/bin/uv sync --no-dev --no-install-project
COPY --chown=appuser:appuser server.sh ${{HOME}}/
RUN chmod +x ${{HOME}}/server.sh
COPY --chown=appuser:appuser ipybox/resource /app/ipybox/resource/
COPY --chown=appuser:appuser ipybox/mcp /app/ipybox/mcp/
COPY --chown=appuser:appuser ipybox/modinfo.py /app/ipybox/
WORKDIR /app
CMD ["/bin/bash", "-c", "source ${{HOME}}/.venv/bin/activate && ${{HOME}}/server.sh"]
"""

# As a stock image of Python is: "python" is on PATH, and runs where no command is given.
LLM_SANDBOX_DOCKERFILE = """\
FROM {base}
RUN command -v python || ln -s "$(command -v python3)" /usr/local/bin/python
CMD ["python3"]
"""


def base_image() -> str:
    """What ipybox builds its images on."""
    return os.environ.get(BASE_VARIABLE) or DEFAULT_BASE


class PeerError(Exception):
    """Why a peer could not be measured."""


@dataclass(frozen=True, kw_only=True)
class Peer:
    """``context`` copies what its image needs from its installed package into a folder."""

    name: str
    requirement: str
    image: str
    script: str
    dockerfile: str
    context: Callable[[Path, Path], None] | None = None

    @property
    def folder(self) -> Path:
        return CACHE / self.name.replace(" ", "-")

    @property
    def python(self) -> Path:
        return self.folder / "bin" / "python"

    @property
    def is_there(self) -> bool:
        """Whether environment and image were made before, in full."""
        return self._installed and self._image_is_there

    def make(self) -> None:
        """Installs it, and builds its image. PeerError where that fails."""
        self._install()
        self._build()

    def cold_starts(self, rounds: int) -> list[float]:
        """Seconds, each from nothing to a first result. PeerError where it can't be measured."""
        try:
            command = [self.python, "-I", SCRIPTS / self.script, self.image, str(rounds)]
            told = _run(command, timeout=(1 + rounds) * ROUND_SECONDS)
        finally:
            self._remove_containers()
        return [float(seconds) for seconds in json.loads(told.splitlines()[-1])["cold"]]

    @property
    def _mark(self) -> Path:
        return self.folder / "installed.txt"

    @property
    def _installed(self) -> bool:
        return self._mark.is_file() and self._mark.read_text() == self.requirement

    @property
    def _image_is_there(self) -> bool:
        command = ["docker", "image", "inspect", self.image]
        return subprocess.run(command, capture_output=True).returncode == 0

    def _install(self) -> None:
        if self._installed:
            return
        CACHE.mkdir(parents=True, exist_ok=True)
        _run([sys.executable, "-m", "venv", "--clear", self.folder], timeout=INSTALL_SECONDS)
        pip = [self.python, "-m", "pip", "install", "--quiet", self.requirement]
        _run(pip, timeout=INSTALL_SECONDS)
        self._mark.write_text(self.requirement)

    def _build(self) -> None:
        """The engine's build cache makes it short where nothing has changed."""
        with tempfile.TemporaryDirectory(prefix="b-") as folder:
            Path(folder, "Dockerfile").write_text(self.dockerfile.format(base=base_image()))
            if self.context is not None:
                self.context(self.folder, Path(folder))
            build = ["docker", "build", "--force-rm", "--tag", self.image, folder]
            _run(build, timeout=INSTALL_SECONDS)

    def _remove_containers(self) -> None:
        """Those that a script has left behind, which failed: no other has this image."""
        listed = ["docker", "ps", "--all", "--quiet", "--filter", f"ancestor={self.image}"]
        for container in _run(listed, timeout=60).split():
            subprocess.run(["docker", "rm", "--force", container], capture_output=True)


def _old_ipybox_context(environment: Path, folder: Path) -> None:
    """As its own ``ipybox build`` does it, with its default dependencies: none."""
    package = next(environment.glob("lib/python*/site-packages/ipybox"))
    defaults = package / "config" / "default"
    project = (defaults / "pyproject.toml").read_text()
    (folder / "pyproject.toml").write_text(project.format(dependencies=""))
    (folder / "ipybox").mkdir()
    for part in ("mcp", "resource"):
        ignored = shutil.ignore_patterns("__pycache__")  # it would change with each import
        shutil.copytree(package / part, folder / "ipybox" / part, ignore=ignored)
    shutil.copy(defaults / ".python-version", folder)
    shutil.copy(package / "modinfo.py", folder / "ipybox")
    shutil.copy(package / "scripts" / "server.sh", folder)


def _run(command: Sequence[object], *, timeout: float) -> str:
    """What the command printed. PeerError with the last line of its errors where it fails."""
    argv = [str(part) for part in command]
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=timeout)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise PeerError(str(error)) from error
    if done.returncode:
        last = (done.stderr or done.stdout).strip().rpartition("\n")[2]
        raise PeerError(f"{Path(argv[0]).name} {argv[1]}: {last}")
    return done.stdout


PEERS = (
    Peer(
        name=OLD_IPYBOX, requirement="ipybox==0.6.7", image="ipybox-benchmarks/ipybox:0.6.7",
        script="ipybox_0_6_7.py", dockerfile=OLD_IPYBOX_DOCKERFILE, context=_old_ipybox_context,
    ),
    Peer(
        name=LLM_SANDBOX, requirement="llm-sandbox[docker]==0.3.46",
        image="ipybox-benchmarks/llm-sandbox:0.3.46",
        script="llm_sandbox_0_3_46.py", dockerfile=LLM_SANDBOX_DOCKERFILE,
    ),
)  # fmt: skip
