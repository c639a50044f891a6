"""Translate a spec into the supervisor's configuration. No I/O except a look for pip.conf."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ipybox.authoring import LOOPBACK, ContainerSpec

# A program needs these to find its libraries, certificates and the package index, and to know the
# user's language. No other variable is passed on: it may hold a secret.
ALLOWED_NAMES = frozenset({
    "LANG", "LANGUAGE", "TZ", "TERM", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH",
    "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE",
    "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY",
    "http_proxy", "https_proxy", "no_proxy", "all_proxy",
})  # fmt: skip
ALLOWED_PREFIXES = ("LC_", "PIP_")


def supervisor_config(
    spec: ContainerSpec,
    root: Path,
    *,
    import_paths: Sequence[str],
    host_env: Mapping[str, str],
    host_home: Path,
) -> dict[str, Any]:
    """Return the supervisor's configuration, which consists of JSON values.

    Args:
        spec: What was asked for.
        root: The container's private folder.
        import_paths: Folders from which the kernels import the host's packages.
        host_env: The environment variables of this process.
        host_home: The home folder of the calling user.

    Returns:
        A dict with the keys "root", "binds", "import_paths", "argv" (of the gateway), "env" (of
        the gateway and its kernels) and "gateway" (the configuration that the gateway reads).
    """
    environment = kernel_environment(root, host_env=host_env, host_home=host_home)
    return {
        "root": str(root),
        "binds": [[str(bind.host_path), bind.container_path] for bind in spec.binds],
        "import_paths": list(import_paths),
        "argv": [sys.executable, "-P", "-m", "ipybox_runtime"],
        "env": {**environment, **spec.env},
        "gateway": {
            "token": spec.token,
            "host": LOOPBACK,
            "port": spec.port or 0,
            "kernel_python": str(root / "venv/bin/python"),
        },
    }


def kernel_environment(
    root: Path, *, host_env: Mapping[str, str], host_home: Path
) -> dict[str, str]:
    """Return the environment variables of the gateway and its kernels, without the spec's own.

    Args:
        root: The container's private folder.
        host_env: The environment variables of this process.
        host_home: The home folder of the calling user, for its pip settings.
    """
    allowed = {
        name: value
        for name, value in host_env.items()
        if name in ALLOWED_NAMES or name.startswith(ALLOWED_PREFIXES)
    }
    # The user's pip settings (a package index, for example) would be hidden by the private home.
    settings = [host_home / ".config/pip/pip.conf", host_home / ".pip/pip.conf"]
    found = next((str(path) for path in settings if path.is_file()), None)
    if found is not None:
        allowed.setdefault("PIP_CONFIG_FILE", found)
    return {
        **allowed,
        "PATH": f"{root}/venv/bin:{host_env.get('PATH', '/usr/local/bin:/usr/bin:/bin')}",
        "VIRTUAL_ENV": str(root / "venv"),
        "HOME": str(root / "home"),
        "TMPDIR": str(root / "tmp"),
        "IPYTHONDIR": str(root / "home/.ipython"),
        "JUPYTER_CONFIG_DIR": str(root / "jupyter"),
        "JUPYTER_DATA_DIR": str(root / "jupyter"),
        "JUPYTER_RUNTIME_DIR": str(root / "jupyter"),
        "JUPYTER_NO_CONFIG": "1",
        "PYTHONNOUSERSITE": "1",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_NO_INPUT": "1",
    }
