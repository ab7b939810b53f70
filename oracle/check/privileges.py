"""Who can do what with a store, how soon, and at worst; and what it costs to corrupt its operators. Pure: from what was read.

docs/trust.md says why these are the roles and the costs.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from feeds.chains.abi import checksummed
from oracle.chain.quorum_rpc import ChainError
from oracle.chain.store_rules import MAX_AHEAD_S
from oracle.check.corruption_cost import WeighedSigner, fewest_double_signers, fewest_signers, operators_text
from oracle.check.price_walk import walk_text
from oracle.check.stake_roles import FUNCTIONS, RoleRow, stake_roles
from oracle.check.store_facts import SignerGroup, StoreFacts
from oracle.config.tables.store_sections import LOCAL_CHAINS, cautions
from oracle.stake.discover import NotStaked
from oracle.stake.moments import units
from oracle.stake.secured.price import LieCost
from oracle.stake.secured.text import security_document

_NEVER_STRONG = "S is out of reach: each crash waits"


def costs(facts: StoreFacts) -> list[dict[str, Any]]:
    """What each wrong takes: weight, the fewest operators, and the least that can be slashed of any who have the weight.

    The latter is None where stake does not decide who signs, where that could not be read, or where nobody has the weight.
    """
    group, security = facts.group, facts.security
    taken = "nothing is slashed for it alone"
    delayed = _NEVER_STRONG if group.never_strong else "refusing; it lands within two waits; no stake"
    at_once = "all of them do not reach it" if group.never_strong else taken
    t, s, total = group.threshold, group.strong, group.total
    refuse, delay, twice = total - t + 1, max(0, total - s + 1), 2 * t - total
    lies: tuple[LieCost | None, ...] = (None,) * 5
    if security is not None and security.by_stake:
        lies = (security.silence, security.delay, security.two_contents, security.false_price, security.any_price)
    exact = security is not None and security.is_complete
    rows = (
        ("no news", refuse, fewest_signers(group.voters, refuse), "refusing costs the rewards, no stake"),
        ("a crash delayed", delay, fewest_signers(group.voters, delay), delayed),
        ("two prices for one round", twice, fewest_double_signers(group.voters, t), "slashed by anybody's proof"),
        ("a price beyond the step, after its wait", t, fewest_signers(group.voters, t), taken),
        ("any price at once", s, fewest_signers(group.voters, s), at_once),
    )
    return [
        {
            "what": what, "weight": str(weight), "operators": fewest, "note": note, "exact": exact,
            "stake": None if lie is None or lie.coalition is None else str(lie.coalition.wei),
            "lost": None if lie is None or lie.coalition is None else str(lie.lost_wei),
        }
        for (what, weight, fewest, note), lie in zip(rows, lies, strict=True)
    ]  # fmt: skip


def roles(facts: StoreFacts) -> list[dict[str, Any]]:
    """Each role of a store: who has it, its power, its delay and its worst."""
    return [
        {
            "role": role, "who": who, "power": power, "delay_s": delay_s, "worst": worst,
            "functions": list(FUNCTIONS.get(role, ())),
        }
        for role, who, power, delay_s, worst in _roles(facts)
    ]  # fmt: skip


def _roles(facts: StoreFacts) -> Iterator[RoleRow]:
    group, resumes = facts.group, "owner" if facts.security is None else "timelock"
    silent = group.total - group.threshold + 1
    t, strong, total, refusing = (_weight(facts, w) for w in (group.threshold, group.strong, group.total, silent))
    yield (
        "anyone", "", "push a signed batch", 0,
        f"choose among batches signed within {facts.max_push_age_s} s, never back in time, one round a transaction",
    )  # fmt: skip
    yield (
        "operators below the threshold", f"weight below {t} of {total}", "refuse to sign", 0,
        f"no news, once weight {refusing} ({operators_text(fewest_signers(group.voters, silent))}) refuses: views grow old",
    )  # fmt: skip
    yield (
        "operators of at least the threshold", f"weight {t}", "any status at once; prices within the step", 0,
        "; ".join(walk_text(c, facts.max_push_age_s) for c in facts.classes),
    )  # fmt: skip
    yield (
        "operators of at least the step threshold",
        f"weight {strong}",
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
        f"every token in halt until the {resumes} resumes it" if facts.guardian else f"nobody but the {resumes} can pause",
    )  # fmt: skip
    yield _owner(facts)
    if facts.set_owner is not None:
        delay_s = facts.rotation_delay_s
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
    if facts.security is not None:
        yield from stake_roles(facts.security)


def _owner(facts: StoreFacts) -> RoleRow:
    who, delay_s, stake = _who(facts.owner), facts.rotation_delay_s, facts.stake
    ends_s = facts.group.expires_s
    if facts.security is not None or (isinstance(stake, NotStaked) and stake.is_set):
        kind = "a StakedSet: stake decides"
        worst = "a set of those with the most stake, of whom rises and the fall of T together are at most half of 2T - W in an epoch"
        if facts.security is None:
            worst = f"no set ever: {stake}"
        elif facts.security.facts.strange:
            kind, worst = "answers as a StakedSet; see the cautions", "any price, where its code is another"
        return (
            "owner", f"{who} ({kind})",
            "make the next signers of stakes, when anybody asks for it; remove who is in jail or has lost its stake", delay_s, worst,
        )  # fmt: skip
    kind = "a plain key" if facts.owner_is_key else "a contract"
    if isinstance(stake, ChainError):
        kind += "; whether stake decides could not be read"
    return (
        "owner", f"{who} ({kind})",
        "replace signers; and at once: remove signers; register tokens; replace guardian and set owner; resume", delay_s,
        "its own signers, and so any price, " + (f"{delay_s} s after everybody saw it coming" if delay_s else "at once")
        + ("" if ends_s is None else f"; no price at all from {ends_s} (Unix s) on, if it sets none in time"),
    )  # fmt: skip


def document(facts: StoreFacts) -> dict[str, Any]:
    """All of it as one JSON document: weights and bonds as texts, as they may pass 2^53."""
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
        "stake": _stake(facts),
        "costs": costs(facts),
        "cautions": _cautions(facts),
    }  # fmt: skip


def _stake(facts: StoreFacts) -> dict[str, Any]:
    """What secures its prices, or why that is not known."""
    if facts.security is not None:
        return {"decides": True, "why_not": None, "security": security_document(facts.security)}
    decides = None if isinstance(facts.stake, ChainError) else False
    return {"decides": decides, "why_not": str(facts.stake), "security": None}


def _member(signer: WeighedSigner) -> dict[str, Any]:
    slashable = None if signer.slashable is None else str(signer.slashable)
    return {
        "address": checksummed(signer.address), "weight": str(signer.weight), "operator": signer.operator, "slashable": slashable,
    }  # fmt: skip


def _group(group: SignerGroup) -> dict[str, Any]:
    return {
        "epoch": group.epoch,
        "threshold": str(group.threshold),
        "step_threshold": str(group.strong),
        "weight": str(group.total),
        "expires_s": group.expires_s,
        "members": [_member(m) for m in group.members],
    }


def _coming(facts: StoreFacts) -> dict[str, Any] | None:
    if facts.next_epoch is None:
        return None
    epoch, at_s = facts.next_epoch
    known = {} if facts.next_group is None else _group(facts.next_group)
    return {"members": None, **known, "epoch": epoch, "from_s": at_s, "armed": facts.armed}


def _cautions(facts: StoreFacts) -> list[str]:
    """Signers that expire, a rotation that comes to nothing, a step threshold out of reach; and what is unsafe with real money, which nothing is on a local chain."""
    always = [*_expiring(facts), *_unarmed(facts), *_weak(facts), *_overruled(facts)]
    if facts.chain_id in LOCAL_CHAINS:
        return always
    if facts.security is not None and facts.security.facts.governance.timelock_is_key:
        always.append(
            "the set's timelock is a plain key: whoever has it pauses all and hands the store on; no contract delays it"
        )
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
        f"weight {_weight(facts, facts.next_group.threshold)} of {_weight(facts, facts.next_group.total)}"
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
                f"epoch {group.epoch}: {_NEVER_STRONG}. Its signers have weight {_weight(facts, group.total)}, a price beyond the"
                f" step needs {_weight(facts, group.strong)} to land at once; set signers and thresholds anew"
            )


def _overruled(facts: StoreFacts) -> Iterator[str]:
    """Who decides, or soon will, in the place of stake."""
    if facts.security is None:
        return
    yield from facts.security.facts.strange
    governance = facts.security.facts.governance
    if facts.set_owner is not None:
        yield f"{_who(facts.set_owner)} is set owner: it names other signers, whatever stake says"
    if governance.migrates_to is not None:
        yield (
            f"the store will be offered to {governance.migrates_to} from {governance.migrates_at_s} (Unix s) on: who does not want"
            " that leaves before"
        )
    if facts.security.facts.silent:
        yield "too much stake has left: the last freeze made no set, and the one in force signs until it expires"
    if not facts.security.is_complete:
        yield "not all that can be slashed could be read: `lrt-oracle stake status` says what"


def _weight(facts: StoreFacts, weight: int) -> str:
    """Weights of a set by stake are wei, those that an owner named are numbers."""
    return units(weight) if facts.security is not None and facts.security.by_stake else str(weight)


def _who(address: bytes | None) -> str:
    return "nobody" if address is None else checksummed(address)
