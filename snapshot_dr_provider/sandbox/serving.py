"""Speak HTTP/1.1 on loopback: a thread for each connection, and connections that stay open between requests.

werkzeug's development server, which moto brings, closes the connection after each answer and waits for what may still
come in; both cost more than the answer itself.
"""

import io
import socket
import struct
import sys
import threading
from collections.abc import Callable
from socketserver import StreamRequestHandler, ThreadingTCPServer
from typing import Any, NoReturn
from urllib.parse import unquote_to_bytes

from snapshot_dr_provider.sandbox.access.errors import Answer

Environ = dict[str, Any]
#: Answers a request, given as a WSGI environment without its input, and its body.
Application = Callable[[Environ, bytes], Answer]

#: Where the environment has the connection, for faults that cut it.
CONNECTION = "sandbox.connection"

_LONGEST_LINE = 65_536
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)
#: Headers that are the server's own business, whatever an application says.
_OURS = frozenset({"content-length", "connection", "transfer-encoding", "status"})
_REASONS = {200: "OK", 503: "Service Unavailable"}
_FAILED: Answer = (500, {"Content-Type": "text/plain"}, "The sandbox failed; its standard error says why.")


class Server(ThreadingTCPServer):
    """Serve one application until it is shut down, then end the connections that are still open."""

    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], application: Application) -> None:
        self.application = application
        self._connections: set[socket.socket] = set()
        self._guard = threading.Lock()
        super().__init__(address, _Connection)

    def get_request(self) -> tuple[socket.socket, Any]:
        """Accept a connection and remember it."""
        connection, address = super().get_request()
        with self._guard:
            self._connections.add(connection)
        return connection, address

    def shutdown_request(self, request: Any) -> None:
        """Close a connection and forget it."""
        with self._guard:
            self._connections.discard(request)
        super().shutdown_request(request)

    def server_close(self) -> None:
        """Stop listening, and tell the clients that wait on an idle connection; their threads close it and end."""
        super().server_close()
        with self._guard:
            for connection in self._connections:
                _hang_up(connection)


def cut(connection: socket.socket) -> NoReturn:
    """End a connection so that its client knows at once: a close alone is put off while its files are open (moto 5).

    :raises ConnectionResetError: always, which ends the thread of the connection.
    """
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
    _hang_up(connection)
    raise ConnectionResetError("connection cut by an injected fault")


def _hang_up(connection: socket.socket) -> None:
    # Not close: a process that was forked meanwhile has the connection open as well.
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:  # The client was faster.
        return


class _Connection(StreamRequestHandler):
    """Answer the requests of one connection in turn."""

    disable_nagle_algorithm = True
    server: Server

    def handle(self) -> None:
        """Answer until the client wants no more; that it, or a fault, cuts the connection is no error of ours."""
        try:
            while self._answer_one():
                pass
        except ConnectionError:
            return

    def _answer_one(self) -> bool:
        """Answer one request; tell whether another may follow."""
        start = self.rfile.readline(_LONGEST_LINE).decode("latin-1").split()
        if len(start) != 3:
            return False
        method, target, protocol = start
        headers = self._read_headers()
        environ = self._environ(method, target, protocol, headers)
        if headers.get("expect", "").lower() == "100-continue":
            self.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = self.rfile.read(int(headers.get("content-length") or 0))
        keep = protocol == "HTTP/1.1" and headers.get("connection", "").lower() != "close"
        try:
            answer = self.server.application(environ, body)
        except ConnectionError:
            raise
        except BaseException:
            self._send(_FAILED, keep=False)
            raise
        self._send(answer, keep=keep)
        return keep

    def _read_headers(self) -> dict[str, str]:
        headers: dict[str, str] = {}
        while True:
            name, found, value = self.rfile.readline(_LONGEST_LINE).decode("latin-1").partition(":")
            if not found:
                return headers
            headers[name.lower()] = value.strip()

    def _environ(self, method: str, target: str, protocol: str, headers: dict[str, str]) -> Environ:
        path, _, query = target.partition("?")
        host, port = self.server.server_address[:2]
        environ: Environ = {
            "REQUEST_METHOD": method,
            "SCRIPT_NAME": "",
            "PATH_INFO": unquote_to_bytes(path).decode("latin-1"),
            "QUERY_STRING": query,
            "REQUEST_URI": target,
            "RAW_URI": target,
            "SERVER_PROTOCOL": protocol,
            "SERVER_NAME": host,
            "SERVER_PORT": str(port),
            "REMOTE_ADDR": self.client_address[0],
            CONNECTION: self.connection,
        }
        for name, value in headers.items():
            key = name.upper().replace("-", "_")
            environ[key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"] = value
        return environ

    def _send(self, answer: Answer, *, keep: bool) -> None:
        status, headers, text = answer
        content = text.encode()
        lines = [f"HTTP/1.1 {status} {_REASONS.get(status, 'Error')}"]
        lines += [f"{name}: {value}" for name, value in headers.items() if name.lower() not in _OURS]
        lines += [f"Content-Length: {len(content)}", f"Connection: {'keep-alive' if keep else 'close'}", "", ""]
        self.wfile.write("\r\n".join(lines).encode("latin-1") + content)


def as_wsgi(environ: Environ, body: bytes) -> Environ:
    """Complete an environment for a WSGI application."""
    return {
        **environ,
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
