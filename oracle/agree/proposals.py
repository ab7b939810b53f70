"""A leader's proposal, and a member's judgement of one: what must be proposed follows from what was said before. Pure.

Source: QBFT (arXiv 2002.03613), algorithm 4, JustifyRoundChange and JustifyPrePrepare: after weight T has advanced to a step,
the content of the highest certificate among them is proposed again, or one that is certified higher; anything only where none
of them has one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from oracle.agree.content import content_of, lost_feeds
from oracle.agree.messages import NO_CERTIFICATE, Advance, Content, Propose
from oracle.agree.state import Ask, Instance, Turn
from oracle.agree.terms import Terms
from oracle.sign.verified_values import VerifiedValues


@dataclass(frozen=True, slots=True)
class Lacking:
    """Values that are needed to recompute a proposal, by hash: ask its leader."""

    hashes: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Wrong:
    """Why a proposal counts for nothing. ``is_proof``: whether the proposal by itself shows it, to everybody."""

    text: str
    is_proof: bool = False


def proposal(state: Instance) -> Propose | None:
    """What the leader of the present step proposes; None while it cannot."""
    terms, step = state.terms, state.step
    if step == 0:
        content = content_of(terms, state.values.values())
        return None if content is None else Propose(address=state.me, step=0, content=content)
    advances = _quorum(terms, state.advances.get(step, {}))
    if advances is None:
        return None
    highest = max(a.certified for a in advances)
    if state.certified < highest:
        return None  # it comes with the advance that names it
    if state.certificate is not None:
        return Propose(state.me, step, state.certificate.content, advances, state.certificate)
    if step % 2 == 0:
        content = content_of(terms, state.values.values())
        return None if content is None else Propose(state.me, step, content, advances)
    return _reduced(state, advances)


def _reduced(state: Instance, advances: tuple[Advance, ...]) -> Propose | None:
    """The values of the step before, without the feeds for which too few vouch."""
    before = state.proposals.get(state.step - 1)
    if before is None:
        return None
    readies = state.readies_of(state.step - 1, before.content)
    if state.terms.weight([r.address for r in readies]) < state.terms.threshold:
        return None
    known = state.values_by_hash()
    values = [known[h] for _, h in before.content.values if h in known]
    lost = lost_feeds(state.terms, before.content, readies)
    if len(values) < len(before.content.values) or not lost:
        return None
    content = content_of(state.terms, values, (*before.content.dropped, *lost))
    return None if content is None else Propose(state.me, state.step, content, advances, None, readies)


def _quorum(terms: Terms, advances: Mapping[bytes, Advance]) -> tuple[Advance, ...] | None:
    """All advances to a step, ascending by member, if they weigh T."""
    if terms.weight(advances) < terms.threshold:
        return None
    return tuple(advances[a] for a in sorted(advances))


def judge_proposal(state: Instance, said: Propose) -> tuple[VerifiedValues, ...] | Lacking | Wrong:
    """Recompute a proposal whose signatures are verified: the values that it was made from, in order, if it is right.

    What is certified was recomputed by weight T: it is taken without its values, which a leader may lack as well.
    """
    wrong = _unjustified(state.terms, said)
    if wrong is not None:
        return wrong
    if said.certificate is not None:
        return ()
    known = state.values_by_hash()
    lacking = tuple(h for _, h in said.content.values if h not in known)
    if lacking:
        return Lacking(lacking)
    values = tuple(known[h] for _, h in said.content.values)
    if tuple(v.address for v in values) != tuple(a for a, _ in said.content.values):
        return Wrong("it lists values under another member's name", is_proof=True)
    made = content_of(state.terms, values, said.content.dropped)
    if made != said.content:
        return Wrong("it is not what its values give", is_proof=True)
    if said.step % 2 == 1:
        return _check_reduction(state.terms, said, values)
    if said.content.dropped:
        return Wrong("it leaves feeds out without showing who refuses them", is_proof=True)
    return _check_complete(state, said, values)


def _unjustified(terms: Terms, said: Propose) -> Wrong | None:
    """What speaks against a proposal by itself."""
    addresses = [a for a, _ in said.content.values]
    if addresses != sorted(set(addresses)) or terms.weight(addresses) < terms.threshold:
        return Wrong("its values do not weigh the threshold", is_proof=True)
    if said.step == 0:
        return None
    if (
        any(a.step != said.step for a in said.advances)
        or terms.weight([a.address for a in said.advances]) < terms.threshold
    ):
        return Wrong("too few members have advanced to its step", is_proof=True)
    highest = max(a.certified for a in said.advances)
    shown = NO_CERTIFICATE if said.certificate is None else said.certificate.step
    if shown < highest:
        return Wrong("it does not show the highest certificate of those who advanced", is_proof=True)
    if said.certificate is not None and said.certificate.content != said.content:
        return Wrong("it proposes something else than what is certified", is_proof=True)
    return None


def _check_reduction(
    terms: Terms, said: Propose, values: tuple[VerifiedValues, ...]
) -> tuple[VerifiedValues, ...] | Wrong:
    """The second step of an attempt: what is dropped follows from the readies of the first."""
    hashes = {r.content for r in said.readies}
    if len(hashes) != 1 or any(r.step != said.step - 1 for r in said.readies):
        return Wrong("its readies are not of one proposal of the step before", is_proof=True)
    if terms.weight([r.address for r in said.readies]) < terms.threshold:
        return Wrong("its readies do not weigh the threshold", is_proof=True)
    before = content_of(terms, values)  # nothing is dropped in the first step
    if before is None or before.hash() not in hashes:
        return Wrong("its readies are of another proposal", is_proof=True)
    lost = lost_feeds(terms, before, said.readies)
    if lost != said.content.dropped or not lost:
        return Wrong("it leaves out other feeds than too few vouch for", is_proof=True)
    return values


def _check_complete(
    state: Instance, said: Propose, values: tuple[VerifiedValues, ...]
) -> tuple[VerifiedValues, ...] | Wrong:
    """From the second attempt on: what a member handed over to this leader in good time, in the attempt before, must be in it.

    What was handed over earlier binds nobody: it may have been lost with a connection, and nobody would ever be heard again.
    """
    timing, attempt = state.terms.timing, said.step // 2
    if attempt == 0:
        return values
    first_ms = timing.deadline_ms(attempt - 2) if attempt > 1 else 0
    last_ms = timing.deadline_ms(attempt - 1) - timing.guard_ms
    in_time = {a for (a, to), at_ms in state.given.items() if to == said.address and first_ms <= at_ms <= last_ms}
    missing = in_time - {v.address for v in values}
    if missing:
        return Wrong(f"it leaves out the values of {len(missing)} members that were handed over in the attempt before")
    return values


def lacks(state: Instance, said: Propose) -> tuple[VerifiedValues, ...]:
    """Values that this member has and the proposal does not."""
    used = {a for a, _ in said.content.values}
    return tuple(v for a, v in sorted(state.values.items()) if a not in used)


def is_parted(state: Instance) -> bool:
    """Whether members that all are here part on every feed: another leader would propose the same, and hear the same."""
    before = state.proposals.get(state.step - 1)
    if state.step % 2 == 0 or state.step in state.proposals or state.certificate is not None or before is None:
        return False
    return len(before.content.values) == len(state.values)


def may_be_refused(state: Instance, content: Content) -> bool:
    """Whether a member may refuse a feed of what is proposed in the present step. What is certified is refused by liars only."""
    said = state.proposals.get(state.step)
    if said is not None and said.certificate is not None:
        return False
    return any(r.refused for r in state.readies_of(state.step, content))


def ask_behind(state: Instance, said: Propose) -> Turn:
    """Values behind a certificate that are not here: for the record alone, of one who vouched for it and so has them."""
    if said.certificate is None:
        return state, ()
    known = state.values_by_hash()
    hashes = tuple(h for _, h in said.content.values if h not in known and (state.step, h) not in state.wanted)
    have = [r.address for r in said.certificate.readies if r.address != state.me]
    if not hashes or not have:
        return state, ()
    return replace(state, wanted=state.wanted | {(state.step, h) for h in hashes}), (Ask(have[0], hashes),)
