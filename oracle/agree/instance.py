"""The agreement of one round: ``(state, message or tick) -> (state, effects)``. Pure: no I/O, no clock, no key.

Source of the rules: QBFT (H. Moniz, arXiv 2002.03613), algorithms 1 to 4, with weights for heads: a quorum is weight T. Each
rule below names its own. Where this differs, and why (docs/adr/0014): the values agreed on are computed, so a leader chooses
only whose words it has heard; deadlines are fixed from the round's start; a commit binds the key for good (the journal), so it
carries its certificate and is not made in an attempt's last part; an attempt has a second step for what members part on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from oracle.agree.content import is_prepared, lost_feeds
from oracle.agree.hearing import item_hashes, learn, note_commit, note_proposal, note_sealed, note_word
from oracle.agree.messages import (
    Advance,
    Advancing,
    Certificate,
    Commit,
    Content,
    Heard,
    Propose,
    Ready,
    SealedRound,
    values_hash,
)
from oracle.agree.proposals import Lacking, Wrong, ask_behind, judge_proposal, lacks, may_be_refused, proposal
from oracle.agree.state import (
    Ask,
    Decided,
    Effect,
    Give,
    Instance,
    MemberFault,
    OwnView,
    Say,
    SignCommit,
    Turn,
)
from oracle.agree.terms import Terms
from oracle.agree.vouch import refused_feeds
from oracle.sign.verified_values import VerifiedValues

_Rule = Callable[[Instance], Turn]
Spoken = VerifiedValues | Heard
"""What counts in an instance: verified where it came in, or said here."""
_MOST_TURNS = 64


def begin(terms: Terms, me: bytes, view: OwnView) -> Instance:
    """The state at the start of a round; the member's own values are heard like everybody's. Who has no weight only listens."""
    view = view if me in terms.members else replace(view, may_speak=False)
    return Instance(terms=terms, me=me, view=view)


def hear_values(state: Instance, values: VerifiedValues, now_ms: int) -> Turn:
    """Values came in. Of several of one member each may be in a proposal; two are kept, as evidence, and whatever was asked for."""
    state = _at(state, now_ms)
    address = values.address
    if address not in state.terms.members:
        return state, ()
    held = state.values.get(address)
    effects: tuple[Effect, ...] = ()
    if held is None:
        state = replace(state, values={**state.values, address: values})
    elif values_hash(held.signed) != (own := values_hash(values.signed)):
        kind = MemberFault.CLONE if address == state.me else MemberFault.TWO_VALUES
        state, effects = state.found(kind, address, "two values for one round", held.signed, values.signed)
        is_wanted = any(h == own for _, h in state.wanted)
        if is_wanted or all(v.address != address for v in state.twins.values()):
            state = replace(state, twins={**state.twins, own: values})
    return _on(state, effects)


def hear(state: Instance, heard: Heard, now_ms: int) -> Turn:
    """A verified message came in."""
    state = _at(state, now_ms)
    said = heard.said
    match said:
        case Propose():
            turn = note_proposal(state, said)
        case Ready():
            turn = note_word(state, said, "readies", MemberFault.TWO_READIES)
        case Advancing():
            state = learn(state, said.certificate)
            turn = note_word(state, said.advance, "advances", MemberFault.TWO_ADVANCES)
        case Commit():
            turn = note_commit(learn(state, said.certificate), said)
        case SealedRound():
            turn = note_sealed(state, said)
    return _on(*turn)


def hear_spoken(state: Instance, spoken: Spoken, now_ms: int) -> Turn:
    """A word came in, or is said here: values or a message."""
    if isinstance(spoken, VerifiedValues):
        return hear_values(state, spoken, now_ms)
    return hear(state, spoken, now_ms)


def tick(state: Instance, now_ms: int) -> Turn:
    """Time has passed."""
    return _on(_at(state, now_ms), ())


def next_tick_ms(state: Instance) -> int | None:
    """When time alone changes something next, ms from the round's start; None once nothing does."""
    if state.sealed is not None or state.over:
        return None
    timing = state.terms.timing
    moments = [timing.deadline_ms(state.attempt), timing.end_ms]
    if state.step % 2 == 0:
        moments.append(timing.half_ms(state.attempt))
    if (close_ms := _close_ms(state)) is not None:
        moments.append(close_ms)
    return min((m for m in moments if m > state.now_ms), default=timing.end_ms)


def _at(state: Instance, now_ms: int) -> Instance:
    return state if now_ms <= state.now_ms else replace(state, now_ms=now_ms)


# --- what follows --------------------------------------------------------------------------------------------------------


def _on(state: Instance, effects: tuple[Effect, ...]) -> Turn:
    """Apply the rules until none has anything to do."""
    for _ in range(_MOST_TURNS):
        before = state
        for rule in _RULES:
            state, more = rule(state)
            effects += more
        if state is before:
            return state, effects
    raise AssertionError("the rules of an instance come to an end")


def _seal(state: Instance) -> Turn:
    """QBFT algorithm 2, upon a quorum of COMMIT of one round and value: decide."""
    if state.sealed is not None:
        return state, ()
    for (step, _), commits in state.commits.items():
        if state.terms.weight(commits) < state.terms.threshold:
            continue
        certificate = next(iter(commits.values())).certificate
        sealed = SealedRound(
            epoch=state.terms.signers.epoch,
            round_time_s=state.terms.round_time_s,
            content=certificate.content,
            step=step,
            signatures=tuple((a, commits[a].seal) for a in sorted(commits)),
            readies=certificate.readies,
        )
        return replace(state, sealed=sealed), (Decided(sealed),)
    return state, ()


def _note_quorum(state: Instance) -> Turn:
    """From when the first leader waits only a little for more values."""
    if state.quorum_ms is None and state.terms.weight(state.values) >= state.terms.threshold:
        return replace(state, quorum_ms=state.now_ms), ()
    return state, ()


def _go_on(state: Instance) -> Turn:
    """QBFT algorithm 3: the timer has expired, or so many are ahead that an honest one is (f + 1 there, more than W - T here).

    A certificate of a later step shows that weight T has gone there.
    """
    if _is_done(state):
        return state, ()
    timing = state.terms.timing
    step = state.step
    while state.now_ms >= timing.deadline_ms(step // 2) and timing.deadline_ms(step // 2) < timing.end_ms:
        step = 2 * (step // 2) + 2
    step = max(step, _pulled(state))
    if step == state.step and (_parts(state) or _follows(state)):
        step = state.step + 1
    if step <= max(state.step, state.certified):
        return (state if state.certified <= state.step else replace(state, step=state.certified)), ()
    state = replace(state, step=step)
    if not state.view.may_speak:
        return state, ()
    certificate = state.certificate
    said = Advance(
        address=state.me,
        step=step,
        certified=state.certified,
        content=b"" if certificate is None else certificate.content.hash(),
    )
    return state, (Say(said, certificate),)


def _pulled(state: Instance) -> int:
    """The lowest step above the present one to which more than W - T has gone at least."""
    spare = state.terms.total - state.terms.threshold
    ahead = sorted({s for s in state.advances if s > state.step}, reverse=True)
    gone: set[bytes] = set()
    for step in ahead:
        gone |= set(state.advances[step])
        if state.terms.weight(gone) > spare:
            return step
    return state.step


def _parts(state: Instance) -> bool:
    """Whether members part on a feed, so that the attempt's first step comes to nothing.

    Known at half time, or once all are ready: before that it would pull along some whose word the reduction needs.
    """
    before = state.proposals.get(state.step)
    if state.step % 2 or before is None or state.step not in state.said or state.certified >= state.step:
        return False
    if not may_be_refused(state, before.content):
        return False
    readies = state.readies_of(state.step, before.content)
    ready = state.terms.weight([r.address for r in readies])
    late = state.now_ms >= state.terms.timing.half_ms(state.attempt)
    if ready < (state.terms.threshold if late else state.terms.total):
        return False
    return bool(lost_feeds(state.terms, before.content, readies))


def _follows(state: Instance) -> bool:
    """Whether others may have left the first step without the certificate that this member has: a liar refuses before them.

    They sign nothing of that step any more, so what is certified is proposed again in the second one. Somebody's advance
    shows it; at half time, when all go on who see a feed refused by too many, any refusal may.
    """
    held = state.certificate
    if state.step % 2 or held is None or held.step != state.step or _is_late(state):
        return False
    late = state.now_ms >= state.terms.timing.half_ms(state.attempt)
    return bool(state.advances.get(state.step + 1)) or (late and may_be_refused(state, held.content))


def _propose(state: Instance) -> Turn:
    """QBFT algorithm 1 and algorithm 3, the leader: propose, after the first step with a justification."""
    step = state.step
    if _is_done(state) or step in state.proposed or state.terms.leader(step) != state.me or not state.view.may_speak:
        return state, ()
    if step == 0 and ((close_ms := _close_ms(state)) is None or state.now_ms < close_ms):
        return state, ()
    said = proposal(state)
    if said is None:
        return state, ()
    return replace(state, proposed=state.proposed | {step}), (Say(said),)


def _close_ms(state: Instance) -> int | None:
    """When the first leader proposes: at once if all have spoken, else a while after weight T has; None before."""
    if state.quorum_ms is None or state.step != 0 or state.terms.leader(0) != state.me or 0 in state.proposed:
        return None
    if len(state.values) == len(state.terms.members):
        return state.quorum_ms
    timing = state.terms.timing
    return min(state.quorum_ms + timing.grace_ms, max(state.quorum_ms, timing.values_ms))


def _ready(state: Instance) -> Turn:
    """QBFT algorithm 2, upon a justified PRE-PREPARE of the leader: PREPARE, once a step."""
    said = state.proposals.get(state.step)
    if _is_done(state) or said is None or state.step in state.said or not state.view.may_speak:
        return state, ()
    judged = judge_proposal(state, said)
    if isinstance(judged, Lacking):
        hashes = tuple(h for h in judged.hashes if (state.step, h) not in state.wanted)
        if not hashes:
            return state, ()
        wanted = state.wanted | {(state.step, h) for h in hashes}
        return replace(state, wanted=wanted), (Ask(said.address, hashes),)
    if isinstance(judged, Wrong):
        return (
            state.found(MemberFault.WRONG_PROPOSAL, said.address, judged.text, said) if judged.is_proof else (state, ())
        )
    refused: tuple[tuple[int, int], ...] = ()
    if said.certificate is None:
        refused = refused_feeds(state.terms, state.view, state.bound, said.content, judged)
    ready = Ready(address=state.me, step=state.step, content=said.content.hash(), refused=refused)
    state, given = _hand_over(learn(state, said.certificate), said)
    state, asked = ask_behind(state, said)
    return replace(state, said=state.said | {state.step}), (Say(ready), *given, *asked)


def _hand_over(state: Instance, said: Propose) -> Turn:
    """Values that the leader lacks go to it and to the next one: in the next attempt they must be used."""
    leaders = sorted({said.address, state.terms.leader(said.step + 2)} - {state.me})
    gifts = [Give(to, v) for v in lacks(state, said) for to in leaders if (v.address, to) not in state.given]
    if not gifts or said.certificate is not None:
        return state, ()
    given = {**state.given, **{(g.values.address, g.to): state.now_ms for g in gifts}}
    return replace(state, given=given), tuple(gifts)


def _prepare(state: Instance) -> Turn:
    """QBFT algorithm 2, upon a quorum of PREPARE: a certificate, if each feed has weight T behind it.

    Readies of a step that the member has left, or has not come to yet, prove as much as those of the present one.
    """
    if _is_done(state):
        return state, ()
    for step in sorted((s for s in state.proposals if s > state.certified), reverse=True):
        content = state.proposals[step].content
        readies = state.readies_of(step, content)
        if is_prepared(state.terms, content, readies):
            return replace(state, certificate=Certificate(step, content, readies)), ()
    return state, ()


def _commit(state: Instance) -> Turn:
    """QBFT algorithm 2: COMMIT with the certificate of the present step; never in the last part of an attempt."""
    certificate = state.certificate
    if _is_done(state) or certificate is None or certificate.step != state.step or not state.view.may_speak:
        return state, ()
    key = (state.step, certificate.content.hash())
    if any(step == state.step for step, _ in state.signed) or _is_late(state):
        return state, ()
    if (bound := _bound_by(state, certificate.content)) is None:
        return state, ()
    return replace(state, signed=(*state.signed, key), bound=bound), (SignCommit(certificate),)


def _bound_by(state: Instance, content: Content) -> Mapping[int, bytes] | None:
    """What the key is bound to with this content too; None if it is bound to something else already."""
    bound = item_hashes(content)
    before = {**state.view.signed, **state.bound}
    if any(before.get(i, h) != h for i, h in bound.items()):
        return None
    return {**state.bound, **bound}


def _is_late(state: Instance) -> bool:
    timing = state.terms.timing
    return state.now_ms > timing.deadline_ms(state.attempt) - timing.guard_ms


def _is_done(state: Instance) -> bool:
    return state.sealed is not None or state.over


def _end(state: Instance) -> Turn:
    """The interval has ended: nothing is signed any more."""
    if not state.over and state.now_ms >= state.terms.timing.end_ms:
        return replace(state, over=True), ()
    return state, ()


_RULES: tuple[_Rule, ...] = (_end, _note_quorum, _seal, _prepare, _commit, _go_on, _propose, _ready)
"""In this order: what may be signed in a step is signed before the step is left."""
