"""The settings file: what it may say, and how each mistake in it is answered."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from pydantic import BaseModel

from snapshot_dr_provider.exceptions import SettingsError
from snapshot_dr_provider.settings import Settings, configured_settings_path, load_settings

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "settings.yaml"

KMS_B = "arn:aws:kms:us-east-1:999999999999:key/b0b0b0b0-0000-4000-8000-000000000001"
KMS_C = "arn:aws:kms:us-east-1:999999999999:key/c0c0c0c0-0000-4000-8000-000000000001"
REPLICA = "mrk-0123456789abcdef0123456789abcdef"

GOOD: dict[str, Any] = {
    "organization_id": "o-exampleorga1",
    "dr_account": {"account_id": "999999999999", "aws_conn_id": "aws_dr"},
    "destinations": {"us-east-1": {"kms_b": KMS_B, "kms_c": KMS_C}},
    "source_regions": {"us-east-1": "us-east-1"},
    "accounts": {"static": [{"account_id": "111111111111", "name": "payments-prod"}]},
    "source_connection": {"aws_conn_id": "aws_{account_id}"},
}
GONE = object()


def changed(*changes):
    """Give the good settings with some places set to other values, or gone."""
    data = copy.deepcopy(GOOD)
    for place, value in changes:
        *path, last = place
        section: Any = data
        for step in path:
            section = section[step] if isinstance(step, int) else section.setdefault(step, {})
        if value is GONE:
            del section[last]
        else:
            section[last] = value
    return data


@pytest.fixture
def load(tmp_path):
    """Write settings, as data or as text, into a file and load it."""

    def write_and_load(content):
        path = tmp_path / "snapshot_dr.yaml"
        text = content if isinstance(content, str) else yaml.safe_dump(content, sort_keys=False)
        path.write_text(text, encoding="utf-8")
        return load_settings(path)

    return write_and_load


@pytest.fixture
def refusal(load):
    """Give the message that refuses settings."""

    def message(content):
        with pytest.raises(SettingsError) as refused:
            load(content)
        return str(refused.value)

    return message


def test_the_documented_example_loads():
    """The example file is accepted as it stands and gives each account its route in each source Region."""
    settings = load_settings(EXAMPLE)
    routes = settings.routes(settings.static_accounts)
    assert [(route.label, route.destination_region) for route in routes] == [
        ("payments-prod (111111111111) eu-west-1 to eu-central-1", "eu-central-1"),
        ("payments-prod (111111111111) us-east-1", "us-east-1"),
        ("orders-prod (222222222222) eu-west-1 to eu-central-1", "eu-central-1"),
        ("orders-prod (222222222222) us-east-1", "us-east-1"),
    ]
    assert {route.source_conn_id for route in routes} == {"aws_org_a_tooling", "aws_orders_prod"}
    assert routes[0].dr_role_arn == "arn:aws:iam::999999999999:role/SnapshotDrCopy"
    assert settings.selection.include_tags == {"Environment": ("prod", "prod-*")}


def test_a_source_account_may_have_slots_of_its_own(load):
    """A quota that was raised for one account in one Region is the route's; all other routes have the common one."""
    there = "destinations", "us-east-1"
    two = [*GOOD["accounts"]["static"], {"account_id": "222222222222", "name": "orders-prod"}]
    west = {"kms_b": KMS_B.replace("us-east-1", "us-west-2"), "kms_c": KMS_C.replace("us-east-1", "us-west-2")}
    settings = load(
        changed(
            ((*there, "source_copy_slots_by_account"), {"222222222222": 50}),
            (("destinations", "us-west-2"), west),
            (("source_regions", "us-east-1"), ["us-east-1", "us-west-2"]),
            (("accounts", "static"), two),
        )
    )
    routes = settings.routes(settings.static_accounts)
    assert {(r.account_name, r.destination_region): r.source_copy_slots for r in routes} == {
        ("payments-prod", "us-east-1"): None,
        ("payments-prod", "us-west-2"): None,
        ("orders-prod", "us-east-1"): 50,
        ("orders-prod", "us-west-2"): None,
    }


def test_slots_of_accounts_that_the_organization_lists(load):
    """Where the accounts are not known before a run, any of them may have slots of its own."""
    listed = {"organizations": {"aws_conn_id": "org"}}
    slots = (("destinations", "us-east-1", "source_copy_slots_by_account"), {"222222222222": 50})
    settings = load(changed((("accounts",), listed), slots))
    assert settings.destinations["us-east-1"].source_copy_slots_by_account == {"222222222222": 50}


def commented_out(first_line):
    """Give the block of the example that begins with a line, without its comment signs."""
    lines = EXAMPLE.read_text(encoding="utf-8").splitlines()
    block = lines[lines.index(first_line) :]
    block = block[: block.index("")]
    return yaml.safe_load("\n".join(line.strip().removeprefix("# ") for line in block))


def test_the_other_ways_of_the_example_are_settings_too(load):
    """What the example has commented out, taken instead of what it has, is accepted."""
    data = yaml.safe_load(EXAMPLE.read_text(encoding="utf-8"))
    data["accounts"] = commented_out("  # organizations:")
    data["source_connection"] = commented_out("# source_connection:")["source_connection"]
    data["dr_account"] |= commented_out("  # key_admin_aws_conn_id: aws_dr_key_admin")
    data["selection"] |= commented_out("  # priority_tag: Backup-Priority")
    data |= commented_out("# events:")
    settings = load(data)
    assert settings.selection.priority_tag == "Backup-Priority"
    assert settings.events.model_dump() == {
        "queue_url": "https://sqs.us-east-1.amazonaws.com/123456789012/snapshot-dr",
        "dead_letter_queue_url": "https://sqs.us-east-1.amazonaws.com/123456789012/snapshot-dr-dead-letters",
        "aws_conn_id": "aws_org_a_tooling",
        "role_arn": "arn:aws:iam::123456789012:role/SnapshotDrReadEvents",
    }
    assert settings.dr_account.key_admin_aws_conn_id == "aws_dr_key_admin"
    assert settings.accounts.static is None
    assert settings.accounts.organizations.model_dump() == {
        "aws_conn_id": "aws_org_a",
        "role_arn": "arn:aws:iam::123456789012:role/SnapshotDrListAccounts",
        "include_ous": ("ou-ab12-workload1",),
        "exclude_accounts": ("333333333333",),
        "new_account_grace_hours": 24,
    }
    assert settings.source_connection.aws_conn_id == "aws_{account_id}"


def test_a_managed_window_needs_its_administrator(load, refusal):
    """per_run is refused with its line unless the connection of the key's administrator is there; so is a bare role."""
    managed = changed((("kms_b_window",), "per_run"))
    for part in ("line 17, kms_b_window: per_run writes the key policy", "Add dr_account.key_admin_aws_conn_id"):
        assert part in refusal(managed)
    managed["dr_account"]["key_admin_aws_conn_id"] = "aws_dr_key_admin"
    assert (load(managed).kms_b_window, load(managed).kms_b_window_hours) == ("per_run", 6)
    role = "arn:aws:iam::999999999999:role/SnapshotDrKeyAdmin"
    bare = changed((("dr_account", "key_admin_role_arn"), role))
    assert "dr_account.key_admin_role_arn: there is no key_admin_aws_conn_id to assume this role with" in refusal(bare)
    elsewhere = changed(
        (("dr_account", "key_admin_aws_conn_id"), "aws_dr_key_admin"),
        (("dr_account", "key_admin_role_arn"), role.replace("999999999999", "111111111111")),
    )
    assert "dr_account.key_admin_role_arn" in refusal(elsewhere)


@pytest.mark.parametrize(
    ("name", "value", "answer"),
    [
        ("kms_b_window", "always", "write 'unmanaged' or 'per_run'"),
        ("kms_b_window_hours", 0, "at least 0.1 is needed"),
        ("kms_b_window_hours", 200, "at most 168 is allowed"),
    ],
)
def test_a_window_that_cannot_work_is_refused(refusal, name, value, answer):
    """Another kind of window, and one that is too short to start anything in or never ends, are refused."""
    assert answer in refusal(changed(((name,), value)))


QUEUE = "https://sqs.us-east-1.amazonaws.com/100000000000/dr"
EVENTS = {"queue_url": QUEUE, "dead_letter_queue_url": f"{QUEUE}-dead", "aws_conn_id": "aws_tooling"}


@pytest.mark.parametrize(
    ("changes", "answers"),
    [
        ({"queue_url": "dr"}, ["events.queue_url: 'dr' is not the URL of an SQS queue", "aws sqs get-queue-url"]),
        ({"queue_url": "arn:aws:sqs:us-east-1:100000000000:dr"}, ["is not the URL of an SQS queue"]),
        ({"queue_url": f"{QUEUE}.fifo"}, ["is a FIFO queue", "Name a standard queue"]),
        ({"dead_letter_queue_url": QUEUE}, ["events.dead_letter_queue_url: is also queue_url"]),
        (
            {"dead_letter_queue_url": QUEUE.replace("us-east-1", "eu-central-1")},
            ["lies in account 100000000000, eu-central-1", "one connection serves both"],
        ),
        ({"dead_letter_queue_url": QUEUE.replace("1000", "2000")}, ["lies in account 200000000000"]),
        ({"role_arn": "arn:aws:iam::111111111111:role/Read"}, ["events.role_arn: the role belongs to account 111"]),
        ({"role_arn": "Read"}, ["is not the ARN of an IAM role"]),
        ({"queue": QUEUE}, ["events.queue: is not a setting. Did you mean queue_url?"]),
        ({"aws_conn_id": GONE}, ["events.aws_conn_id: is missing"]),
        ({"queue_url": GONE}, ["events.queue_url: is missing. Add the URL of the SQS queue"]),
    ],
)
def test_queues_that_cannot_work_are_refused(load, refusal, changes, answers):
    """The two queues are standard ones in one account and Region, and not the same; a role is one of that account."""
    assert load(changed((("events",), EVENTS))).events.dead_letter_queue_url == f"{QUEUE}-dead"
    events = {name: value for name, value in {**EVENTS, **changes}.items() if value is not GONE}
    message = refusal(changed((("events",), events)))
    assert [answer for answer in answers if answer not in message] == []


def test_a_queue_of_another_partition_is_refused(refusal):
    """Events do not cross partitions either."""
    elsewhere = {
        name: value.replace("us-east-1.amazonaws.com", "cn-north-1.amazonaws.com.cn") for name, value in EVENTS.items()
    }
    assert "events.queue_url: the queue lies in partition aws-cn" in refusal(changed((("events",), elsewhere)))


def test_where_news_comes_from_makes_no_difference_to_copies(load):
    """The queues may be changed in the middle of a run without the audit saying that the settings have changed."""
    assert load(changed((("events",), EVENTS))).fingerprint == load(GOOD).fingerprint


@pytest.mark.parametrize(
    ("value", "answer"),
    [
        (0, "more than 0 is needed"),
        (-1, "more than 0 is needed"),
        (87601, "at most 87600 is allowed"),
        ("24", "write a number, without quotes"),
        (float("inf"), "write a finite number"),
    ],
)
def test_an_rpo_that_nobody_can_keep_is_refused(refusal, value, answer):
    """A recovery point objective is a number of hours above zero, ten years at most."""
    assert answer in refusal(changed((("rpo_hours",), value)))


def test_an_rpo_is_judged_only_where_it_is_set(load):
    """Without the setting there is none; whole and broken numbers of hours are taken."""
    assert load(GOOD).rpo_hours is None
    assert [load(changed((("rpo_hours",), value))).rpo_hours for value in (24, 0.5)] == [24, 0.5]


def test_prices_are_taken_as_they_are_written_and_never_invented(load, refusal):
    """Without a table there is none; one needs its currency, and a price that nobody wrote down stays unknown."""
    assert load(GOOD).prices is None
    prices = load(changed((("prices",), {"currency": "EUR", "transfer_per_gib": 0.02}))).prices
    assert (prices.currency, prices.transfer_per_gib, prices.storage_per_gib_month) == ("EUR", 0.02, None)
    assert "prices.currency: is missing" in refusal(changed((("prices",), {"transfer_per_gib": 0.02})))
    for wrong, answer in ((-0.1, "at least 0 is needed"), ("0.02", "write a number, without quotes")):
        assert answer in refusal(changed((("prices",), {"currency": "EUR", "transfer_per_gib": wrong})))


def test_the_smallest_file_has_the_documented_defaults(load):
    """Lookback 3 days, source timeout 12 h, every snapshot, no KMS-B copy kept, 20 slots, standard copies."""
    settings = load(GOOD)
    assert (settings.lookback_days, settings.source_timeout_hours, settings.kms_b_retention) == (3, 12, "none")
    assert (settings.selection.snapshots, settings.selection.include_unencrypted) == ("every", False)
    assert settings.selection.priority_tag is None
    destination = settings.destinations["us-east-1"]
    assert (destination.copy_slots, destination.source_copy_slots) == (20, 20)
    assert destination.completion_duration_minutes is None
    assert settings.tuning.model_dump() == {
        "settle_seconds": 60,
        "poll_seconds": 15,
        "first_fire_seconds": 15,
        "max_attempts": 3,
        "policy_settle_seconds": 60,
        "lock_down_wait_seconds": 900,
    }


def test_settings_cannot_be_changed(load):
    """What was read stays as it was read."""
    settings = load(GOOD)
    with pytest.raises(ValueError, match="frozen"):
        settings.lookback_days = 0


def test_a_settings_file_may_begin_with_a_tilde(tmp_path, monkeypatch):
    """The home directory stands for a tilde in the path."""
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "dr.yaml").write_text(yaml.safe_dump(GOOD), encoding="utf-8")
    assert load_settings("~/dr.yaml").organization_id == "o-exampleorga1"


class TestRoutes:
    """Accounts, source Regions and destination Regions, combined."""

    def test_every_account_goes_from_every_source_region_to_each_of_its_destinations(self, load):
        """Routes are ordered by account, source Region and destination Region, whatever the order of the file."""
        eu_keys = {name: arn.replace("us-east-1", "eu-west-1") for name, arn in (("kms_b", KMS_B), ("kms_c", KMS_C))}
        settings = load(
            changed(
                (("destinations", "eu-west-1"), eu_keys),
                (("source_regions",), {"us-west-2": ["us-east-1", "eu-west-1"], "us-east-1": "eu-west-1"}),
                (
                    ("accounts", "static"),
                    [{"account_id": "222222222222", "name": "a"}, {"account_id": "111111111111", "name": "z"}],
                ),
            )
        )
        routes = settings.routes(settings.static_accounts)
        assert [(r.account_id, r.source_region, r.destination_region) for r in routes] == [
            ("111111111111", "us-east-1", "eu-west-1"),
            ("111111111111", "us-west-2", "eu-west-1"),
            ("111111111111", "us-west-2", "us-east-1"),
            ("222222222222", "us-east-1", "eu-west-1"),
            ("222222222222", "us-west-2", "eu-west-1"),
            ("222222222222", "us-west-2", "us-east-1"),
        ]
        assert {r.kms_b_arn.split(":")[3] for r in routes if r.destination_region == "eu-west-1"} == {"eu-west-1"}
        assert routes == settings.routes(reversed(settings.static_accounts))

    def test_a_template_names_the_connection_of_each_account(self, load):
        """Both placeholders are put in, and no role is assumed."""
        settings = load(changed((("source_connection", "aws_conn_id"), "aws_{account_name}_{account_id}")))
        (route,) = settings.routes(settings.static_accounts)
        assert (route.source_conn_id, route.source_role_arn) == ("aws_payments-prod_111111111111", None)

    def test_one_connection_assumes_the_role_of_each_account(self, load):
        """The role's ARN has the account's id and its path."""
        settings = load(changed((("source_connection",), {"aws_conn_id": "tooling", "role_name": "dr/SnapshotDr"})))
        (route,) = settings.routes(settings.static_accounts)
        assert route.source_conn_id == "tooling"
        assert route.source_role_arn == "arn:aws:iam::111111111111:role/dr/SnapshotDr"

    def test_roles_are_of_the_partition_of_their_region(self, load):
        """In China the role's ARN begins with arn:aws-cn."""
        keys = {
            name: arn.replace("arn:aws:kms:us-east-1", "arn:aws-cn:kms:cn-north-1")
            for name, arn in (("kms_b", KMS_B), ("kms_c", KMS_C))
        }
        settings = load(
            changed(
                (("destinations",), {"cn-north-1": keys}),
                (("source_regions",), {"cn-northwest-1": "cn-north-1"}),
                (("source_connection",), {"aws_conn_id": "tooling", "role_name": "SnapshotDr"}),
            )
        )
        (route,) = settings.routes(settings.static_accounts)
        assert route.source_role_arn == "arn:aws-cn:iam::111111111111:role/SnapshotDr"

    def test_an_accounts_own_connection_says_it_all(self, load):
        """With a connection of its own an account is entered by that, without assuming the common role."""
        own = [{"account_id": "111111111111", "name": "payments-prod", "aws_conn_id": "aws_payments"}]
        for connection in ({"aws_conn_id": "tooling", "role_name": "SnapshotDr"}, None):
            settings = load(changed((("accounts", "static"), own), (("source_connection",), connection)))
            (route,) = settings.routes(settings.static_accounts)
            assert (route.source_conn_id, route.source_role_arn) == ("aws_payments", None)


FOREIGN_REGION = KMS_B.replace("us-east-1", "eu-west-1")
REFUSED = {
    "KMS-B outside the destination Region": (
        [(("destinations", "us-east-1", "kms_b"), FOREIGN_REGION)],
        ["destinations.us-east-1.kms_b", "lies in eu-west-1", "need KMS-B there", "in us-east-1"],
    ),
    "KMS-C outside the destination Region": (
        [(("destinations", "us-east-1", "kms_c"), KMS_C.replace("us-east-1", "eu-west-1"))],
        ["destinations.us-east-1.kms_c", "lies in eu-west-1", "need KMS-C there"],
    ),
    "former KMS-C outside the destination Region": (
        [(("destinations", "us-east-1", "former_kms_c"), [KMS_C.replace("us-east-1", "eu-west-1")])],
        ["destinations.us-east-1.former_kms_c[0]", "need a former KMS-C there"],
    ),
    "alias": (
        [(("destinations", "us-east-1", "kms_b"), "alias/kms-b")],
        ["'alias/kms-b' is an alias", "among its own keys", "describe-key"],
    ),
    "alias ARN": (
        [(("destinations", "us-east-1", "kms_c"), "arn:aws:kms:us-east-1:999999999999:alias/kms-c")],
        ["destinations.us-east-1.kms_c", "is an alias", "KeyMetadata.Arn"],
    ),
    "key id": (
        [(("destinations", "us-east-1", "kms_b"), "b0b0b0b0-0000-4000-8000-000000000001")],
        ["is a key id without its account and Region", "describe-key"],
    ),
    "multi-Region key id": (
        [(("destinations", "us-east-1", "kms_b"), REPLICA)],
        ["is a key id without its account and Region"],
    ),
    "no key at all": (
        [(("destinations", "us-east-1", "kms_b"), "kms-b")],
        ["'kms-b' is not the ARN of a KMS key", "arn:aws:kms:REGION:ACCOUNT:key/ID"],
    ),
    "organization id": (
        [(("organization_id",), "123456789012")],
        ["'123456789012' is not the id of an organization", "o- and 10 to 32", "describe-organization"],
    ),
    "organization id in capitals": (
        [(("organization_id",), "o-EXAMPLEORGA")],
        ["'o-EXAMPLEORGA' is not the id of an organization"],
    ),
    "KMS-B is KMS-C": (
        [(("destinations", "us-east-1", "kms_c"), KMS_B)],
        ["destinations.us-east-1.kms_b", "is KMS-B and also KMS-C of us-east-1", "Name two keys"],
    ),
    "KMS-B is a former KMS-C": (
        [(("destinations", "us-east-1", "former_kms_c"), [KMS_B])],
        ["is KMS-B and also a former KMS-C of us-east-1"],
    ),
    "KMS-B is a replica of the KMS-C of another Region": (
        [
            (("destinations", "us-east-1", "kms_b"), f"arn:aws:kms:us-east-1:999999999999:key/{REPLICA}"),
            (
                ("destinations", "eu-west-1"),
                {"kms_b": FOREIGN_REGION, "kms_c": f"arn:aws:kms:eu-west-1:999999999999:key/{REPLICA}"},
            ),
        ],
        ["destinations.us-east-1.kms_b", "also KMS-C of eu-west-1", "replica"],
    ),
    "key of another account": (
        [(("destinations", "us-east-1", "kms_c"), KMS_C.replace("999999999999", "111111111111"))],
        ["belongs to account 111111111111, not to the DR account 999999999999", "dr_account.account_id"],
    ),
    "source account is the DR account": (
        [(("accounts", "static", 0, "account_id"), "999999999999")],
        ["accounts.static[0].account_id", "999999999999 is the DR account", "Remove it here"],
    ),
    "account twice": (
        [(("accounts", "static"), GOOD["accounts"]["static"] * 2)],
        ["accounts.static[1].account_id", "111111111111 is there twice", "accounts.static[0]"],
    ),
    "no static account": (
        [(("accounts", "static"), [])],
        ["accounts.static: is empty", "at least one entry"],
    ),
    "no destination": (
        [(("destinations",), {}), (("source_regions",), {"us-east-1": "us-east-1"})],
        ["destinations: is empty"],
    ),
    "no accounts": (
        [(("accounts",), {})],
        ["accounts: names no account", "static", "organizations"],
    ),
    "accounts in two ways": (
        [(("accounts", "organizations"), {"aws_conn_id": "org"})],
        ["accounts: has both static and organizations", "Keep one"],
    ),
    "account id as a number": (
        [(("accounts", "static", 0, "account_id"), 111111111111)],
        [
            "accounts.static[0].account_id",
            "111111111111 without quotes is a number to YAML",
            '"111111111111" in quotes',
        ],
    ),
    "account id too short": (
        [(("dr_account", "account_id"), "99999999999")],
        ["dr_account.account_id", "'99999999999' is not an account id (11 digits)", "leading zeros"],
    ),
    "account id with other digits": (
        [(("dr_account", "account_id"), "９９９９９９９９９９９９")],  # noqa: RUF001  # digits, but not those of AWS
        ["dr_account.account_id", "is not an account id"],
    ),
    "unknown setting": (
        [(("lookback_day",), 3)],
        ["lookback_day: is not a setting", "Did you mean lookback_days?"],
    ),
    "unknown setting in a section": (
        [(("tuning",), {"poll_second": 5})],
        ["tuning.poll_second: is not a setting", "Did you mean poll_seconds?"],
    ),
    "unknown setting below a Region": (
        [(("destinations", "us-east-1", "kmsb"), KMS_B)],
        ["destinations.us-east-1.kmsb: is not a setting", "Did you mean kms_b?"],
    ),
    "unknown setting in a list": (
        [(("accounts", "static", 0, "aws_con_id"), "x")],
        ["accounts.static[0].aws_con_id: is not a setting", "Did you mean aws_conn_id?"],
    ),
    "unknown setting like no other": (
        [(("selection",), {"zzz": 1})],
        [
            "selection.zzz: is not a setting",
            ("Known here: exclude_tags, include_tags, include_unencrypted, priority_tag, snapshots."),
        ],
    ),
    "missing section": (
        [(("dr_account",), GONE)],
        ["dr_account: is missing", "aws_conn_id that enters it"],
    ),
    "missing key": (
        [(("destinations", "us-east-1", "kms_c"), GONE)],
        ["destinations.us-east-1.kms_c: is missing", "nobody else can use"],
    ),
    "empty section": (
        [(("tuning",), None)],
        ["tuning: has no value", "remove the line"],
    ),
    "section that is a text": (
        [(("dr_account",), "999999999999")],
        ["dr_account: '999999999999' cannot be used", "settings of this section"],
    ),
    "text that is a list": (
        [(("dr_account", "aws_conn_id"), ["aws_dr"])],
        ["dr_account.aws_conn_id: a list cannot be used", "write one text"],
    ),
    "list that is a mapping": (
        [(("accounts", "static"), {"111111111111": "payments"})],
        ["accounts.static: a mapping cannot be used", "write a list"],
    ),
    "number in quotes": (
        [(("lookback_days",), "3")],
        ["lookback_days: '3' cannot be used", "a number, without quotes"],
    ),
    "negative lookback": (
        [(("lookback_days",), -1)],
        ["lookback_days: '-1' cannot be used", "at least 0"],
    ),
    "endless source timeout": (
        [(("source_timeout_hours",), float("inf"))],
        ["source_timeout_hours", "finite number"],
    ),
    "no time between polls": (
        [(("tuning",), {"poll_seconds": 0})],
        ["tuning.poll_seconds: '0' cannot be used", "more than 0"],
    ),
    "half an attempt": (
        [(("tuning",), {"max_attempts": 1.5})],
        ["tuning.max_attempts: '1.5' cannot be used", "whole number"],
    ),
    "too many slots": (
        [(("destinations", "us-east-1", "copy_slots"), 5000)],
        ["destinations.us-east-1.copy_slots", "at most 1000"],
    ),
    "no slot in the source accounts": (
        [(("destinations", "us-east-1", "source_copy_slots"), 0)],
        ["destinations.us-east-1.source_copy_slots", "at least 1"],
    ),
    "no slot in one source account": (
        [(("destinations", "us-east-1", "source_copy_slots_by_account"), {"111111111111": 0})],
        ["destinations.us-east-1.source_copy_slots_by_account.111111111111", "at least 1"],
    ),
    "slots of an account as a number": (
        [(("destinations", "us-east-1", "source_copy_slots_by_account"), {111111111111: 50})],
        ["us-east-1.source_copy_slots_by_account.111111111111: 111111111111 without", '"111111111111" in quotes'],
    ),
    "slots of the DR account among those of the source accounts": (
        [(("destinations", "us-east-1", "source_copy_slots_by_account"), {"999999999999": 50})],
        [
            "destinations.us-east-1.source_copy_slots_by_account.999999999999: account 999999999999 is the DR account",
            "Write destinations.us-east-1.copy_slots",
        ],
    ),
    "slots of an account that is not listed": (
        [(("destinations", "us-east-1", "source_copy_slots_by_account"), {"111111111112": 50})],
        [
            "source_copy_slots_by_account.111111111112: account 111111111112 is not among accounts.static",
            "Did you mean 111111111111?",
        ],
    ),
    "duration between two steps": (
        [(("destinations", "us-east-1", "completion_duration_minutes"), 50)],
        [
            "destinations.us-east-1.completion_duration_minutes: 50 is no duration of a time-based copy",
            "15 to 2880 minutes in steps of 15",
            "Write 45, or leave it out",
        ],
    ),
    "duration that is too long": (
        [(("destinations", "us-east-1", "completion_duration_minutes"), 3000)],
        ["destinations.us-east-1.completion_duration_minutes: 3000 is no duration", "Write 2880"],
    ),
    "duration in quotes": (
        [(("destinations", "us-east-1", "completion_duration_minutes"), "15")],
        ["destinations.us-east-1.completion_duration_minutes: '15' cannot be used", "whole number"],
    ),
    "truth value in quotes": (
        [(("selection",), {"include_unencrypted": "yes"})],
        ["selection.include_unencrypted: 'yes' cannot be used", "true or false, without quotes"],
    ),
    "tag value without quotes": (
        [(("selection",), {"include_tags": {"Backup": True}})],
        ["selection.include_tags.Backup: true without quotes is true or false to YAML", '"true" in quotes'],
    ),
    "no priority tag": (
        [(("selection",), {"priority_tag": ""})],
        ["selection.priority_tag: '' cannot be used", "must not be empty"],
    ),
    "priority tag without quotes": (
        [(("selection",), {"priority_tag": 1})],
        ["selection.priority_tag: 1 without quotes is a number", '"1" in quotes'],
    ),
    "tag without a value": (
        [(("selection",), {"include_tags": {"Backup": []}})],
        ["selection.include_tags.Backup: is empty"],
    ),
    "unknown selection": (
        [(("selection",), {"snapshots": "newest"})],
        ["selection.snapshots: 'newest' cannot be used", "'every' or 'newest_per_volume'"],
    ),
    "unknown retention": (
        [(("kms_b_retention",), "all")],
        ["kms_b_retention: 'all' cannot be used", "'none' or 'newest_per_volume'"],
    ),
    "zone for a Region": (
        [(("source_regions",), {"us-east-1a": "us-east-1"})],
        ["source_regions.us-east-1a: 'us-east-1a' is not a Region", "Availability Zone; write us-east-1"],
    ),
    "no Region at all": (
        [(("source_regions",), {"us-east-1": "Virginia"})],
        ["source_regions.us-east-1: 'Virginia' is not a Region"],
    ),
    "source Region without a destination": (
        [(("source_regions",), {"us-east-1": []})],
        ["source_regions.us-east-1: is empty"],
    ),
    "destination without keys": (
        [(("source_regions",), {"us-west-2": ["us-east-1", "us-east-2"]})],
        ["source_regions.us-west-2[1]: us-east-2 is not among the destinations", "Did you mean us-east-1?"],
    ),
    "destination twice": (
        [(("source_regions",), {"us-west-2": ["us-east-1", "us-east-1"]})],
        ["source_regions.us-west-2[1]: us-east-1 is there twice"],
    ),
    "key of another partition": (
        [(("destinations", "us-east-1", "kms_b"), KMS_B.replace("arn:aws:", "arn:aws-us-gov:"))],
        ["destinations.us-east-1.kms_b", "partition aws-us-gov", "us-east-1 lies in partition aws"],
    ),
    "source Region of another partition": (
        [(("source_regions",), {"cn-north-1": "us-east-1"})],
        ["source_regions.cn-north-1", "lies in partition aws-cn, but us-east-1 in partition aws", "of its own"],
    ),
    "role of another partition": (
        [(("dr_account", "role_arn"), "arn:aws-cn:iam::999999999999:role/SnapshotDrCopy")],
        ["dr_account.role_arn: the role lies in partition aws-cn"],
    ),
    "DR role of another account": (
        [(("dr_account", "role_arn"), "arn:aws:iam::111111111111:role/SnapshotDr")],
        ["dr_account.role_arn", "account 111111111111, not to the DR account 999999999999"],
    ),
    "no role ARN": (
        [(("dr_account", "role_arn"), "SnapshotDrCopy")],
        ["dr_account.role_arn: 'SnapshotDrCopy' is not the ARN of an IAM role"],
    ),
    "ARN for a role's name": (
        [(("source_connection", "role_name"), "arn:aws:iam::111111111111:role/SnapshotDr")],
        ["source_connection.role_name", "is an ARN", "Write only what follows role/"],
    ),
    "no role name": (
        [(("source_connection", "role_name"), "Snapshot Dr")],
        ["source_connection.role_name: 'Snapshot Dr' is not the name of an IAM role"],
    ),
    "unknown placeholder": (
        [(("source_connection", "aws_conn_id"), "aws_{acount_id}")],
        ["source_connection.aws_conn_id", "{acount_id}: Did you mean account_id?"],
    ),
    "placeholder without a name": (
        [(("source_connection", "aws_conn_id"), "aws_{}")],
        ["source_connection.aws_conn_id", "Known here: account_id, account_name"],
    ),
    "open brace": (
        [(("source_connection", "aws_conn_id"), "aws_{account_id")],
        ["source_connection.aws_conn_id: 'aws_{account_id' is not a template"],
    ),
    "no connection name": (
        [(("dr_account", "aws_conn_id"), "aws dr")],
        ["dr_account.aws_conn_id: 'aws dr' is not the id of an Airflow connection"],
    ),
    "one connection for all": (
        [(("source_connection", "aws_conn_id"), "tooling")],
        ["source_connection.aws_conn_id: 'tooling' is the same connection for every account", "role_name"],
    ),
    "no way into a listed account": (
        [(("source_connection",), GONE)],
        ["source_connection: is missing", "how to enter accounts.static[0]"],
    ),
    "no way into the organization's accounts": (
        [(("source_connection",), GONE), (("accounts",), {"organizations": {"aws_conn_id": "org"}})],
        ["source_connection: is missing", "how to enter the accounts of the organization"],
    ),
    "name of an organizational unit": (
        [(("accounts",), {"organizations": {"aws_conn_id": "org", "include_ous": ["Workloads"]}})],
        ["accounts.organizations.include_ous[0]", "'Workloads' is not the id of an organizational unit"],
    ),
    "grace for accounts that are listed by hand": (
        [(("accounts", "new_account_grace_hours"), 24)],
        ["accounts.new_account_grace_hours: is not a setting", "Known here: organizations, static."],
    ),
    "grace without an end": (
        [(("accounts",), {"organizations": {"aws_conn_id": "org", "new_account_grace_hours": 8760}})],
        ["accounts.organizations.new_account_grace_hours: '8760' cannot be used", "at most 720 is allowed"],
    ),
    "excluded account as a number": (
        [(("accounts",), {"organizations": {"aws_conn_id": "org", "exclude_accounts": [333333333333]}})],
        ["accounts.organizations.exclude_accounts[0]", '"333333333333" in quotes'],
    ),
}


@pytest.mark.parametrize(("changes", "parts"), REFUSED.values(), ids=REFUSED)
def test_a_mistake_is_named_with_its_place_its_reason_and_its_remedy(refusal, changes, parts):
    """Each mistake alone is one problem, told in the file's own words."""
    message = refusal(changed(*changes))
    assert [part for part in parts if part not in message] == []
    assert "has a problem:" in message
    assert "pydantic" not in message
    assert "type=" not in message


def test_all_mistakes_are_told_at_once_in_the_order_of_the_file(refusal):
    """One reading names the wrong types, the unknown keys and the contradictions between parts, each with its line."""
    message = refusal(
        """\
organization_id: nothing
dr_account:
  account_id: "999999999999"
  aws_conn_id: 5
destinations:
  us-east-1:
    kms_b: arn:aws:kms:eu-west-1:999999999999:key/b0b0b0b0-0000-4000-8000-000000000001
    kms_c: alias/kms-c
source_regions:
  us-east-1: us-east-2
accounts:
  static:
    - {account_id: "999999999999", name: dr}
    - {account_id: "999999999999", nam: dr}
source_connection:
  aws_conn_id: tooling
"""
    )
    found = [line.strip().split(" ", 3)[1:3] for line in message.splitlines()[1:]]
    assert found == [
        ["1,", "organization_id:"],
        ["4,", "dr_account.aws_conn_id:"],
        ["7,", "destinations.us-east-1.kms_b:"],
        ["8,", "destinations.us-east-1.kms_c:"],
        ["10,", "source_regions.us-east-1:"],
        ["13,", "accounts.static[0].account_id:"],
        ["14,", "accounts.static[1].name:"],
        ["14,", "accounts.static[1].nam:"],
        ["14,", "accounts.static[1].account_id:"],
        ["14,", "accounts.static[1].account_id:"],
        ["16,", "source_connection.aws_conn_id:"],
    ]
    assert "has 11 problems:" in message


def test_a_leading_zero_is_explained(refusal):
    """An account id that YAML takes for an octal number is told with the number that YAML makes of it."""
    text = yaml.safe_dump(GOOD, sort_keys=False).replace("'111111111111'", "012345670123")
    slots = "destinations:\n  us-east-1:\n    source_copy_slots_by_account: {012345670123: 50}"
    for mistaken in (text, text.replace("destinations:\n  us-east-1:", slots)):
        message = refusal(mistaken)
        assert message.count("012345670123 without quotes is a number") == mistaken.count("012345670123")
        assert '"012345670123" in quotes' in message
    assert "012345670123 without quotes is a number (1402433619: a leading zero makes it octal) to YAML" in message
    assert "us-east-1.source_copy_slots_by_account.012345670123: 012345670123 without" in message


def test_a_key_that_is_there_twice_is_refused(refusal):
    """YAML would take the last of two equal keys without a word."""
    text = yaml.safe_dump(GOOD, sort_keys=False)
    message = refusal(f"{text}lookback_days: 1\nlookback_days: 2\n")
    assert "lookback_days: is there twice, on lines 17 and 18" in message


def test_the_page_describes_every_setting():
    """Each setting of each section stands in the table of the page, and the table has no other."""
    page = (EXAMPLE.parents[1] / "settings.md").read_text(encoding="utf-8")
    described = {row.split("`")[1].rsplit(".", 1)[-1] for row in page.splitlines() if row.startswith("| `")}
    assert described == set(setting_names(Settings)) - {"static", "organizations"}


def setting_names(kind):
    """Give the names of the settings of a section and of the sections in it."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        for name, field in kind.model_fields.items():
            inner = set(setting_names(field.annotation))
            yield from inner or {name}
    for argument in get_args(kind):
        yield from setting_names(argument)


@pytest.mark.parametrize(
    ("changes", "is_the_same"),
    [
        (
            [
                (("audit_fail_on",), "low"),
                (("kms_b_max_age_days",), 9),
                (("rpo_hours",), 9),
                (("prices",), {"currency": "EUR"}),
            ],
            True,
        ),
        ([(("lookback_days",), 3)], True),
        ([(("lookback_days",), 4)], False),
        ([(("accounts", "static", 0, "name"), "payments")], False),
        ([(("tuning",), {"max_attempts": 4})], False),
    ],
)
def test_a_fingerprint_tells_whether_runs_would_copy_differently(load, changes, is_the_same):
    """Two files have the same one unless they differ in what a run goes by; the audit's own settings do not count."""
    assert (load(changed(*changes)).fingerprint == load(GOOD).fingerprint) is is_the_same


class TestFile:
    """What is wrong with the file itself."""

    def test_no_such_file(self, tmp_path):
        """The path and the option that named it are told."""
        with pytest.raises(SettingsError, match=r"none\.yaml does not exist.*AIRFLOW__SNAPSHOT_DR__SETTINGS_PATH"):
            load_settings(tmp_path / "none.yaml")

    def test_a_directory(self, tmp_path):
        """A directory cannot be read as a file."""
        with pytest.raises(SettingsError, match="cannot be read: Is a directory"):
            load_settings(tmp_path)

    def test_not_text(self, tmp_path):
        """A file that is not UTF-8 is told with the byte that is not."""
        path = tmp_path / "dr.yaml"
        path.write_bytes(b"organization_id: \xff")
        with pytest.raises(SettingsError, match="is not UTF-8 text: byte 17"):
            load_settings(path)

    @pytest.mark.parametrize(
        ("text", "parts"),
        [
            ("a: 1\n b: [\n", ["line 2, column 3", "mapping values are not allowed"]),
            ("a: [1, 2\n", ["line 2, column 1", "Mind the indentation and quotes"]),
            ("a: 1\n\tb: 2\n", ["line 2, column 1", "cannot start any token"]),
            ("a: 1\n---\nb: 2\n", ["line 2, column 1", "another document"]),
            ("a: !!python/object:os.system {}\n", ["line 1, column 4", "could not determine a constructor"]),
            ("a: \x01\n", ["special characters are not allowed"]),
            ("a: 2026-13-45\n", ["month must be in 1..12"]),
            ("a: &a [*a]\n", ["recursion"]),
        ],
    )
    def test_invalid_yaml(self, refusal, text, parts):
        """What YAML does not accept is told with line and column, where YAML knows them."""
        message = refusal(text)
        assert "is not valid YAML" in message
        assert [part for part in parts if part not in message] == []

    @pytest.mark.parametrize(
        ("text", "found"),
        [("", "is empty"), ("# nothing\n", "is empty"), ("- a\n", "a list"), ("hello\n", "one value, 'hello'")],
    )
    def test_no_mapping(self, refusal, text, found):
        """A file without settings says what it has instead."""
        assert found in refusal(text)


class TestConfiguredPath:
    """Where the settings file is."""

    def test_airflow_says_where(self, monkeypatch):
        """The option [snapshot_dr] settings_path is read by Airflow's own means, here from the environment."""
        monkeypatch.setenv("AIRFLOW__SNAPSHOT_DR__SETTINGS_PATH", "/etc/airflow/dr.yaml")
        assert configured_settings_path() == Path("/etc/airflow/dr.yaml")

    @pytest.mark.parametrize("value", [None, ""])
    def test_airflow_does_not_say_where(self, monkeypatch, value):
        """Without the option the error names it."""
        if value is None:
            monkeypatch.delenv("AIRFLOW__SNAPSHOT_DR__SETTINGS_PATH", raising=False)
        else:
            monkeypatch.setenv("AIRFLOW__SNAPSHOT_DR__SETTINGS_PATH", value)
        with pytest.raises(SettingsError, match=r"settings_path in its \[snapshot_dr\] section"):
            configured_settings_path()
