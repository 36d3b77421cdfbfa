"""Serve a sandbox over HTTP on loopback."""

import os
import threading
from types import TracebackType
from typing import Self

from snapshot_dr_provider.sandbox import access
from snapshot_dr_provider.sandbox.client import SandboxControl
from snapshot_dr_provider.sandbox.gateway import Gateway
from snapshot_dr_provider.sandbox.serving import Server
from snapshot_dr_provider.sandbox.simulation import Simulation
from snapshot_dr_provider.sandbox.world import World

_only_one = threading.Lock()


class Sandbox:
    """Run an AWS emulator in a thread of this process, from ``start`` or ``with`` to ``stop``.

    A process has one at a time, because moto's registries are global. Port 0 takes a free one.
    """

    def __init__(self, world: World | None = None, *, host: str = "127.0.0.1", port: int = 0) -> None:
        self.world = world or World.example()
        self._host, self._port = host, port
        self._server: Server | None = None
        self._thread: threading.Thread | None = None

    @property
    def endpoint_url(self) -> str:
        """Return the URL that all services are reached at.

        :raises RuntimeError: before the start.
        """
        if self._server is None:
            raise RuntimeError("the sandbox is not started")
        host, port = self._server.server_address[:2]
        return f"http://{host!s}:{port}"

    @property
    def control(self) -> SandboxControl:
        """Return a client of the control API."""
        return SandboxControl(self.endpoint_url)

    def start(self) -> Self:
        """Seed the world and serve.

        :raises RuntimeError: when another sandbox runs in this process, or ``MOTO_ACCOUNT_ID`` is set, which would
            make every caller one account (moto 3).
        :raises WorldError: for a world that contradicts itself.
        """
        if "MOTO_ACCOUNT_ID" in os.environ:
            raise RuntimeError("unset MOTO_ACCOUNT_ID: with it, every caller of the sandbox would be that account")
        if not _only_one.acquire(blocking=False):
            raise RuntimeError("another sandbox runs in this process; stop it first")
        try:
            simulation = Simulation(self.world)
            access.install(simulation.authority)
            self._server = Server((self._host, self._port), Gateway(simulation))
        except BaseException:
            access.uninstall()
            _only_one.release()
            raise
        self._thread = threading.Thread(target=self._server.serve_forever, name="sandbox", daemon=True)
        self._thread.start()
        return self

    def stop(self) -> None:
        """Stop serving and give moto its own handlers back."""
        if self._server is None or self._thread is None:
            return
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        self._server = self._thread = None
        access.uninstall()
        _only_one.release()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
