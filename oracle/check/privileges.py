"""Who can do what with a store, how soon, and at worst; and what it costs to corrupt its operators. Pure: from what was read.

docs/trust.md says why these are the roles and the costs.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from feeds.chains.abi import checksummed
from oracle.chain.store_rules import MAX_AHEAD_S
from oracle.check.corruption_cost import double_signing_cost, fewest_signers, least_bond, operators_text
from oracle.check.price_walk import walk_text
from oracle.check.store_facts import Bonding, SignerGroup, StoreFacts
from oracle.config.tables.store_sections import LOCAL_CHAINS, cautions

_NEVER_STRONG = "S is out of reach: each crash waits"
_ASKED = ("curator", "arbiter", "treasury", "slasher")


def costs(facts: StoreFacts) -> list[dict[str, Any]]:
    """What each wrong takes: weight, the fewest operators, and their bond."""
    group = facts.group
    slashed = "slashed only for a contradiction"
    delayed = _NEVER_STRONG if group.never_strong else "refusing; it lands within two waits; no bond"
    at_once = "all of them do not reach it" if group.never_strong else slashed
    return [
        _cost(group, "no news", group.total - group.threshold + 1, "refusing costs the rewards, no bond"),
        _cost(group, "a crash delayed", max(0, group.total - group.strong + 1), delayed),
        _twice(group),
        _cost(group, "a price beyond the step, after its wait", group.threshold, slashed),
        _cost(group, "any price at once", group.strong, at_once),
    ]


def _cost(group: SignerGroup, what: str, weight: int, note: str) -> dict[str, Any]:
    bond, exact = least_bond(group.voters, weight) or (None, False)
    return _row(what, weight, fewest_signers(group.voters, weight), bond, note, exact=exact)


def _twice(group: SignerGroup) -> dict[str, Any]:
    operators, bond, exact = double_signing_cost(group.voters, group.threshold)
    weight = 2 * group.threshold - group.total
    return _row("two prices for one round", weight, operators, bond, "slashed by anybody's proof", exact=exact)


def _row(what: str, weight: int, operators: int, bond: int | None, note: str, *, exact: bool) -> dict[str, Any]:
    shown = None if bond is None else str(bond)
    return {"what": what, "weight": str(weight), "operators": operators, "bond": shown, "exact": exact, "note": note}


def roles(facts: StoreFacts) -> list[dict[str, Any]]:
    """Each role of a store: who has it, its power, its delay and its worst."""
    return [
        {"role": role, "who": who, "power": power, "delay_s": delay_s, "worst": worst}
        for role, who, power, delay_s, worst in _roles(facts)
    ]


_Row = tuple[str, str, str, int, str]


def _roles(facts: StoreFacts) -> Iterator[_Row]:
    group, delay_s = facts.group, facts.rotation_delay_s
    silent = group.total - group.threshold + 1
    yield (
        "anyone", "", "push a signed batch", 0,
        f"choose among batches signed within {facts.max_push_age_s} s, never back in time, one round a transaction",
    )  # fmt: skip
    yield (
        "operators below the threshold", f"weight below {group.threshold} of {group.total}", "refuse to sign", 0,
        f"no news, once weight {silent} ({operators_text(fewest_signers(group.voters, silent))}) refuses: views grow old",
    )  # fmt: skip
    yield (
        "operators of at least the threshold", f"weight {group.threshold}", "any status at once; prices within the step", 0,
        "; ".join(walk_text(c, facts.max_push_age_s) for c in facts.classes),
    )  # fmt: skip
    yield (
        "operators of at least the step threshold",
        f"weight {group.strong}",
        "any price",
        0,
        "any price, up to 30 s ahead",
    )
    if facts.overlap_ends_s > facts.time_s:
        yield (
            "signers of the epoch before", "", "as the present signers", 0,
            f"as the present signers, until {facts.overlap_ends_s} (Unix s)",
        )  # fmt: skip
    yield (
        "guardian", _who(facts.guardian), "pause tokens", 0,
        "every token in halt until the owner resumes it" if facts.guardian else "nobody but the owner can pause",
    )  # fmt: skip
    yield (
        "owner", _who(facts.owner) + (" (a plain key)" if facts.owner_is_key else " (a contract)"),
        "replace signers; and at once: remove signers; register tokens; replace guardian and set owner; resume", delay_s,
        "its own signers, and so any price, " + (f"{delay_s} s after everybody saw it coming" if delay_s else "at once")
        + ("" if group.expires_s is None else f"; no price at all from {group.expires_s} (Unix s) on, if it sets none in time"),
    )  # fmt: skip
    if facts.set_owner is not None:
        yield (
            "set owner", _who(facts.set_owner), "replace signers; and at once: remove signers", delay_s,
            f"its own signers, and so any price, after {delay_s} s; at once only fewer signers, who still reach the threshold",
        )  # fmt: skip
    if facts.pending_owner is not None:
        yield "pending owner", _who(facts.pending_owner), "become the owner", 0, "the owner's, once it accepts"
    if facts.next_epoch is not None:
        epoch, at_s = facts.next_epoch
        yield (
            "signers to come", f"epoch {epoch}", "as the present signers", max(0, at_s - facts.time_s),
            f"as the present signers, from {at_s} (Unix s)" + ("" if facts.armed else ", if they are armed by then"),
        )  # fmt: skip
    if facts.bonding is not None:
        yield from _registry(facts.bonding)


def _registry(bonding: Bonding) -> Iterator[_Row]:
    who = {role: _who(bonding.parties.get(role)) for role in _ASKED}
    dispute_s = bonding.dispute_s
    yield "curator of the registry", who["curator"], "say which keys are in a snapshot", 0, "leave somebody out"
    yield (
        "arbiter of the registry",
        who["arbiter"],
        "give a penalty back",
        0,
        f"let a liar keep its bond, within {dispute_s} s",
    )
    yield "treasury", who["treasury"], "get what is not given back", dispute_s, "nothing"
    yield "slasher", who["slasher"], "slash what the registry says is final", dispute_s, "nothing by itself"


def document(facts: StoreFacts) -> dict[str, Any]:
    """All of it as one JSON document: weights and bonds as texts, as they may pass 2^53."""
    bonding = facts.bonding
    return {
        "target": facts.target,
        "chain": facts.chain,
        "store": checksummed(facts.store),
        "block": facts.block,
        "roles": roles(facts),
        "signers": _group(facts.group),
        "next_signers": _coming(facts),
        "classes": [
            {"class": c.number, "min_gap_s": c.min_gap_s, "step_bps": c.step_bps, "step_wait_s": c.step_wait_s,
             "feeds": list(c.feeds)}
            for c in facts.classes
        ],
        "paused": list(facts.paused),
        "registry": None if bonding is None else {
            "address": checksummed(bonding.address), "unit": bonding.unit, "decimals": bonding.decimals,
            "unbonding_s": bonding.unbonding_s, "dispute_s": bonding.dispute_s,
            **{role: _who(party) for role, party in bonding.parties.items()},
        },
        "costs": costs(facts),
        "cautions": _cautions(facts),
    }  # fmt: skip


def _group(group: SignerGroup) -> dict[str, Any]:
    return {
        "epoch": group.epoch,
        "threshold": str(group.threshold),
        "step_threshold": str(group.strong),
        "weight": str(group.total),
        "expires_s": group.expires_s,
        "members": [
            {
                "address": checksummed(m.address),
                "weight": str(m.weight),
                "bond": None if m.bond is None else str(m.bond),
            }
            for m in group.members
        ],
    }


def _coming(facts: StoreFacts) -> dict[str, Any] | None:
    if facts.next_epoch is None:
        return None
    epoch, at_s = facts.next_epoch
    known = {} if facts.next_group is None else _group(facts.next_group)
    return {"members": None, **known, "epoch": epoch, "from_s": at_s, "armed": facts.armed}


def _cautions(facts: StoreFacts) -> list[str]:
    """Signers that expire, a rotation that comes to nothing, a step threshold out of reach; and what is unsafe with real money, which nothing is on a local chain."""
    always = [*_expiring(facts), *_unarmed(facts), *_weak(facts)]
    if facts.chain_id in LOCAL_CHAINS:
        return always
    return always + cautions(
        rotation_delay_s=facts.rotation_delay_s,
        overlap_s=facts.overlap_s,
        longest_epoch_s=facts.longest_epoch_s,
        max_push_age_s=facts.max_push_age_s,
        weights=[m.weight for m in facts.group.members],
        threshold=facts.group.threshold,
        step_bps=max(c.step_bps for c in facts.classes),
        guardian=facts.guardian is not None,
        owner_is_key=facts.owner_is_key,
    )


def _unarmed(facts: StoreFacts) -> Iterator[str]:
    if facts.next_epoch is None or facts.armed:
        return
    epoch, at_s = facts.next_epoch
    need = (
        f"weight {facts.next_group.threshold} of {facts.next_group.total}"
        if facts.next_group
        else "its threshold's weight"
    )
    yield (
        f"epoch {epoch} is due at {at_s} (Unix s) and is not armed: it never takes over unless {need} signs for it more than"
        f" {MAX_AHEAD_S} s before: `lrt-oracle arm {facts.target}` shows who has signed, and carries it"
    )


def _expiring(facts: StoreFacts) -> Iterator[str]:
    """Whether the set has expired, or does so before another one could be named, armed and take over."""
    epoch, ends_s = facts.group.epoch, facts.group.expires_s
    if ends_s is None or facts.time_s + facts.rotation_delay_s < ends_s:
        return
    next_s = facts.next_epoch[1] if facts.next_epoch is not None else None
    if next_s is not None and facts.armed and next_s <= ends_s:
        return
    what = "expired" if facts.time_s >= ends_s else "expires"
    until = "until another set takes over: have the owner call setSigners now, and the signers arm it"
    if facts.next_epoch is not None:
        until = f"until epoch {facts.next_epoch[0]} takes over at {next_s}{'' if facts.armed else ', if it is armed by then'}"
    yield f"epoch {epoch} {what} at {ends_s} (Unix s): the store takes no round from then on, {until}"


def _weak(facts: StoreFacts) -> Iterator[str]:
    for group in (facts.group, facts.next_group):
        if group is not None and group.never_strong:
            yield (
                f"epoch {group.epoch}: {_NEVER_STRONG}. Its signers have weight {group.total}, a price beyond the step needs"
                f" {group.strong} to land at once; set signers and thresholds anew"
            )


def _who(address: bytes | None) -> str:
    return "nobody" if address is None else checksummed(address)
