"""Alert rules: those that are promised are there, each is tried by Prometheus, has a page, and asks for what a process exports."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click import Group

from oracle.__main__ import main
from tests.docs import plain_yaml
from tests.packaging.prometheus_files import (
    PROMETHEUS,
    ROOT,
    ShippedRule,
    amtool,
    exported,
    needs_amtool,
    needs_promtool,
    promtool,
    shipped_rules,
    unknown_in,
)

RULES = shipped_rules()
RUNBOOKS = ROOT / "docs" / "runbooks"
PROMISED = {
    "feed silent": "FeedSilent", "feed halted": "FeedHalted", "depeg state": "FeedDepegged", "spread wide": "SpreadWide",
    "source groups down to quorum": "GroupsAtQuorum", "rate stale": "RateStale", "reference drift": "ReferenceDrift",
    "push late": "PushLate", "gas low": "GasLow", "fee ceiling": "FeeCeiling",
    "endpoint disagreement": "EndpointDisagrees", "head frozen": "HeadFrozen", "clock off": "ClockOff",
    "round late": "RoundLate", "disk full in a week": "DiskFullInAWeek", "database slow": "DatabaseSlow",
    "journal mute": "JournalMute", "key lock": "KeyLocked", "process restarted": "ProcessRestarted",
    "version behind": "VersionBehind", "peers below threshold": "PeersBelowThreshold",
    "operator missing": "OperatorMissing", "attempts high": "AttemptsHigh", "round lost": "RoundLost",
    "evidence found": "EvidenceFound", "stake below threshold": "StakeBelowThreshold",
}  # fmt: skip
SECTIONS = ["What it means", "What to look at", "What to do"]
IDS = [r.name for r in RULES]


def test_every_alarm_that_is_promised_is_there_once() -> None:
    assert set(PROMISED.values()) <= set(IDS)
    assert len(set(IDS)) == len(IDS)


@pytest.mark.parametrize("rule", RULES, ids=IDS)
def test_a_rule_asks_for_metrics_and_labels_that_a_process_exports(rule: ShippedRule) -> None:
    assert unknown_in(rule.expr, exported()) == []
    assert rule.labels["severity"] in {"page", "ticket"}


def test_a_rule_that_asks_for_what_is_not_there_is_found() -> None:
    series = exported()
    assert unknown_in("lrt_oracle_feed_silent == 1", series) == ["lrt_oracle_feed_silent"]
    assert unknown_in('lrt_oracle_unready{reason="asleep"} == 1', series) == ['lrt_oracle_unready{reason="asleep"}']
    assert unknown_in('lrt_oracle_ready{feed!="x"} == 1', series) == ["lrt_oracle_ready: feed"]


@pytest.mark.parametrize("rule", RULES, ids=IDS)
def test_a_rule_is_tried_in_silence_and_in_alarm_and_ends(rule: ShippedRule) -> None:
    tests = plain_yaml.load(PROMETHEUS / "rules_test" / f"{rule.topic}_test.yml")["tests"]
    told = [
        [(_minutes(c["eval_time"]), "exp_alerts" in c) for c in t["alert_rule_test"] if c["alertname"] == rule.name]
        for t in tests
    ]  # fmt: skip
    orders = [[fires for _, fires in sorted(cases)] for cases in told]
    assert any(_is_silent_then_fires(o) for o in orders), "it does not fire just below"
    assert any(_fires_then_ends(o) for o in orders), "it clears"


def _minutes(text: str) -> int:
    return sum(int(n) * {"h": 60, "m": 1}[unit] for n, unit in re.findall(r"(\d+)([hm])", text))


def _is_silent_then_fires(order: list[bool]) -> bool:
    return True in order and False in order[: order.index(True)]


def _fires_then_ends(order: list[bool]) -> bool:
    return True in order and False in order[order.index(True) :]


@pytest.mark.parametrize("rule", RULES, ids=IDS)
def test_a_rule_has_a_page_that_its_annotation_leads_to(rule: ShippedRule) -> None:
    assert rule.annotations["runbook_url"] == f"docs/runbooks/{rule.name}.md"
    page = (ROOT / rule.annotations["runbook_url"]).read_text(encoding="utf-8")
    assert page.startswith(f"# {rule.name}\n")
    assert f"`{rule.labels['severity']}`, in [{rule.topic}.yml]" in page
    assert re.findall(r"^## (.+)$", page, re.MULTILINE) == SECTIONS
    assert all(len(part.strip()) > 40 for part in re.split(r"^## .+$", page, flags=re.MULTILINE)[1:])


def test_no_page_is_of_an_alarm_that_is_gone_and_the_list_has_all() -> None:
    assert {p.stem for p in RUNBOOKS.glob("*.md")} == {*IDS, "README"}
    listed = re.findall(
        r"^\| \[(\w+)\]\(\1\.md\) \| (\w+) \|", (RUNBOOKS / "README.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert dict(listed) == {r.name: r.labels["severity"] for r in RULES}


@pytest.mark.parametrize("page", sorted(RUNBOOKS.glob("*.md")), ids=lambda p: p.stem)
def test_a_page_names_commands_and_metrics_that_are_there(page: Path) -> None:
    text, series = page.read_text(encoding="utf-8"), exported()
    names = set(re.findall(r"`(lrt_oracle_\w+|process_\w+)`", text))
    assert {n for n in names if n not in series and f"{n}_count" not in series} == set()
    for words in re.findall(r"`lrt-oracle ([^`]+)`", text):
        command: object = main
        for word in words.split():
            if not isinstance(command, Group) or word.startswith("-") or word.isupper():
                break
            assert word in command.commands, words
            command = command.commands[word]


@needs_promtool
@pytest.mark.parametrize("topic", sorted({r.topic for r in RULES}))
def test_prometheus_fires_them_when_they_are_to_and_says_what_is_wrong(topic: str) -> None:
    promtool("check", "rules", str(PROMETHEUS / "rules" / f"{topic}.yml"))
    promtool("test", "rules", str(PROMETHEUS / "rules_test" / f"{topic}_test.yml"))


@needs_promtool
def test_prometheus_reads_its_config_with_the_rules() -> None:
    assert "6 rule files found" in promtool("check", "config", str(PROMETHEUS / "prometheus.yml"))


@needs_amtool
def test_alertmanager_reads_its_config() -> None:
    amtool("check-config", str(ROOT / "packaging" / "alertmanager" / "alertmanager.yml"))
