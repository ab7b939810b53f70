"""What an instance keeps of the words that it hears: the first of each kind, and evidence where two do not go together. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import msgspec
from eth_hash.auto import keccak

from oracle.agree.messages import Advance, Certificate, Commit, Content, Propose, Ready, SealedRound
from oracle.agree.state import Decided, Effect, Instance, MemberFault, Turn
from oracle.agree.words import contradiction
from oracle.report.wire import split_items


def note_proposal(state: Instance, said: Propose) -> Turn:
    """The first proposal of a step counts."""
    held = state.proposals.get(said.step)
    if held is None:
        return replace(state, proposals={**state.proposals, said.step: said}), ()
    if held.content.hash() != said.content.hash():
        kind = MemberFault.CLONE if said.address == state.me else MemberFault.TWO_PROPOSALS
        return state.found(kind, said.address, f"two proposals for step {said.step}", held, said)
    return state, ()


def note_word(state: Instance, said: Ready | Advance, name: str, kind: MemberFault) -> Turn:
    """The first word of a kind of each member counts in a step. ``name``: of the field that keeps them."""
    by_step: Mapping[int, Mapping[bytes, Ready | Advance]] = getattr(state, name)
    held = by_step.get(said.step, {})
    before = held.get(said.address)
    if before is None:
        more = {**by_step, said.step: {**held, said.address: said}}
        return replace(state, **{name: more}), ()  # type: ignore[arg-type]
    if replace_signature(before) != replace_signature(said):
        clone = MemberFault.CLONE if said.address == state.me else kind
        return state.found(clone, said.address, f"two words of a kind in step {said.step}", before, said)
    return state, ()


def replace_signature(said: Ready | Advance) -> tuple[object, ...]:
    """A word without its signature: signatures of the same may differ."""
    return tuple(getattr(said, f) for f in said.__struct_fields__ if f != "signature")


def note_commit(state: Instance, said: Commit) -> Turn:
    """Commits count by step and content. One's own binds, wherever it was said."""
    key = (said.certificate.step, said.certificate.content.hash())
    held = state.commits.get(key, {})
    if said.address in held:
        return state, ()
    effects: tuple[Effect, ...] = ()
    for other in (c for of in state.commits.values() for a, c in of.items() if a == said.address):
        if (text := contradiction(other.certificate.content, said.certificate.content)) is not None:
            kind = MemberFault.CLONE if said.address == state.me else MemberFault.TWO_ITEMS
            state, effects = state.found(kind, said.address, text, other, said)
    commits = {**state.commits, key: {**held, said.address: said}}
    state = replace(state, commits=commits)
    if said.address == state.me and key not in state.signed:
        bound = {**item_hashes(said.certificate.content), **state.bound}
        state = replace(state, signed=(*state.signed, key), bound=bound)
    return state, effects


def note_sealed(state: Instance, said: SealedRound) -> Turn:
    """Somebody has weight T of signatures. A certificate that is here tells more than a round handed on without its own."""
    if state.sealed is not None:
        return state, ()
    said = _retold(said, state.certificate)
    return replace(state, sealed=said), (Decided(said),)


def _retold(said: SealedRound, held: Certificate | None) -> SealedRound:
    """A sealed round that came without its certificate, with the one that is here."""
    if held is None or said.readies or (held.step, held.content.items) != (said.step, said.content.items):
        return said
    return msgspec.structs.replace(said, content=held.content, readies=held.readies)


def learn(state: Instance, certificate: Certificate | None) -> Instance:
    """A certificate, however it came, is one: the highest is kept."""
    if state.sealed is not None and certificate is not None:
        state = replace(state, sealed=_retold(state.sealed, certificate))
    if certificate is None or certificate.step <= state.certified:
        return state
    return replace(state, certificate=certificate)


def item_hashes(content: Content) -> dict[int, bytes]:
    """Hash of each item, by feed index."""
    return {i: keccak(item) for i, item in split_items(content.items).items()}
