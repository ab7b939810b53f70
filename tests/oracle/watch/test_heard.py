"""What passes between operators is heard: their commits, sealed rounds and cuts, and what counts for nothing but binds a key."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec
import pytest

from oracle.agree.messages import Commit
from oracle.agree.outcome import RoundOutcome
from oracle.agree.terms import Terms
from oracle.agree.wire import encode
from oracle.network.agreements import Agreements
from oracle.network.seats import LocalMember, Utterance
from oracle.sign.eip712 import sealed_digest, sign_compact
from oracle.watch.compare import Contradiction
from oracle.watch.watcher import Watcher
from oracle.watch.words import SignedWord, WordKind
from tests.oracle.network.agreement_world import ApartWorld, agreements_here, ask_of
from tests.oracle.report.reports import report
from tests.oracle.sign.sign_world import KEYS, ROUND_S, SIGNERS, scripted_operators
from tests.oracle.watch.watch_world import memory_rows

ALPHA, BETA, GAMMA = SIGNERS.signers
FEEDS = (0, 1, 2)


class Ear(Watcher):
    """A watcher that remembers what it heard."""

    def __init__(self, agreements: Agreements, own: bytes = b"") -> None:
        self.words: list[SignedWord] = []
        self.silenced: list[bytes] = []
        super().__init__(memory_rows(), lambda: 1, own=[own] if own else [], on_own=self.silenced.append)
        agreements.heard.on_said, agreements.heard.on_cut = self.hear_said, self.hear_cut

    def hear(self, word: SignedWord) -> None:
        assert word.is_sound, "what is heard was checked"
        self.words.append(word)
        super().hear(word)

    @property
    def found(self) -> list[Contradiction]:
        return [k.found for k in self.rows.evidence()]

    def of(self, kind: WordKind) -> set[bytes]:
        return {w.key for w in self.words if w.kind is kind}


@dataclass(frozen=True, slots=True, kw_only=True)
class SealsTwice(LocalMember):
    """Commits as it should, and to something else too, which it says to one member or to all."""

    to: frozenset[bytes] | None = None

    def utter(self, terms: Terms, said: Utterance) -> Sequence[tuple[Utterance, frozenset[bytes] | None]]:
        if not isinstance(said, Commit):
            return [(said, None)]
        return [(said, None), (other_commit(terms, said), self.to)]


def other_commit(terms: Terms, said: Commit, key: int = 0) -> Commit:
    """Over other items, with the same certificate, which does not allow it: it counts for nothing."""
    whole = said.certificate.content.items
    items = whole[:12] + bytes([whole[12] ^ 1]) + whole[13:]
    content = msgspec.structs.replace(said.certificate.content, items=items)
    certificate = msgspec.structs.replace(said.certificate, content=content)
    at = (terms.signers.domain, terms.signers.epoch, terms.round_time_s)
    seal = sign_compact(KEYS[key], sealed_digest(*at, certificate.step, items))
    return Commit(said.address, certificate, seal)


async def one_round(world: ApartWorld, round_s: int = ROUND_S) -> dict[bytes, RoundOutcome]:
    view = dict.fromkeys(FEEDS, replace(report(), round_time_s=round_s))
    return await world.agree(ask_of(SIGNERS, round_s, {m.operator.name: view for m in world.members.values()}))


async def settled() -> None:
    for _ in range(50):
        await asyncio.sleep(0.002)


async def test_all_that_is_said_in_a_round_is_heard_by_everybody(tmp_path: Path) -> None:
    world = ApartWorld.of(scripted_operators(tmp_path))
    ears = {a: Ear(p, own=a) for a, p in world.processes.items()}
    outcome = (await one_round(world))[ALPHA]
    await settled()
    assert all(e.of(WordKind.SEALED) == set(SIGNERS.signers) for e in ears.values())
    await world.cut(ALPHA, outcome, [1])
    await settled()
    assert ears[ALPHA].of(WordKind.BATCH) == set(SIGNERS.signers)
    assert [ears[a].of(WordKind.BATCH) for a in (BETA, GAMMA)] == [{BETA}, {GAMMA}], "what it gave itself"
    assert all(e.found == [] and e.silenced == [] for e in ears.values())


async def test_operators_of_one_process_are_watched_too(tmp_path: Path) -> None:
    operators = scripted_operators(tmp_path)
    agreements = agreements_here(operators, now_ms=lambda: ROUND_S * 1_000)
    ear = Ear(agreements)
    view = dict.fromkeys(FEEDS, replace(report(), round_time_s=ROUND_S))
    outcome = await agreements.agree(ask_of(SIGNERS, ROUND_S, {o.name: view for o in operators}))
    await agreements.cut(outcome, [0, 2])
    assert ear.of(WordKind.SEALED) == ear.of(WordKind.BATCH) == set(SIGNERS.signers)
    assert ear.found == []


@pytest.mark.parametrize("to", [None, frozenset({GAMMA})], ids=["to all", "to one"])
async def test_a_member_that_seals_two_things_is_found_by_who_hears_both(
    tmp_path: Path, to: frozenset[bytes] | None
) -> None:
    first, *others = scripted_operators(tmp_path)
    world = ApartWorld.of([SealsTwice(operator=first, to=to), *others])
    ears = {a: Ear(p) for a, p in world.processes.items() if a != ALPHA}
    await one_round(world)
    await settled()
    found = {a: [f.operator for f in e.found] for a, e in ears.items()}
    assert found == {BETA: [ALPHA] if to is None else [], GAMMA: [ALPHA]}


async def test_a_signature_for_a_round_that_is_over_binds_all_the_same(tmp_path: Path) -> None:
    """It counts for nothing, and is evidence; of a stranger, or by another key than its member's, it is nothing."""
    world = ApartWorld.of(scripted_operators(tmp_path))
    ear, commits = Ear(world.processes[BETA]), list[Commit]()
    world.processes[GAMMA].heard.on_said = lambda _s, _r, said: (
        commits.append(said) if isinstance(said, Commit) else None
    )
    terms = (await one_round(world))[ALPHA].terms
    for n in range(1, 5):
        await one_round(world, ROUND_S + 60 * n)
    said = next(c for c in commits if c.address == ALPHA)
    inbox = world.processes[BETA].inbox
    assert "over" in inbox.receive(ALPHA, encode(terms.binding, ROUND_S, other_commit(terms, said, key=1)))
    assert ear.found == []
    assert "over" in inbox.receive(GAMMA, encode(terms.binding, ROUND_S, other_commit(terms, said)))
    assert [f.operator for f in ear.found] == [ALPHA]
    before = len(ear.words)
    for _ in range(50):
        inbox.receive(ALPHA, encode(terms.binding, ROUND_S, other_commit(terms, said)))
    assert len(ear.words) - before <= 8, "a flood of them is not looked at"


async def test_a_key_that_speaks_from_elsewhere_is_silenced_by_its_own_watch(tmp_path: Path) -> None:
    world = ApartWorld.of(scripted_operators(tmp_path))
    ear = Ear(world.processes[ALPHA], own=ALPHA)
    commits: list[Commit] = []
    world.processes[GAMMA].heard.on_said = lambda _s, _r, said: (
        commits.append(said) if isinstance(said, Commit) else None
    )
    terms = (await one_round(world))[ALPHA].terms
    await settled()
    said = next(c for c in commits if c.address == ALPHA)
    world.processes[ALPHA].inbox.receive(BETA, encode(terms.binding, ROUND_S, other_commit(terms, said)))
    assert ear.silenced
    assert [k.state for k in ear.rows.evidence()] == ["own"]


async def test_a_watcher_that_fails_costs_no_round(tmp_path: Path) -> None:
    world = ApartWorld.of(scripted_operators(tmp_path))

    def broken(*_: object) -> None:
        raise RuntimeError("no disk")

    for process in world.processes.values():
        process.heard.on_said = process.heard.on_cut = broken
    outcome = (await one_round(world))[ALPHA]
    assert outcome.sealed is not None
    assert (await world.cut(ALPHA, outcome, [1])).batch is not None
