import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, RemoteDisconnected

import pytest

from snapshot_dr_provider.sandbox.access.errors import Answer
from snapshot_dr_provider.sandbox.serving import CONNECTION, Environ, Server, cut


def echo(environ: Environ, body: bytes) -> Answer:
    """Answer with what was asked, or fail as the path says."""
    if environ["PATH_INFO"] == "/cut":
        cut(environ[CONNECTION])
    if environ["PATH_INFO"] == "/fail":
        raise LookupError("a mistake in the sandbox")
    return 200, {"X-Method": environ["REQUEST_METHOD"]}, f"{environ['QUERY_STRING']} {body.decode()}"


@contextmanager
def served() -> Iterator[tuple[Server, HTTPConnection]]:
    """Serve the echo, and give a connection to it."""
    server = Server(("127.0.0.1", 0), echo)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    host, port = server.server_address[:2]
    connection = HTTPConnection(str(host), port, timeout=10)
    try:
        yield server, connection
    finally:
        connection.close()
        server.shutdown()
        thread.join()
        server.server_close()


def ask(connection: HTTPConnection, path: str = "/?q=1", body: str = "text", **headers: str) -> tuple[int, str]:
    """Send a request and return status and text of the answer."""
    connection.request("POST", path, body.encode(), headers)
    answer = connection.getresponse()
    return answer.status, answer.read().decode()


def test_connection_serves_many_requests() -> None:
    """A connection stays open, for a new one costs more than a call."""
    with served() as (_, connection):
        assert ask(connection) == (200, "q=1 text")
        first = connection.sock
        assert ask(connection, body="é" * 70_000) == (200, "q=1 " + "é" * 70_000)
        assert connection.sock is first is not None


def test_client_may_want_no_more() -> None:
    """The connection ends after an answer if the client asks for that."""
    with served() as (_, connection):
        assert ask(connection, Connection="close")[0] == 200
        assert connection.sock is None


def test_mistake_of_the_application_is_an_answer(capsys: pytest.CaptureFixture[str]) -> None:
    """An exception in the sandbox is a 500 for the client and a traceback on standard error; it serves on."""
    with served() as (_, connection):
        connection.connect()
        with connection.sock.dup() as other_end:
            assert ask(connection, "/fail")[0] == 500
            assert other_end.recv(1) == b""  # The server closes the connection once it has written the traceback.
        assert ask(connection)[0] == 200
    assert "a mistake in the sandbox" in capsys.readouterr().err


def test_cut_connection_is_known_at_once() -> None:
    """A connection that a fault cuts ends for its client without an answer."""
    with served() as (_, connection), pytest.raises((RemoteDisconnected, ConnectionResetError)):
        ask(connection, "/cut")


def test_idle_connections_end_with_the_server() -> None:
    """A client that waits on an open connection is not left waiting by a server that has stopped."""
    with served() as (server, connection):
        ask(connection)
        assert connection.sock is not None
        server.shutdown()
        server.server_close()
        assert connection.sock.recv(1) == b""
