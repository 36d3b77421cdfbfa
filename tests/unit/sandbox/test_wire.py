"""moto's own reader and writer of EC2's protocol are the oracle: they are slow, and written by others."""

from datetime import UTC, datetime
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from moto.core.parse import PROTOCOL_PARSERS, RequestDict
from moto.core.serialize import get_serializer_class
from moto.core.utils import get_service_model
from werkzeug.datastructures import Headers, MultiDict

from snapshot_dr_provider.sandbox.ec2.wire import Operation

FORMS = {
    "CopySnapshot": {
        "SourceSnapshotId": "snap-1",
        "Encrypted": "true",
        "DryRun": "false",
        "CompletionDurationMinutes": "15",
        "TagSpecification.1.ResourceType": "snapshot",
        "TagSpecification.1.Tag.1.Key": "a",
        "TagSpecification.1.Tag.1.Value": "",
        "TagSpecification.1.Tag.2.Key": "b",
        "TagSpecification.3.ResourceType": "after a gap",
    },
    "DescribeSnapshots": {
        "Owner.1": "self",
        "RestorableBy.1": "all",
        "SnapshotId.1": "snap-1",
        "SnapshotId.2": "snap-2",
        "Filter.1.Name": "status",
        "Filter.1.Value.1": "pending",
        "Filter.1.Value.2": "error",
        "Filter.2": "no structure",
        "MaxResults": "5",
        "Unknown": "left out",
    },
    "ModifySnapshotAttribute": {
        "Attribute": "createVolumePermission",
        "UserId.1": "111111111111",
        "UserGroup.1": "all",
        "CreateVolumePermission.Add.1.UserId": "222222222222",
        "CreateVolumePermission.Remove.1.Group": "all",
    },
    "DeleteTags": {"ResourceId.1": "snap-1", "Tag.1.Key": "a"},
}
MOMENT = datetime(2026, 1, 2, 3, 4, 5, 678_900, tzinfo=UTC)
RESULTS: list[tuple[str, dict[str, Any]]] = [
    ("DescribeSnapshots", {"Snapshots": [], "NextToken": None}),
    (
        "DescribeSnapshots",
        {
            "NextToken": "more",
            "Snapshots": [
                {
                    "SnapshotId": "snap-1",
                    "StartTime": MOMENT,
                    "CompletionTime": MOMENT,
                    "Description": "<é> & \"'",
                    "Encrypted": False,
                    "Progress": "",
                    "VolumeSize": 0,
                    "FullSnapshotSizeInBytes": 2**40,
                    "Tags": [{"Key": "a", "Value": ""}, {"Key": "b", "Value": "c"}],
                },
                {"SnapshotId": "snap-2", "Encrypted": True, "Tags": []},
            ],
        },
    ),
    ("CopySnapshot", {"SnapshotId": "snap-1", "Tags": [{"Key": "a", "Value": "b"}]}),
    ("DescribeSnapshotAttribute", {"SnapshotId": "snap-1", "CreateVolumePermissions": [{"Group": "all"}]}),
    ("ModifySnapshotAttribute", {"Return": True}),
]


def leaves(text: str) -> list[tuple[str, str]]:
    """Return the elements of an answer with their texts, sorted, without the request's id."""
    elements = ET.fromstring(text).iter()  # noqa: S314 - our own answer, not a stranger's
    return sorted((each.tag, each.text or "") for each in elements if not each.tag.endswith("requestId"))


@pytest.mark.parametrize("action", FORMS)
def test_requests_are_read_as_moto_reads_them(action: str) -> None:
    """A request means the same as to the parser that walks through the model."""
    oracle = PROTOCOL_PARSERS["ec2"](get_service_model("ec2").operation_model(action))
    request: RequestDict = {
        "method": "POST",
        "values": MultiDict(FORMS[action]),
        "headers": Headers(),
        "body": b"",
        "url_path": "/",
        "url_params": {},
    }
    assert Operation(action).read(FORMS[action]) == oracle.parse(request)


@pytest.mark.parametrize(("action", "result"), RESULTS)
def test_answers_are_written_as_moto_writes_them(action: str, result: dict[str, Any]) -> None:
    """An answer has the elements and texts that the serialiser that walks through the model gives it."""
    oracle = get_serializer_class("ec2", "ec2")(operation_model=get_service_model("ec2").operation_model(action))
    assert leaves(Operation(action).write(result)) == leaves(str(oracle.serialize(result)["body"]))
