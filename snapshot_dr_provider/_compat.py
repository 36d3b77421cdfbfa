"""The only place with imports from Airflow that are internal there, or that move between its versions."""

from __future__ import annotations

# Internal in the amazon provider ("might be changed, renamed or removed"); pyproject.toml pins the range.
from airflow.providers.amazon.aws.links.base_aws import BASE_AWS_CONSOLE_LINK, BaseAwsLink
from airflow.providers.amazon.aws.operators.base_aws import AwsBaseOperator
from airflow.providers.amazon.aws.sensors.base_aws import AwsBaseSensor
from airflow.providers.amazon.aws.utils.mixins import aws_template_fields

# Moved from airflow.exceptions to airflow.sdk.exceptions in 3.2; common-compat knows both places.
from airflow.providers.common.compat.sdk import (
    AirflowConfigException,
    AirflowException,
    AirflowFailException,
    AirflowNotFoundException,
    AirflowSkipException,
    BaseOperator,
    Context,
    conf,
)

__all__ = [
    "BASE_AWS_CONSOLE_LINK",
    "AirflowConfigException",
    "AirflowException",
    "AirflowFailException",
    "AirflowNotFoundException",
    "AirflowSkipException",
    "AwsBaseOperator",
    "AwsBaseSensor",
    "BaseAwsLink",
    "BaseOperator",
    "Context",
    "aws_template_fields",
    "conf",
]
