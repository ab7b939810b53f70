"""What secures this price, for people in ten lines that can be recomputed, and as a JSON document; wei are texts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from oracle.stake.discover import SourceKind
from oracle.stake.moments import moment, percent, units
from oracle.stake.reads import ZERO
from oracle.stake.secured.document import facts_document
from oracle.stake.secured.price import LieCost, PriceSecurity

_WHOLE = 10**18
_NAMES = {
    SourceKind.DELEGATED: "delegated",
    SourceKind.SYMBIOTIC: "in Symbiotic's vaults",
    SourceKind.EIGENLAYER: "in EigenLayer",
    SourceKind.UNKNOWN: "in a source of unknown kind",
}


def security_lines(security: PriceSecurity) -> list[str]:
    """Ten lines for a lender, with the block, the calls that give the figures, and what is not known."""
    return [
        _head(security),
        _who(security),
        _slashable(security),
        "two contents of one round, which anybody proves: " + _lie(security, security.two_contents, "2T - W")
        + _lost(security.two_contents),
        "one false content and no other, which contradicts nothing: " + _lie(security, security.false_price, "T")
        + "; 0 ETH is taken for it, all of that if they sign another content of the round too",
        "any price at once, without its wait: " + _lie(security, security.any_price, "the step threshold") + "; 0 ETH is taken for it",
        "no news: " + _lie(security, security.silence, "W - T + 1") + _silence(security),
        _penalty(security),
        _shared(security),
        _governance(security) + "; " + _doubts(security),
    ]  # fmt: skip


def _head(security: PriceSecurity) -> str:
    facts = security.facts
    return (
        f"what secures this price: store {facts.system.store} on chain {facts.system.chain_id}, block {facts.block},"
        f" {moment(facts.time_s)}, epoch {facts.epoch}: T {_weight(security, facts.threshold)} of W {_weight(security, facts.total)},"
        f" step threshold {_weight(security, facts.step_threshold)} (signerSet, thresholds)"
    )


def doubt_lines(security: PriceSecurity) -> list[str]:
    """Each doubt on a line of its own."""
    return [f"  doubt: {d}" for d in security.doubts]


def _weight(security: PriceSecurity, weight: int) -> str:
    """Weights of a set by stake are wei; those that an owner named are numbers."""
    return units(weight) if security.facts.frozen is not None else str(weight)


def _who(security: PriceSecurity) -> str:
    facts = security.facts
    if facts.frozen is None or facts.capture_s is None:
        return f"who signs: named when the store was deployed, not by stake; {facts.system.set} takes over with its first armed set"
    gone = sum(not m.weight for m in facts.members)
    waits = "" if facts.next_epoch is None else (
        f"; epoch {facts.next_epoch[0]} begins {moment(facts.next_epoch[1])}{'' if facts.next_epoch[2] else ', if it is armed by then'}"
    )  # fmt: skip
    jailed = f"; in jail: {', '.join(facts.jailed)}" if facts.jailed else ""
    names = facts.governance.set_owner or "nobody"
    return (
        f"who signs: {len(facts.members) - gone} operators frozen by stake of {moment(facts.capture_s)}"
        f"{f', {gone} removed since' if gone else ''}, of {facts.candidates} candidates; anybody rotates, due"
        f" {moment(facts.rotate_due_s)}; {names} names signers ({facts.system.set}: membersOf){waits}{jailed}"
    )


def _slashable(security: PriceSecurity) -> str:
    at_least = "" if security.is_complete else "at least "
    return (
        f"can be slashed: {at_least}{units(security.slashable_wei)} ETH: {_by_source(security, security.by_source, addresses=True)}"
        f" (each source's slashableOf(operator, captureOf({security.facts.epoch}, operator)); not weights, which are capped)"
    )


def _by_source(security: PriceSecurity, wei: Mapping[str, int], *, addresses: bool = False) -> str:
    sources = security.facts.sources
    return ", ".join(f"{units(wei.get(s.at, 0))} {_NAMES[s.kind]}{f' ({s.at})' if addresses else ''}" for s in sources)


def _lie(security: PriceSecurity, cost: LieCost, name: str) -> str:
    head = f"weight {_weight(security, cost.needed)} ({name})"
    if cost.coalition is None:
        return f"{head}, which no frozen operators have together"
    at_least = "" if security.is_complete else "at least "
    return (
        f"{head}, {cost.fewest} operator{'' if cost.fewest == 1 else 's'} or more; those with least at stake have"
        f" {at_least}{units(cost.coalition.wei)} ETH ({cost.coalition.wei} wei: {_by_source(security, cost.by_source)};"
        f" {', '.join(cost.coalition.operators) or 'nobody'})"
    )


def _lost(cost: LieCost) -> str:
    return "" if cost.coalition is None else f", and lose {units(cost.lost_wei)} ETH of it"


def _silence(security: PriceSecurity) -> str:
    rewards = [
        f"{units(n)} ether" if a == ZERO else f"{n} of {a} (smallest unit)" for a, n in security.forgone.items() if n
    ]
    lost = f"at least {', '.join(rewards)} of the epoch's rewards" if rewards else "no rewards: the epoch has none"
    return f"; 0 ETH is taken for it, {lost}; a report of absence jails {security.facts.rewards.absence_jail_s} s"


def _penalty(security: PriceSecurity) -> str:
    terms, facts = security.facts.penalties, security.facts
    until = "" if facts.provable_until_s is None else f", provable until {moment(facts.provable_until_s)}"
    arbiter = f"{terms.arbiter} can give it back meanwhile" if terms.arbiter else "nobody can give it back"
    open_cases = sum(m.open_cases for m in facts.members)
    return (
        f"a lie of less weight takes {percent(terms.min_fraction, _WHOLE)} or more{until}; a dispute lasts {terms.dispute_s} s,"
        f" {arbiter}; finder {percent(terms.finder_bps, 10_000)}; penalties open: {open_cases} ({facts.system.penalties})"
    )


def _shared(security: PriceSecurity) -> str:
    shared, whole = security.shared, security.slashable_wei
    rows = [f"others can slash {percent(shared.others_can_slash, whole)} of it too"]
    rows.append(
        "by collateral " + (", ".join(f"{percent(n, whole)} {c}" for c, n in shared.by_collateral.items()) or "none")
    )
    curated = [f"{percent(n, whole)} {c}" for c, n in shared.by_curator.items()]
    if shared.curator_unknown:
        curated.append(f"{percent(shared.curator_unknown, whole)} unknown")
    rows.append("by curator " + (", ".join(curated) or "none"))
    rows.append(f"in vaults of several operators {percent(sum(shared.by_vault.values()), whole)}")
    rows.append(f"of operators at two sources {percent(sum(shared.twice.values()), whole)}")
    return "shared: " + "; ".join(rows)


def _governance(security: PriceSecurity) -> str:
    governance, terms = security.facts.governance, security.facts.terms
    key = "a plain key" if governance.timelock_is_key else "a contract"
    coming = ""
    if governance.migrates_to is not None:
        coming = f"; ANNOUNCED: to {governance.migrates_to} from {moment(governance.migrates_at_s or 0)}"
    elif governance.has_migrated:
        coming = "; it has been handed on once: whoever accepted decides"
    return (
        f"above the operators: timelock {governance.timelock} ({key}) registers, pauses, resumes, and hands the store on"
        f" {terms.migrate_delay_s} s after it said so, when stake answers for {terms.answer_s} s{coming}; guardian"
        f" {governance.guardian or 'nobody'} pauses"
    )


def _doubts(security: PriceSecurity) -> str:
    unknown = "" if security.is_complete else "NOT ALL IS KNOWN; "
    strange = "NOT THE CONTRACTS THAT IT SEEMS; " if security.facts.strange else ""
    return f"{strange}{unknown}{len(security.doubts)} things may be wrong with this, listed below"


def security_document(security: PriceSecurity) -> dict[str, Any]:
    """The same as JSON."""
    facts, shared = security.facts, security.shared
    return {
        "block": facts.block,
        "at_s": facts.time_s,
        "capture_s": facts.capture_s,
        "by_stake": security.by_stake,
        "complete": security.is_complete,
        "slashable": str(security.slashable_wei),
        "by_source": _texts(security.by_source),
        "operators": {
            m.operator: {
                "weight": str(m.weight),
                "capture_s": m.capture_s,
                "slashable": str(security.slashable.get(m.operator, 0)),
                "sources": {s: None if w is None else str(w) for s, w in m.slashable_wei.items()},
            }
            for m in facts.members
        },
        "alone_fraction": str(facts.penalties.min_fraction),
        "two_contents": _lie_document(security.two_contents) if security.by_stake else None,
        "one_false_content": {**_lie_document(security.false_price), "slashed": "0"},
        "any_price": _lie_document(security.any_price),
        "delay": _lie_document(security.delay),
        "silence": {**_lie_document(security.silence), "forgone": _texts(security.forgone)},
        "shared": {
            "others_can_slash": str(shared.others_can_slash),
            "by_collateral": _texts(shared.by_collateral),
            "by_curator": _texts(shared.by_curator),
            "curator_unknown": str(shared.curator_unknown),
            "by_vault": _texts(shared.by_vault),
            "at_two_sources": _texts(shared.twice),
        },
        "governance": {
            "timelock": facts.governance.timelock,
            "timelock_is_key": facts.governance.timelock_is_key,
            "guardian": facts.governance.guardian,
            "set_owner": facts.governance.set_owner,
            "migrate_delay_s": facts.terms.migrate_delay_s,
            "answer_s": facts.terms.answer_s,
            "migrates_to": facts.governance.migrates_to,
            "migrates_at_s": facts.governance.migrates_at_s,
            "has_migrated": facts.governance.has_migrated,
        },
        "facts": facts_document(facts),
        "strange": list(facts.strange),
        "doubts": list(security.doubts),
    }


def _texts(wei: Mapping[str, int]) -> dict[str, str]:
    return {name: str(n) for name, n in wei.items()}


def _lie_document(cost: LieCost) -> dict[str, Any]:
    coalition = cost.coalition
    return {
        "weight": str(cost.needed),
        "operators": [] if coalition is None else list(coalition.operators),
        "fewest": cost.fewest,
        "cost": None if coalition is None else str(coalition.wei),
        "lost": str(cost.lost_wei),
        "by_source": _texts(cost.by_source),
    }
