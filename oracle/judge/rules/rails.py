"""Is for every token beyond a bridge one locked at home? What a bridge releases or mints against nothing, a rate cannot see.

A rail is one way over a bridge: a lock box on the home chain and what was minted for it on the others. Only the two sides of one
rail are compared: a lock box that is emptied leaves the supply of the home chain as it was, and the surplus of another rail pays
nobody. The excess on a way is a fact, so it is watched at once. Whether it is one about the whole token depends on its size: what
all rails lack together is held against the supply of the token, where that is read.
"""

from __future__ import annotations

from feeds.units import BPS, MS, percent_text, wad_text
from oracle.judge.evidence import AppliesTo, Finding, JudgeRule, RailEvidence, RuleInput
from oracle.model.status import Reason, Status, Why

_PLACES = 2


def unbacked_rail(rule_input: RuleInput) -> Finding | None:
    """A rail on which more exists beyond the bridge than is locked for it: watch at once, depeg once it has stood."""
    lacking = _lacking(rule_input)
    if not lacking:
        return None
    reason = Reason(code=Why.UNBACKED_RAIL, text="; ".join(_text(r) for r in lacking))
    grave = _is_of_the_token(rule_input, sum(r.missing_wad for r in lacking)) and _has_stood(rule_input, lacking)
    status = Status.DEPEG if grave else Status.WATCH
    return Finding(status=status, reason=reason, doubt=True, at_once=status)


def next_rails(rule_input: RuleInput) -> tuple[tuple[str, int], ...]:
    """Since when each rail has lacked backing. A rail that was not read is not thereby backed: it keeps its time."""
    known, lacking = dict(rule_input.memory.rails), {r.rail for r in _lacking(rule_input)}
    blind = {r.rail for r in rule_input.evidence.rails if r.locked_wad is None or r.unread}
    return tuple(
        (r.rail, known.get(r.rail, rule_input.now_ms))
        for r in rule_input.evidence.rails
        if r.rail in lacking or (r.rail in known and r.rail in blind)
    )


def _lacking(rule_input: RuleInput) -> list[RailEvidence]:
    """The rails that lack more than their limit, the worst first."""
    limit = rule_input.spec.rules.rail_bps
    if not limit:
        return []
    found = [r for r in rule_input.evidence.rails if r.missing_wad * BPS > r.supply_wad * limit]
    return sorted(found, key=lambda r: -r.missing_wad)


def _is_of_the_token(rule_input: RuleInput, missing_wad: int) -> bool:
    """Whether what is missing is more than the limit of the whole supply; where that is unknown it is taken to be."""
    supply = rule_input.evidence.supply_wad
    return not supply or missing_wad * BPS > supply * rule_input.spec.rules.supply_bps


def _has_stood(rule_input: RuleInput, lacking: list[RailEvidence]) -> bool:
    """Whether one of them has lacked backing for the rule's own dwell."""
    known, now_ms = dict(rule_input.memory.rails), rule_input.now_ms
    since = min(known.get(r.rail, now_ms) for r in lacking)
    return now_ms - since >= rule_input.spec.rules.rail_dwell_s * MS


def _text(rail: RailEvidence) -> str:
    locked = rail.locked_wad or 0
    covered = percent_text(locked * BPS // rail.supply_wad)
    least = "at least " if rail.unread else ""
    return (
        f"rail {rail.rail}: {wad_text(locked, _PLACES)} are locked for {least}{wad_text(rail.supply_wad, _PLACES)} beyond the bridge,"
        f" {covered} of them"
    )


UNBACKED_RAIL = JudgeRule(
    find=unbacked_rail,
    reasons=(Why.UNBACKED_RAIL,),
    watches="tokens beyond a bridge with nothing locked for them",
    keys=("rail_bps", "rail_dwell_s", "supply_bps"),
    note="watch at once, depeg after its own dwell",
    applies_to=AppliesTo.ALL,
)
