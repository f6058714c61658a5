"""docs/configuration.md and docs/glossary.md say what the code says."""

import re
from pathlib import Path

import pytest

from pushmfa.config import host, relay
from pushmfa.config.table import Table
from pushmfa.relay.limits import Rate, RelayLimits
from pushmfa.terms import ALWAYS_CLOSED_CAUSES, APPROVING_CAUSES, Cause, DenialReason
from pushmfa.terms import Verdict as Verdicts
from tests.unit import test_config_host, test_config_relay

DOCS = Path(__file__).parents[2] / "docs"
KEY = re.compile(r"^\| `([a-zA-Z_.]+)` \|", re.MULTILINE)
WORDS = re.compile(r"^- `(\w+)`: \S.*\.$", re.MULTILINE)


def sections(name: str) -> dict[str, str]:
    """Return the sections of a page by their headings."""
    _, *parts = re.split(r"^##+ (.+)$", (DOCS / name).read_text(), flags=re.MULTILINE)
    return dict(zip(parts[::2], parts[1::2], strict=True))


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Return a set that fills with the keys that the reading code asks for."""
    asked: set[str] = set()
    finish = Table.finish

    def note(table: Table) -> None:
        for key in table._known:
            path = ".".join((*table._path, key))
            asked.add(re.sub(r"^service\.[a-z]+", "service.NAME", path))
        finish(table)

    monkeypatch.setattr(Table, "finish", note)
    return asked


def leaves(asked: set[str], reserved: tuple[str, ...]) -> set[str]:
    """Return the keys of asked that hold a value: no tables."""
    tables = {path.rpartition(".")[0] for path in asked} | set(reserved)
    return {path for path in asked if path not in tables}


def test_every_key_of_pushmfa_toml(known: set[str]) -> None:
    host.parse_host_config(test_config_host.WHOLE)
    documented = set(KEY.findall(sections("configuration.md")["pushmfa.toml"]))
    found = leaves(known, host.RESERVED_TABLES) - {"audit", "service"}
    assert documented == found


def test_every_key_of_relay_toml(known: set[str]) -> None:
    relay.parse_relay_config(test_config_relay.WHOLE)
    pages = sections("configuration.md")
    documented = set(KEY.findall(pages["relay.toml"] + pages["Limits"]))
    rates = {f"limits.{name}" for name in relay.RATE_LIMITS}
    found = {
        path
        for path in leaves(known, relay.RESERVED_TABLES)
        if path.rpartition(".")[0] not in rates
    }
    assert documented == found | rates


def test_reserved_tables_are_named() -> None:
    page = (DOCS / "configuration.md").read_text()
    for name in host.RESERVED_TABLES + relay.RESERVED_TABLES:
        assert f"[{name}]" in page


def test_defaults_of_the_limits() -> None:
    page = sections("configuration.md")["Limits"]
    limits = RelayLimits()
    for name in (*relay.COUNT_LIMITS, *relay.RATE_LIMITS):
        value = getattr(limits, name)
        if isinstance(value, Rate):
            value = f"{{ burst = {value.burst}, per_second = {value.per_second:g} }}"
        assert f"| `limits.{name}` | `{value}` |" in page


def test_examples_are_accepted() -> None:
    page = (DOCS / "configuration.md").read_text()
    least_host, least_relay = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    host.parse_host_config(least_host)
    relay.parse_relay_config(least_relay)


def test_glossary_has_every_verdict_and_cause_in_order() -> None:
    page = sections("glossary.md")
    approvals = [cause.value for cause in Cause if cause in APPROVING_CAUSES]
    refusals = [cause.value for cause in Cause if cause not in APPROVING_CAUSES]
    assert WORDS.findall(page["Verdicts"]) == [verdict.value for verdict in Verdicts]
    assert WORDS.findall(page["Causes of an approval"]) == approvals
    assert WORDS.findall(page["Causes of a refusal"]) == refusals
    assert set(refusals[-4:]) == {cause.value for cause in ALWAYS_CLOSED_CAUSES}
    reasons = [reason.value for reason in DenialReason]
    assert WORDS.findall(page["Denial reasons"]) == reasons


DESIGNED = """
login attempt, user, requesting user, approver, service, remote host, host, PAM module,
conversation, daemon, device, identity key, fingerprint, enroll, enrollment,
enrollment link, enrollment ticket, revoke, registry, policy, rule, exempt, challenge,
nonce, number, answer, approval, denial, denial reason, verdict, cause, statement,
label, payload, envelope, seal, open, link, frame, relay, mailbox, wake-up,
push subscription, expiry, deadline, timeout, throttle, lock, mute, push bombing,
replay, recovery code, bypass code, grant, audit record, fleet, roster, issuer
"""


def test_glossary_has_every_word_once() -> None:
    page = (DOCS / "glossary.md").read_text()
    words = re.findall(r"^- \*\*(.+?)\*\*: \S.*\.$", page, re.MULTILINE)
    wanted = [word.strip() for word in DESIGNED.replace("\n", " ").split(",")]
    assert sorted(words) == sorted(wanted)
    # No line of the list escaped the two patterns.
    assert len(re.findall(r"^- ", page, re.MULTILINE)) == len(words) + len(
        WORDS.findall(page)
    )
