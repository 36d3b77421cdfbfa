"""``airflow snapshot-dr init`` writes a settings file that can be loaded, or says which option is missing."""

from __future__ import annotations

import io

import pytest
from airflow.cli.cli_parser import get_parser

from snapshot_dr_provider.cli.init.answers import collect
from snapshot_dr_provider.cli.init.text import settings_text
from snapshot_dr_provider.cli.placeholders import is_placeholder
from snapshot_dr_provider.settings import load_settings

LEAST = ("--organization-id", "o-exampleorga1", "--dr-account-id", "999999999999", "--region", "us-east-1")
ACCOUNTS = ("--account", "111111111111=payments: prod", "--account", "012345670123=yes")
KEYS = (
    *("--kms-b", "arn:aws:kms:us-east-1:999999999999:key/b0b0b0b0-0000-4000-8000-000000000001"),
    *("--kms-c", "arn:aws:kms:us-east-1:999999999999:key/c0c0c0c0-0000-4000-8000-000000000001"),
)


def parse(*arguments):
    """Read arguments by Airflow's own parser."""
    return get_parser().parse_args(["snapshot-dr", "init", *arguments])


@pytest.fixture
def init(tmp_path, monkeypatch):
    """Run ``init`` without a terminal; where the file is."""
    monkeypatch.setattr("sys.stdin", io.StringIO())
    path = tmp_path / "settings.yaml"

    def run(*arguments):
        args = parse("--out", str(path), *arguments)
        args.func(args)
        return path

    return run


@pytest.mark.parametrize("accounts", [ACCOUNTS, ("--organizations",)], ids=["static", "organizations"])
@pytest.mark.parametrize("keys", [KEYS, ()], ids=["keys", "no keys"])
@pytest.mark.parametrize("window", ["unmanaged", "per_run"])
def test_what_is_written_can_be_loaded(init, accounts, keys, window):
    """Whatever the options, the file loads and says what they said; keys that are yet to be made have placeholders."""
    settings = load_settings(init(*LEAST, *accounts, *keys, "--kms-b-window", window))
    assert (settings.organization_id, settings.dr_account.account_id) == ("o-exampleorga1", "999999999999")
    assert settings.kms_b_window == window
    assert is_placeholder(settings.destinations["us-east-1"].kms_b) == (not keys)
    if accounts == ACCOUNTS:
        names = [(each.account_id, each.name) for each in settings.static_accounts]
        assert names == [("111111111111", "payments: prod"), ("012345670123", "yes")]
    else:
        assert settings.accounts.organizations is not None


@pytest.mark.parametrize("missing", ["--organization-id", "--dr-account-id", "--region", "--organizations"])
def test_missing_option_is_named(init, capsys, missing):
    """Without a terminal each option that is missing is named, and nothing is written."""
    given = dict(zip(LEAST[::2], LEAST[1::2], strict=True))
    arguments = [part for option, value in given.items() if option != missing for part in (option, value)]
    with pytest.raises(SystemExit) as ended:
        init(*arguments, *([] if missing == "--organizations" else ["--organizations"]))
    assert ended.value.code == 2
    assert f"{missing} is missing" in capsys.readouterr().err


def test_a_file_is_not_overwritten(init, capsys):
    """A file that is there stays as it is, until --force says otherwise."""
    path = init(*LEAST, "--organizations")
    path.write_text("mine", encoding="utf-8")
    with pytest.raises(SystemExit):
        init(*LEAST, "--organizations")
    assert path.read_text(encoding="utf-8") == "mine"
    assert "--force" in capsys.readouterr().err
    init(*LEAST, "--organizations", "--force")
    load_settings(path)


def test_answers_that_do_not_go_together_are_refused_before_anything_is_written(init, tmp_path, capsys):
    """A source account that is the DR account is refused as the loader refuses it, and no file is left."""
    with pytest.raises(SystemExit):
        init(*LEAST, "--account", "999999999999=self")
    assert "999999999999" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_who_sits_at_a_terminal_is_asked_again(tmp_path):
    """Each thing that is missing is asked for, and asked for again with the reason while the answer cannot be used."""
    answers = iter(["orga", "o-exampleorga1", "999999999999", "us-east-1a", "us-east-1", "111111111111=pay", "", ""])
    questions: list[str] = []

    def ask(question):
        questions.append(question)
        return next(answers)

    path = tmp_path / "settings.yaml"
    path.write_text(settings_text(collect(parse(), ask)), encoding="utf-8")
    settings = load_settings(path)
    assert [each.name for each in settings.static_accounts] == ["pay"]
    assert "Availability Zone" in questions[4]
    assert next(answers, None) is None
