"""Who can do what with a store, how soon, and at worst; and what it costs to corrupt its operators. Pure: from what was read.

docs/trust.md says why these are the roles and the costs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from feeds.chains.abi import checksummed
from feeds.units import BPS
from oracle.chain.store_rules import MAX_AHEAD_S
from oracle.check.corruption_cost import BondedSigner, cheapest, counted, fewest, twice
from oracle.config.tables.store_sections import LOCAL_CHAINS, cautions

_HUNDRED = 100
_MOST_PERCENT = 100_000
_NEVER_STRONG = "S is out of reach: each crash waits"
_LEAST_CROSSED_S = 3
"""Of a gap: a write that opens it, one that goes to its far end, one that comes back in the next block."""
_ASKED = ("curator", "arbiter", "treasury", "slasher")


@dataclass(frozen=True, slots=True, kw_only=True)
class SignerGroup:
    """A signer set: who counts from when with which thresholds."""

    epoch: int
    threshold: int
    strong: int
    members: tuple[BondedSigner, ...]
    from_s: int = 0

    @property
    def total(self) -> int:
        """All weight."""
        return sum(m.weight for m in self.members)

    @property
    def voters(self) -> tuple[BondedSigner, ...]:
        """Members with weight: one that was removed keeps its place, and nothing else."""
        return tuple(m for m in self.members if m.weight)

    @property
    def never_strong(self) -> bool:
        """Whether all together do not reach the step threshold, as after a removal: it stays where it was."""
        return self.total < self.strong


@dataclass(frozen=True, slots=True, kw_only=True)
class MoveLimits:
    """Limits of a class, and the feeds in it."""

    number: int
    min_gap_s: int
    step_bps: int
    step_wait_s: int
    feeds: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bonding:
    """The OperatorRegistry over a store. ``parties``: by role; None for nobody. ``unit``: of the bonds, for people."""

    address: bytes
    parties: Mapping[str, bytes | None]
    unbonding_s: int
    dispute_s: int
    unit: str
    decimals: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreFacts:
    """What a store says of itself at one block.

    Attributes:
        owner_is_key: no code at the owner's address: neither a timelock nor a Safe.
        next_epoch: number and time (Unix s) of the signer set that is to come, None for none.
        next_group: who is in it, where that could be read.
        armed: that set takes over for certain: enough of its signers have shown that they are there, or the owner declared an
            emergency.
        set_owner: may replace signers after the delay and remove some at once; None for the owner alone.
        overlap_ends_s: until when the set before the present one is taken.
    """

    target: str
    chain: str
    chain_id: int
    store: bytes
    block: int
    time_s: int
    owner: bytes
    owner_is_key: bool
    pending_owner: bytes | None
    guardian: bytes | None
    max_push_age_s: int
    rotation_delay_s: int
    overlap_s: int
    overlap_ends_s: int
    group: SignerGroup
    next_epoch: tuple[int, int] | None
    next_group: SignerGroup | None
    armed: bool
    set_owner: bytes | None
    classes: tuple[MoveLimits, ...]
    paused: tuple[str, ...]
    bonding: Bonding | None


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
    bond, exact = cheapest(group.voters, weight) or (None, False)
    return _row(what, weight, fewest(group.voters, weight), bond, note, exact=exact)


def _twice(group: SignerGroup) -> dict[str, Any]:
    operators, bond, exact = twice(group.voters, group.threshold)
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
        f"no news, once weight {silent} ({counted(fewest(group.voters, silent))}) refuses: views grow old",
    )  # fmt: skip
    yield (
        "operators of at least the threshold", f"weight {group.threshold}", "any status at once; prices within the step", 0,
        "; ".join(_walk(c, facts.max_push_age_s) for c in facts.classes),
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
        "its own signers, and so any price, " + (f"{delay_s} s after everybody saw it coming" if delay_s else "at once"),
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


def _walk(limits: MoveLimits, max_push_age_s: int) -> str:
    """How far the threshold can walk a price, and how soon it is anywhere.

    Two steps a gap: one with which it opens, one inside of it; in a gap of which only its first second lies in the block's
    window there is room for the first. A gap may be open when the block begins, and the price at its far end (see
    ``reach``).
    A block takes every round from max_push_age_s before it to MAX_AHEAD_S after it: there the first steps come at once,
    and so does a price whose wait fits in. Whole percents, rounded to the nearest.
    """
    window_s = max_push_age_s + MAX_AHEAD_S
    where = f"class {limits.number}: twice {limits.step_bps} bps every {limits.min_gap_s} s of round times"
    if limits.step_wait_s <= window_s:
        return f"{where}; any price in one block, as {limits.step_wait_s} s of standing by it fit into its {window_s} s"
    steps, crosses = reach(limits.min_gap_s, max_push_age_s)
    up, down = (_percent(limits.step_bps * side, steps, crosses=crosses) for side in (1, -1))
    most = f"{up - _HUNDRED} % up" if up - _HUNDRED <= _MOST_PERCENT else f"over {_MOST_PERCENT} % up"
    across = " after a gap that was open before, from end to end" if crosses else ""
    return (
        f"{where}, of which one block takes {steps}{across} ({most} or {_HUNDRED - down} % down); "
        f"or any price after {limits.step_wait_s} s of standing by it"
    )


def reach(min_gap_s: int, max_push_age_s: int) -> tuple[int, bool]:
    """Steps that the rounds of one block hold at most, and whether the price crosses a gap before them.

    The worst of all phases: a gap that is open when the block begins and ends after its first second, the price brought to
    the far end of it by the block before. Its first write moves it by (1 + step) / (1 - step), and a step is all that
    this second would hold otherwise.
    """
    rounds, crosses = max_push_age_s + MAX_AHEAD_S + 1, min_gap_s >= _LEAST_CROSSED_S
    gaps, left = divmod(rounds - crosses, min_gap_s)
    in_gap = min(2, min_gap_s)  # a gap of one second has no second inside
    return in_gap * gaps + min(in_gap, left), crosses


def _percent(step_bps: int, steps: int, *, crosses: bool) -> int:
    """What so many steps, up or down, make of 100, to the nearest."""
    now: int = (BPS + step_bps) ** (steps + crosses)
    before: int = BPS**steps * (BPS - step_bps) ** crosses
    return (2 * _HUNDRED * now + before) // (2 * before)


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
    """A rotation that comes to nothing, a step threshold out of reach; and what is unsafe with real money, which nothing is on a local chain."""
    always = [*_unarmed(facts), *_weak(facts)]
    if facts.chain_id in LOCAL_CHAINS:
        return always
    return always + cautions(
        rotation_delay_s=facts.rotation_delay_s,
        overlap_s=facts.overlap_s,
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


def _weak(facts: StoreFacts) -> Iterator[str]:
    for group in (facts.group, facts.next_group):
        if group is not None and group.never_strong:
            yield (
                f"epoch {group.epoch}: {_NEVER_STRONG}. Its signers have weight {group.total}, a price beyond the step needs"
                f" {group.strong} to land at once; set signers and thresholds anew"
            )


def _who(address: bytes | None) -> str:
    return "nobody" if address is None else checksummed(address)
