"""Laws of every rule in the registry: pure, with a declared reason, and declared by keys that exist."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import fields, replace

import pytest

from feeds.units import WAD, Wad
from oracle.judge.evidence import AppliesTo, Evidence, JudgeRule, PoolEvidence, RuleInput
from oracle.judge.registry import RULES, findings, findings_without_price
from oracle.model.spec import Bands, Rules
from oracle.model.state import Memory, RateState, Unchanged
from oracle.model.status import Status, Why
from oracle.model.types import Statement
from tests.oracle.judge.rule_build import rule_input
from tests.oracle.oracle_build import T0, spec

NAMES = ("coinbase", "kraken", "binance")
ON = Rules(
    moved_bps=100, drift_slack_bps=20, drift_bps_hours=1_000, disagree_bps=100, growth_bps_year=968, cadence_s=3_600
)
FEEDS = (
    spec(rules=ON),
    spec(rules=ON, accept_single_group=True),
    spec(rules=ON, has_market=False),
)


def histories(count: int) -> Iterator[RuleInput]:
    """Rounds of every kind, seeded: quiet and wild, with and without a price, after every status."""
    chance = random.Random(7)

    def wad(spread: float) -> Wad:
        return Wad(int(WAD * (1 + chance.uniform(-spread, spread))))

    for _ in range(count):
        spread = chance.choice((0.001, 0.03, 0.6))
        rate = RateState(
            rate_wad=wad(0.1),
            changed_at_ms=T0 - chance.choice((0, 7_200_000)),
            fell_at_ms=chance.choice((None, T0 - 1_000)),
            fell_ppb=chance.choice((0, 20_000)),
        )
        prices = tuple(wad(spread) for _ in range(chance.randint(0, 3)))
        found = Evidence(
            market_wad=chance.choice((Wad(0), wad(spread))),
            redemption_wad=chance.choice((Wad(0), Wad(WAD), Wad(WAD))),
            groups=chance.randint(1, 3),
            rate=chance.choice((None, rate)),
            group_prices=prices,
            disagree_bps=chance.choice((0, 150)),
            statements=tuple(Statement(source=n, group=n, price_wad=Wad(WAD), level_wad=wad(spread)) for n in NAMES),
            pools=tuple(
                PoolEvidence(source=n, share_bps=chance.randint(0, 10_000), depth_wad=chance.randint(0, 100) * WAD)
                for n in NAMES[: chance.randint(0, 3)]
            ),
            readings=(("one", Wad(WAD)), ("two", wad(0.01))),
            supply_wad=chance.choice((None, 102 * WAD)),
            backing_wad=chance.choice((None, 100 * WAD)),
            suspects=chance.choice(((), ("kraken",))),
            sequencer_down=chance.random() < 0.1,
            closed_by=chance.choice(((), ("withdrawals",))),
        )
        memory = Memory(
            at_ms=T0 - 10_000,
            deviation_bps=0,
            deviations=((T0 - 60_000, chance.choice((0, 300))),),
            drift_low=chance.choice((0, 2_000 * 3_600_000)),
            depths=tuple((T0 - i * 600_000, 300 * WAD) for i in range(20, 0, -1)),
            unchanged=tuple(
                Unchanged(source=n, price_wad=Wad(WAD), since_ms=T0 - 3_600_000, apart_bps=0, away=True, away_ms=60_000)
                for n in NAMES[:1]
            ),
            supply_wad=100 * WAD,
        )
        status = chance.choice(tuple(Status))
        yield rule_input(found, memory, feed=chance.choice(FEEDS), status=status)


ROUNDS = tuple(histories(400))
each = pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.find.__name__)


@each
def test_a_rule_gives_no_reason_that_it_does_not_declare(rule: JudgeRule) -> None:
    given = {found.reason.code for one in ROUNDS if (found := rule.find(one)) is not None}
    assert given <= set(rule.reasons)


@each
def test_a_rule_is_pure(rule: JudgeRule) -> None:
    """The same round gives the same finding, whatever was asked in between."""
    first = [rule.find(one) for one in ROUNDS]
    assert [rule.find(one) for one in reversed(ROUNDS)] == first[::-1]


@each
def test_a_rule_names_keys_that_exist_and_says_what_it_watches_for(rule: JudgeRule) -> None:
    assert set(rule.keys) <= {f.name for table in (Bands, Rules) for f in fields(table)}
    assert rule.watches
    assert not rule.watches.endswith(".")


def test_the_rounds_above_are_wild_enough_to_let_the_rules_speak() -> None:
    speaking = {rule.find.__name__ for rule in RULES for one in ROUNDS if rule.find(one) is not None}
    assert len(speaking) >= 18, sorted({rule.find.__name__ for rule in RULES} - speaking)


def test_a_rule_is_listed_once_and_its_reasons_are_told_apart_on_the_wire() -> None:
    assert len({rule.find for rule in RULES}) == len(RULES)
    assert all(reason.klass in Why for rule in RULES for reason in rule.reasons)


@pytest.mark.parametrize("find", [findings, findings_without_price])
def test_the_worst_finding_comes_first_and_equal_ones_as_they_are_listed(find: object) -> None:
    order = {rule.find: place for place, rule in enumerate(RULES)}
    skipped = AppliesTo.UNPRICED if find is findings else AppliesTo.PRICED
    for one in ROUNDS:
        wanted = [
            (-found.status, order[rule.find], found)
            for rule in RULES
            if rule.applies_to is not skipped and (found := rule.find(one)) is not None
        ]
        assert list(find(one)) == [found for *_, found in sorted(wanted, key=lambda w: w[:2])]  # type: ignore[operator]


def test_a_threshold_of_zero_turns_a_rule_off() -> None:
    off = Rules(share_percent=0, depth_percent=0, stuck_s=0, derivation_bps=0, supply_bps=0)
    quiet = {"imbalance", "shallow", "stuck", "derivation", "unbacked", "fast_move", "slow_drift", "disagree", "stale"}
    rules = [rule for rule in RULES if rule.find.__name__ in quiet]
    assert len(rules) == len(quiet)
    for one in ROUNDS:
        round_off = replace(one, spec=replace(one.spec, rules=off))
        assert not any(rule.find(round_off) for rule in rules)
