"""``GET /ipybox/v1/status``: the runtime and its kernels."""

from typing import Any

import tornado.web
from jupyter_server.base.handlers import APIHandler
from kernel_gateway.mixins import JSONErrorsMixin, TokenAuthorizationMixin

from ipybox_runtime import PROTOCOL, RUNTIME_VERSION

STATUS_PATH = r"/ipybox/v1/status"


class StatusHandler(TokenAuthorizationMixin, JSONErrorsMixin, APIHandler):  # type: ignore[misc]
    """Reports the runtime, its fork server, the seconds left of the lease, and each kernel.

    Of a kernel: id, state, pid, memory in bytes (resident; null if the kernel does not run or the
    system does not say), last activity (ISO 8601), exit code, whether memory ran out, and whether
    it was forked.
    """

    @tornado.web.authenticated
    def get(self) -> None:
        manager = self.settings["kernel_manager"]
        kernels = [_row(manager.get_kernel(name)) for name in manager.list_kernel_ids()]
        self.finish({
            "runtime": RUNTIME_VERSION,
            "protocol": PROTOCOL,
            "fork_server": manager.fork_server is not None,
            "fork_server_ready": manager.fork_server_ready,
            "lease": self.settings["ipybox_lease"].left,
            "kernels": kernels,
        })  # fmt: skip


def _row(kernel: Any) -> dict[str, Any]:
    process = kernel.provisioner.process if kernel.provisioner else None
    pid = process.pid if process is not None and process.running else None
    return {
        "id": kernel.kernel_id,
        "state": getattr(kernel, "execution_state", "starting"),
        "pid": pid,
        "memory": None if pid is None else _memory(pid),
        "last_activity": kernel.last_activity.isoformat(),
        "exit_code": kernel.exit_code,
        "out_of_memory": kernel.out_of_memory,
        "forked": kernel.provisioner.forked if kernel.provisioner else None,
    }


def _memory(pid: int) -> int | None:
    import psutil

    try:
        size: int = psutil.Process(pid).memory_info().rss
    except psutil.Error:
        return None
    return size
