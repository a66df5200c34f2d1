"""A cable between a browser and a server that a test can cut and mend."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator


class Cable:
    """Passes bytes on from a port of its own to another one, while it is whole."""

    def __init__(self, port: int) -> None:
        self._to = port
        self._listening: socket.socket | None = None
        self._open: list[socket.socket] = []
        self._lock = threading.Lock()
        self.port = 0
        self.mend()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def mend(self) -> None:
        """Listen, at the same port as before."""
        listening = socket.create_server(("127.0.0.1", self.port))
        self.port, self._listening = listening.getsockname()[1], listening
        threading.Thread(target=self._accept, args=(listening,), daemon=True).start()

    def cut(self) -> None:
        """Every connection breaks, and no new one comes about."""
        with self._lock:
            ended, self._open = [*self._open, self._listening], []
            self._listening = None
        for one in ended:
            if one is not None:
                with contextlib.suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)
                one.close()

    def _accept(self, listening: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = listening.accept()
                far = socket.create_connection(("127.0.0.1", self._to))
                with self._lock:
                    self._open += [near, far]
                for source, sink in ((near, far), (far, near)):
                    threading.Thread(target=_pass_on, args=(source, sink), daemon=True).start()


def _pass_on(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while content := source.recv(65536):
            sink.sendall(content)
        sink.shutdown(socket.SHUT_WR)


@contextlib.contextmanager
def cable(url: str) -> Iterator[Cable]:
    """A whole cable to the server at `url`."""
    laid = Cable(int(url.rpartition(":")[2]))
    try:
        yield laid
    finally:
        laid.cut()
