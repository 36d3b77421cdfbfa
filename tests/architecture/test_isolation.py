"""No test can reach a real AWS: no network but loopback, no credentials, no default endpoint."""

import os
import socket

import boto3
import botocore.exceptions
import pytest


@pytest.mark.parametrize("address", [("192.0.2.1", 443), ("2001:db8::1", 443, 0, 0)])
def test_network_ends_at_loopback(address: tuple) -> None:
    """A connection to anything but loopback is refused before a packet is sent."""
    family = socket.AF_INET6 if len(address) > 2 else socket.AF_INET
    with socket.socket(family) as outgoing, pytest.raises(UserWarning, match="tried to use socket"):
        outgoing.connect(address)


def test_loopback_is_open() -> None:
    """A test may speak to a server on loopback."""
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as client:
        assert client.getpeername() == server.getsockname()


def test_environment_has_no_credentials() -> None:
    """Nothing of the developer's AWS is left, so boto3 finds no credentials and no Region."""
    kept = {"AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE", "AWS_EC2_METADATA_DISABLED", "AWS_ENDPOINT_URL"}
    assert {name for name in os.environ if name.startswith("AWS_")} == kept
    session = boto3.Session()
    assert session.get_credentials() is None
    assert session.region_name is None


def test_forgotten_endpoint_reaches_nobody() -> None:
    """A client that was given no endpoint gets a closed port on loopback, also in child processes."""
    client = boto3.client("sts", region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x")
    with pytest.raises(botocore.exceptions.EndpointConnectionError, match=r"127\.0\.0\.1:9"):
        client.get_caller_identity()
