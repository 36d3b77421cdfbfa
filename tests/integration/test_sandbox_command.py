"""The sandbox from the command line."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import boto3
import pytest

AIRFLOW = Path(sys.executable).with_name("airflow")


@pytest.mark.smoke
def test_it_serves_whatever_the_users_aws_is_like():
    """The command prints an endpoint that answers, although the user's profile does not exist, and ends on Ctrl-C."""
    environment = {**os.environ, "AWS_PROFILE": "nope", "MOTO_ACCOUNT_ID": "123456789012"}
    command = [str(AIRFLOW), "snapshot-dr", "sandbox"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            lines = iter(process.stdout.readline, "")
            endpoint = next(line for line in lines if "AWS_ENDPOINT_URL=" in line).split("=")[1].strip()
            key, secret = next(line for line in lines if "payments-prod" in line).split()[-2:]
            session = boto3.session.Session(
                aws_access_key_id=key, aws_secret_access_key=secret, region_name="us-east-1"
            )
            assert session.client("sts", endpoint_url=endpoint).get_caller_identity()["Account"] == "111111111111"
        finally:
            process.send_signal(signal.SIGINT)
    assert process.returncode == 0
