"""A topic on loopback: keeps what is published to it by the SDK, as SNS would send it on."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qs

ANSWER = b"""<PublishResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/"><PublishResult><MessageId>1</MessageId>
</PublishResult><ResponseMetadata><RequestId>1</RequestId></ResponseMetadata></PublishResponse>"""


@dataclass(frozen=True, slots=True)
class Topic:
    """Hold the messages that were published: subject, text and receiver of each, in their order."""

    endpoint_url: str
    messages: list[dict[str, str]] = field(default_factory=list)


@contextmanager
def topic() -> Iterator[Topic]:
    """Serve a topic within a ``with`` block; ``AWS_ENDPOINT_URL_SNS`` makes the SDK speak to it."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            fields = {name: values[0] for name, values in parse_qs(body).items()}
            # A text for each protocol; the notifier sends all of them the same.
            received.messages.append({**fields, "Message": json.loads(fields["Message"])["default"]})
            self.send_response(200)
            self.send_header("Content-Type", "text/xml")
            self.send_header("Content-Length", str(len(ANSWER)))
            self.end_headers()
            self.wfile.write(ANSWER)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    received = Topic(f"http://127.0.0.1:{server.server_port}")
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield received
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
