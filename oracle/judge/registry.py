"""Every rule, one line each, in the order in which reasons of equal weight are listed."""

from __future__ import annotations

from collections.abc import Iterable

from oracle.judge.evidence import AppliesTo, Finding, JudgeRule, RuleInput
from oracle.judge.rules import backing, cusum, fast_move, level, market, rails, rate, stuck

RULES: tuple[JudgeRule, ...] = (
    backing.UNBACKED,  # a count of tokens before any price: on chain the first reason alone is told
    rails.UNBACKED_RAIL,
    level.WITHOUT_PRICE,
    level.OF_LEG,
    level.LEVEL,
    rate.SLASH,
    rate.GROWTH,
    rate.DERIVATION,
    rate.STALE,
    rate.CLOSED,
    fast_move.FAST_MOVE,
    cusum.SLOW_DRIFT,
    market.DISAGREE,
    market.IMBALANCE,
    market.SHALLOW,
    stuck.STUCK,
    market.VENUE,
    market.SEQUENCER,
    level.NO_MARKET,
    level.SINGLE_GROUP,
)

_PRICED = tuple(r.find for r in RULES if r.applies_to is not AppliesTo.UNPRICED)
_UNPRICED = tuple(r.find for r in RULES if r.applies_to is not AppliesTo.PRICED)


def findings(rule_input: RuleInput) -> tuple[Finding, ...]:
    """What the rules find in a round with a price, the worst first."""
    return _worst_first([f for find in _PRICED if (f := find(rule_input)) is not None])


def findings_without_price(rule_input: RuleInput) -> tuple[Finding, ...]:
    """What the rules find in a round without a price, the worst first."""
    return _worst_first([f for find in _UNPRICED if (f := find(rule_input)) is not None])


def _worst_first(found: Iterable[Finding]) -> tuple[Finding, ...]:
    return tuple(sorted(found, key=lambda f: -f.status))
