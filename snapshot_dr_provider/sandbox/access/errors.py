"""Answer a refused request in the protocol of its service."""

import json
from uuid import uuid4
from xml.sax.saxutils import escape

#: Services that answer errors as JSON; the others here speak the query protocol and answer XML.
JSON_SERVICES = frozenset({"kms", "organizations", "events", "sqs"})

Answer = tuple[int, dict[str, str], str]


class ApiError(Exception):
    """Carry the error code, message and HTTP status that a call of the AWS API ends with."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(code, message, status)
        self.code = code
        self.message = message
        self.status = status

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"


def render(service: str, error: ApiError) -> Answer:
    """Return status, headers and body of *error* as botocore's parser for *service* expects them."""
    request_id = str(uuid4())
    if service in JSON_SERVICES:
        headers = {"Content-Type": "application/x-amz-json-1.1", "x-amzn-RequestId": request_id}
        # KMS and Organizations spell the member of their exceptions "message" and "Message"; botocore reads both.
        return error.status, headers, json.dumps({"__type": error.code, "message": error.message})
    code, message = escape(error.code), escape(error.message)
    if service == "ec2":
        body = (
            f"<Response><Errors><Error><Code>{code}</Code><Message>{message}</Message></Error></Errors>"
            f"<RequestID>{request_id}</RequestID></Response>"
        )
    else:
        body = (
            f"<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error>"
            f"<RequestId>{request_id}</RequestId></ErrorResponse>"
        )
    return error.status, {"Content-Type": "text/xml"}, f'<?xml version="1.0" encoding="UTF-8"?>\n{body}'
