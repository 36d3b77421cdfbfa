"""Describe the provider to Airflow.

Airflow imports this module in every one of its processes, and one that cannot be imported stops Airflow itself
(airflow 6). So it imports nothing but the version.
"""

from snapshot_dr_provider import __version__

_EBS = "Amazon EBS Snapshots"
_ORGANIZATIONS = "AWS Organizations"
_KMS = "AWS Key Management Service"
_EVENTS = "Amazon EventBridge"


def get_provider_info() -> dict[str, object]:
    """Return the metadata in the shape of Airflow's ``provider_info.schema.json``."""
    return {
        "package-name": "airflow-provider-snapshot-dr",
        "name": "Snapshot DR",
        "description": "Disaster-recovery copies of KMS-encrypted EBS snapshots across AWS organizations.",
        "versions": [__version__],
        "integrations": _integrations(),
        "operators": _modules("operators", _OPERATORS),
        "sensors": _modules("sensors", {_EBS: ("snapshot_completed",)}),
        "triggers": _modules("triggers", _TRIGGERS),
        "hooks": _modules("hooks", _HOOKS),
        "extra-links": ["snapshot_dr_provider.links.snapshots.SnapshotCopiesLink"],
        "config": _config(),
        "cli": ["snapshot_dr_provider.cli.definition.get_cli_commands"],
    }


_OPERATORS = {
    _EBS: ("copy_snapshot_to_kms_b", "rotate_to_kms_c", "plan_copies", "delete_kms_b"),
    _ORGANIZATIONS: ("list_routes",),
    _KMS: ("open_kms_b_window", "lock_down_kms_b", "audit_key_policies"),
    _EVENTS: ("list_event_routes",),
}

_TRIGGERS: dict[str, tuple[str, ...]] = {
    _EBS: ("snapshot_copies", "snapshot_completed"),
    _KMS: ("moment",),
    _EVENTS: ("snapshot_events",),
}

_HOOKS: dict[str, tuple[str, ...]] = {
    _EBS: ("ebs",),
    _ORGANIZATIONS: ("organizations",),
    _KMS: ("key_policies",),
    _EVENTS: ("event_queue",),
}


def _integrations() -> list[dict[str, object]]:
    pages = {
        _EBS: "https://docs.aws.amazon.com/ebs/latest/userguide/ebs-snapshots.html",
        _ORGANIZATIONS: "https://docs.aws.amazon.com/organizations/latest/userguide/orgs_introduction.html",
        _KMS: "https://docs.aws.amazon.com/kms/latest/developerguide/overview.html",
        _EVENTS: "https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-what-is.html",
    }
    return [{"integration-name": name, "external-doc-url": url, "tags": ["aws"]} for name, url in pages.items()]


def _modules(kind: str, names: dict[str, tuple[str, ...]]) -> list[dict[str, object]]:
    return [
        {
            "integration-name": integration,
            "python-modules": [f"snapshot_dr_provider.{kind}.{module}" for module in modules],
        }
        for integration, modules in names.items()
    ]


def _config() -> dict[str, object]:
    return {
        "snapshot_dr": {
            "description": "What the DAG of the snapshot disaster-recovery provider needs to know.",
            "options": {
                "settings_path": {
                    "description": "Path of the YAML file with the routes, the keys, the selection and the retention.",
                    "version_added": "0.1.0",
                    "type": "string",
                    "example": "/opt/airflow/config/snapshot_dr.yaml",
                    "default": None,
                },
                "failure_notifier": {
                    "description": "Import path of a notifier, or of a list of them, called once for each red run.",
                    "version_added": "0.1.0",
                    "type": "string",
                    "example": "dr_alerts.on_call",
                    "default": None,
                },
            },
        },
    }
