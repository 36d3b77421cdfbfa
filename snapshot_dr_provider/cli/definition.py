"""Declare ``airflow snapshot-dr``.

Airflow imports this module at the start of each of its commands, so everything else is imported when a command runs.
"""

from __future__ import annotations

import argparse
import math
from importlib.util import find_spec
from typing import TYPE_CHECKING

from airflow.cli.cli_config import ARG_VERBOSE, ActionCommand, Arg, GroupCommand, lazy_load_command, positive_int

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow.cli.cli_config import CLICommand

_REMEDY = "pip install 'airflow-provider-snapshot-dr[sandbox]'"


def get_cli_commands() -> list[CLICommand]:
    """Return the commands for the ``cli`` key of the provider's metadata."""
    return [
        GroupCommand(
            name="snapshot-dr",
            help="Disaster-recovery copies of EBS snapshots",
            subcommands=(_SANDBOX, _DEMO, _INIT, _INFRA, _POLICY, _PREFLIGHT, _PLAN, _COVERAGE),
        ),
    ]


def _from_sandbox_extra(import_path: str) -> Callable[[argparse.Namespace], None]:
    """Defer the import of a command that needs the ``sandbox`` extra, and name the remedy where that is missing."""
    load = lazy_load_command(import_path)

    def command(args: argparse.Namespace) -> None:
        if find_spec("moto") is None:
            message = f"airflow snapshot-dr {args.subcommand} needs the sandbox extra: {_REMEDY}"
            raise SystemExit(message)
        load(args)

    return command


def _minutes(text: str) -> float:
    """Read a duration in minutes, more than zero."""
    try:
        minutes = float(text)
    except ValueError:
        minutes = math.nan
    if not 0 < minutes < math.inf:
        message = f"{text!r} is not a number of minutes"
        raise argparse.ArgumentTypeError(message)
    return minutes


def _seconds(text: str) -> float:
    """Read a duration in seconds, zero or more."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds < math.inf:
        message = f"{text!r} is not a number of seconds"
        raise argparse.ArgumentTypeError(message)
    return seconds


def _name_of(kind: str) -> Callable[[str], str]:
    """Give the type of an argument that has to be a name as the settings file knows them, such as an account id."""

    def read(text: str) -> str:
        from snapshot_dr_provider.settings import names  # noqa: PLC0415  # reads pydantic, for commands of ours alone

        try:
            name: str = getattr(names, f"require_{kind}")(text)
        except ValueError as error:
            # argparse continues the sentence.
            raise argparse.ArgumentTypeError(str(error).rstrip(".")) from error
        return name

    return read


_SANDBOX = ActionCommand(
    name="sandbox",
    help="Serve an AWS emulator with several accounts on loopback",
    description="Serves the sandbox AWS on loopback and prints its endpoint and the credentials to use.",
    func=_from_sandbox_extra("snapshot_dr_provider.cli.sandbox.serve_sandbox"),
    args=(
        Arg(("--port",), help="Port to listen on; 0 takes a free one", type=positive_int(allow_zero=True), default=0),
        Arg(("--world",), help="YAML file of the accounts, keys, volumes and snapshots to start with", metavar="FILE"),
        Arg(
            ("--host",),
            help="Address to listen on (default: loopback). Nobody is asked for a password: within a container only",
            default="127.0.0.1",
        ),
        Arg(
            ("--demo",),
            help="Serve the world of the demo, and write its settings.yaml and connections.yaml into this directory",
            metavar="DIR",
        ),
        Arg(("--endpoint-url",), help="What others reach it by, for these connections", metavar="URL"),
    ),
)

_DEMO = ActionCommand(
    name="demo",
    help="Run the DAG against the sandbox and show what it did",
    description="Starts a sandbox with a believable world, runs the daily DAG for yesterday, and shows the copies.",
    func=_from_sandbox_extra("snapshot_dr_provider.cli.demo.command.run_demo"),
    args=(
        Arg(("--accounts",), help="Number of source accounts", type=positive_int(allow_zero=False), default=5),
        Arg(("--volumes",), help="Number of volumes in each account", type=positive_int(allow_zero=False), default=4),
        Arg(("--copy-seconds",), help="Seconds that each copy takes", type=_seconds, default=2.0),
        Arg(("--json",), help="Also write the outcome to this file", metavar="FILE"),
        Arg(("--home",), help="Directory for Airflow's files; a new temporary one by default", metavar="DIR"),
        Arg(
            ("--airflow-url",),
            help="Run it in the Airflow that is up there, over the sandbox that is up; needs the next three",
            metavar="URL",
        ),
        Arg(("--password-file",), help="File with the password of its user admin", metavar="FILE"),
        Arg(("--sandbox-url",), help="Where the sandbox is; its world is replaced", metavar="URL"),
        Arg(("--settings",), help="Settings file of that Airflow; it is replaced", metavar="FILE"),
        Arg(("--twice",), help="Run it again over the same world: no copy is started", action="store_true"),
    ),
)

_SETTINGS = Arg(
    ("--settings",), help="Settings file instead of the one that Airflow's configuration names", metavar="FILE"
)

_ACCOUNT = Arg(
    ("--account",),
    help="Id of a source account; may be repeated. All accounts by default",
    metavar="N",
    action="append",
    type=_name_of("account_id"),
)

_SHOW = ActionCommand(
    name="show",
    help="Print a policy as the settings file needs it",
    description="Prints a key policy or an IAM policy that is ready to apply, and nothing else, on stdout.",
    func=lazy_load_command("snapshot_dr_provider.cli.policy.command.show_policy"),
    args=(
        Arg(
            ("document",),
            help="Which policy",
            choices=(
                "kms-b",
                "kms-b-locked",
                "kms-c",
                "source-role",
                "dr-copy-role",
                "dr-key-admin-role",
                "organization-role",
                "event-queue-role",
            ),
        ),
        _SETTINGS,
        Arg(("--region",), help="Destination Region; roles are for all of them by default", type=_name_of("region")),
        Arg(("--wide",), help="kms-b with kms:* for the organization, more than a copy needs", action="store_true"),
        Arg(("--pin",), help="Pin kms-b to source_connection.role_name of the settings", action="store_true"),
        Arg(("--role",), help="Pin kms-b to the roles of this name", metavar="NAME", type=_name_of("role_name")),
        Arg(
            ("--restore-role",),
            help="Role that may restore from KMS-B copies, beside those of the settings; may be repeated",
            metavar="ARN",
            action="append",
            type=_name_of("role_arn"),
        ),
        Arg(("--explain",), help="Also say on stderr what each action is for", action="store_true"),
    ),
)

_PERMISSIONS = ActionCommand(
    name="permissions",
    help="List all actions that the policies allow, and why",
    description="Prints a table in Markdown of each action, who needs it, for what, and how sure that is.",
    func=lazy_load_command("snapshot_dr_provider.cli.policy.command.list_permissions"),
    args=(),
)

_AUDIT = ActionCommand(
    name="audit",
    help="Judge key policies in files, without AWS",
    description=(
        "Judges each file by the rules of the audit task and says who can do what. Ends with 0 if all pass, 1 if one "
        "fails, 2 if one is undecided or cannot be read."
    ),
    func=lazy_load_command("snapshot_dr_provider.cli.policy.audit.audit_files"),
    args=(
        Arg(("files",), help="Key policy documents; - is the standard input", metavar="FILE", nargs="+"),
        Arg(("--kind",), help="Which key the policies are of", choices=("kms-b", "kms-c"), required=True),
        Arg(
            ("--org-id",),
            help="Organization of the source accounts (Org-A)",
            metavar="o-...",
            type=_name_of("organization_id"),
            required=True,
        ),
        Arg(
            ("--account-id",),
            help="The DR account (Account-B), which owns the key",
            metavar="N",
            type=_name_of("account_id"),
            required=True,
        ),
        Arg(("--region",), help="Region of the key", metavar="R", type=_name_of("region"), required=True),
        Arg(("--role",), help="Role that copies in all source accounts", metavar="NAME", type=_name_of("role_name")),
        Arg(
            ("--window-managed",),
            help="The runs open the key (kms_b_window: per_run), so that the policy has to be locked",
            action="store_true",
        ),
        Arg(("--json",), help="Write one line of JSON for each file", action="store_true"),
        Arg(
            ("--fail-on",),
            help="Least severity of a finding that fails",
            choices=("low", "medium", "high", "critical"),
            default="high",
        ),
    ),
)

_JSON = Arg(("--json",), help="Write JSON for machines", action="store_true")

_COVERAGE = ActionCommand(
    name="coverage",
    help="Say how old the newest DR copy of each volume is, and what is missing",
    description=(
        "Reads the source accounts and the DR account, changes nothing, and lists the newest verified DR copy of each "
        "volume with the age of its data. Ends with 0 if all is within rpo_hours of the settings and nothing is "
        "missing, 1 if there is a gap, 2 if something could not be read."
    ),
    func=lazy_load_command("snapshot_dr_provider.cli.coverage.command.show_coverage"),
    args=(_SETTINGS, _ACCOUNT, _JSON, ARG_VERBOSE),
)

_PREFLIGHT = ActionCommand(
    name="preflight",
    help="Say what stands against a run, and how to mend it",
    description=(
        "Enters all accounts as the DAG does, rehearses copies, reads keys, key policies and queues, and changes "
        "nothing. Ends with 0 if nothing stands against a run, 1 if something does, 2 if something is not known."
    ),
    func=lazy_load_command("snapshot_dr_provider.cli.preflight.command.show_preflight"),
    args=(_SETTINGS, _ACCOUNT, _JSON, ARG_VERBOSE),
)

_PLAN = ActionCommand(
    name="plan",
    help="Say what a run would copy, adopt and delete, without doing it",
    description=(
        "Decides as the DAG does what a run wants that is triggered now, and says what it would do, how many GiB that "
        "is at most and how long it may take. Changes nothing. Ends with 0, with 1 if something would fail by what is "
        "there now, with 2 if something could not be read."
    ),
    func=lazy_load_command("snapshot_dr_provider.cli.plan.command.show_plan"),
    args=(
        _SETTINGS,
        Arg(("--day",), help="The snapshots of this day (UTC) alone, such as 2026-03-01", metavar="D"),
        _ACCOUNT,
        Arg(
            ("--copy-minutes",),
            help="How long a copy is taken to last, where copies are not time-based (default: 15)",
            metavar="M",
            type=_minutes,
            default=15.0,
        ),
        _JSON,
        ARG_VERBOSE,
    ),
)

_FORCE = Arg(("--force",), help="Replace files that are there", action="store_true")

_INIT = ActionCommand(
    name="init",
    help="Write a settings file to start from",
    description=(
        "Asks for the least that a settings file needs, or takes it from the options, and writes a file with a comment "
        "on each setting. Asks nothing of AWS."
    ),
    func=lazy_load_command("snapshot_dr_provider.cli.init.command.write_settings"),
    args=(
        Arg(("--out",), help="File to write (default: snapshot_dr.yaml)", metavar="FILE", default="snapshot_dr.yaml"),
        Arg(
            ("--organization-id",),
            help="Organization of the source accounts (Org-A)",
            metavar="o-...",
            type=_name_of("organization_id"),
        ),
        Arg(("--dr-account-id",), help="The DR account (Account-B)", metavar="N", type=_name_of("account_id")),
        Arg(("--region",), help="Region of the DR copies", metavar="R", type=_name_of("region")),
        Arg(
            ("--source-region",),
            help="Region of the sources; may be repeated. That of the DR copies by default",
            metavar="R",
            action="append",
            type=_name_of("region"),
        ),
        Arg(
            ("--account",),
            help="A source account, as 111111111111=payments-prod; may be repeated",
            metavar="N=NAME",
            action="append",
        ),
        Arg(("--organizations",), help="Take the source accounts from AWS Organizations", action="store_true"),
        Arg(
            ("--kms-b",),
            help="ARN of KMS-B. Without it the file has a placeholder, and `infra` makes the key",
            metavar="ARN",
            type=_name_of("key_arn"),
        ),
        Arg(("--kms-c",), help="ARN of KMS-C, likewise", metavar="ARN", type=_name_of("key_arn")),
        Arg(
            ("--role-name",),
            help="Role that copies in each source account (default: SnapshotDr)",
            metavar="NAME",
            default="SnapshotDr",
            type=_name_of("role_name"),
        ),
        Arg(
            ("--kms-b-window",),
            help="per_run opens KMS-B for each run alone (default: unmanaged)",
            choices=("unmanaged", "per_run"),
            default="unmanaged",
        ),
        _FORCE,
    ),
)

_INFRA = ActionCommand(
    name="infra",
    help="Write the keys, roles and queues that the settings need, ready to apply",
    description=(
        "Writes templates of all that has to be in Account-B and in Org-A, and a README.md that says what is applied "
        "where. Asks nothing of AWS, and applies nothing."
    ),
    func=lazy_load_command("snapshot_dr_provider.cli.infra.command.write_infra"),
    args=(
        Arg(("kind",), help="What applies them", choices=("cloudformation", "terraform")),
        Arg(("--out",), help="Folder to write into", metavar="DIR", required=True),
        _SETTINGS,
        Arg(("--pin",), help="Pin an open KMS-B to source_connection.role_name of the settings", action="store_true"),
        _FORCE,
    ),
)

_POLICY = GroupCommand(
    name="policy",
    help="Key policies and IAM policies: print them, check them",
    subcommands=(_SHOW, _AUDIT, _PERMISSIONS),
)
