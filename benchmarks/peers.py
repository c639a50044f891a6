"""Other libraries that run code in containers, to compare with.

Each one has its own virtual environment, its own image on the same base as ipybox's images, and
its own script in ``peer_scripts``.
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
# Seconds.
INSTALL_TIMEOUT = 900
ROUND_TIMEOUT = 120

OLD_IPYBOX = "ipybox 0.6.7"
LLM_SANDBOX = "llm-sandbox 0.3.46"

# The Dockerfile of ipybox 0.6.7, without what plays no part in a start (Node.js, the firewall
# tools), and with uv from the package index instead of from another image.
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

# Like a stock Python image: "python" is on PATH and is the default command.
LLM_SANDBOX_DOCKERFILE = """\
FROM {base}
RUN command -v python || ln -s "$(command -v python3)" /usr/local/bin/python
CMD ["python3"]
"""


def base_image() -> str:
    """Return the base image of ipybox's images."""
    return os.environ.get(BASE_VARIABLE) or DEFAULT_BASE


class PeerError(Exception):
    """A peer could not be measured; the message says why."""


@dataclass(frozen=True, kw_only=True)
class Peer:
    """Another library to compare with.

    Attributes:
        name: Name and version to display.
        requirement: Requirement specifier that pip installs.
        image: Name of the image to build.
        script: File in ``peer_scripts`` that measures the library.
        dockerfile: Dockerfile of the image; ``{base}`` stands for the base image.
        context: Copies what the image needs from the library's environment (first argument)
            into the build folder (second argument); None if the image needs nothing.
    """

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
    def is_ready(self) -> bool:
        """Whether both the environment and the image exist, completely."""
        return self._installed and self._image_exists

    def prepare(self) -> None:
        """Install the library and build its image.

        Raises:
            PeerError: The installation or the build failed.
        """
        self._install()
        self._build()

    def cold_starts(self, rounds: int) -> list[float]:
        """Measure cold starts, after one warm-up round.

        Args:
            rounds: Number of cold starts to measure.

        Returns:
            Seconds from no container to a first result, one value per round.

        Raises:
            PeerError: The script failed or timed out.
        """
        try:
            command = [self.python, "-I", SCRIPTS / self.script, self.image, str(rounds)]
            output = _run(command, timeout=(1 + rounds) * ROUND_TIMEOUT)
        finally:
            self._remove_containers()
        return [float(seconds) for seconds in json.loads(output.splitlines()[-1])["cold"]]

    @property
    def _installed_marker(self) -> Path:
        return self.folder / "installed.txt"

    @property
    def _installed(self) -> bool:
        marker = self._installed_marker
        return marker.is_file() and marker.read_text() == self.requirement

    @property
    def _image_exists(self) -> bool:
        command = ["docker", "image", "inspect", self.image]
        return subprocess.run(command, capture_output=True).returncode == 0

    def _install(self) -> None:
        if self._installed:
            return
        CACHE.mkdir(parents=True, exist_ok=True)
        _run([sys.executable, "-m", "venv", "--clear", self.folder], timeout=INSTALL_TIMEOUT)
        pip = [self.python, "-m", "pip", "install", "--quiet", self.requirement]
        _run(pip, timeout=INSTALL_TIMEOUT)
        self._installed_marker.write_text(self.requirement)

    def _build(self) -> None:
        """Build the image. The engine's build cache makes this fast if nothing has changed."""
        with tempfile.TemporaryDirectory(prefix="b-") as folder:
            Path(folder, "Dockerfile").write_text(self.dockerfile.format(base=base_image()))
            if self.context is not None:
                self.context(self.folder, Path(folder))
            build = ["docker", "build", "--force-rm", "--tag", self.image, folder]
            _run(build, timeout=INSTALL_TIMEOUT)

    def _remove_containers(self) -> None:
        """Remove containers that a failed script left behind. Nothing else uses this image."""
        listed = ["docker", "ps", "--all", "--quiet", "--filter", f"ancestor={self.image}"]
        for container in _run(listed, timeout=60).split():
            subprocess.run(["docker", "rm", "--force", container], capture_output=True)


def _old_ipybox_context(environment: Path, folder: Path) -> None:
    """Make the build context that ``ipybox build`` of 0.6.7 makes, without any dependencies."""
    package = next(environment.glob("lib/python*/site-packages/ipybox"))
    defaults = package / "config" / "default"
    project = (defaults / "pyproject.toml").read_text()
    (folder / "pyproject.toml").write_text(project.format(dependencies=""))
    (folder / "ipybox").mkdir()
    for part in ("mcp", "resource"):
        # Byte-code changes with each import, which would defeat the engine's build cache.
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(package / part, folder / "ipybox" / part, ignore=ignored)
    shutil.copy(defaults / ".python-version", folder)
    shutil.copy(package / "modinfo.py", folder / "ipybox")
    shutil.copy(package / "scripts" / "server.sh", folder)


def _run(command: Sequence[object], *, timeout: float) -> str:
    """Run a command and return its stdout.

    Raises:
        PeerError: The command can't be started, timed out or failed. After a failure the message
            holds the last line that the command printed.
    """
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
