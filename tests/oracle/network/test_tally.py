"""The last hour of each member: who took part, how late, what is missing and why; bounded, and known again after a restart."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from oracle.agree.ask import RoundAsk
from oracle.agree.messages import Commit, SealedRound
from oracle.agree.wire import decode
from oracle.network.stored_rounds import recall
from oracle.network.tally import WINDOW_S, Part, Percentiles, Step, TalliedRound, Tally
from tests.oracle.network.agreement_world import BRIEF, BRISK, ApartWorld, ask_of
from tests.oracle.report.reports import report
from tests.oracle.serve.operators_world import rounds_of, signers_of
from tests.oracle.serve.service_world import ServiceWorld
from tests.oracle.sign.sign_world import KEYS, ROUND_S, SIGNERS, ScriptedOperator, scripted_operators

A, B, C = SIGNERS.signers


@pytest.fixture
def operators(tmp_path: Path) -> Iterator[list[ScriptedOperator]]:
    made = scripted_operators(tmp_path)
    yield made
    for one in made:
        one.journal.close()


def ask(round_s: int) -> RoundAsk:
    seen = {0: replace(report(), round_time_s=round_s)}
    return ask_of(SIGNERS, round_s, {f"op{i}": seen for i in range(len(KEYS))})


@dataclass
class SlowWorld(ApartWorld):
    """The third's signatures are on their way until they are let go."""

    held: list[tuple[bytes, bytes, bytes]] = field(default_factory=list)

    def carry(self, sender: bytes, to: bytes, payload: bytes) -> None:
        if sender == C and isinstance(decode(payload).word, Commit | SealedRound):
            self.held.append((sender, to, payload))
        else:
            super().carry(sender, to, payload)

    def let_go(self) -> None:
        for one in self.held:
            self._deliver(*one)
        self.held.clear()


async def test_who_is_cut_off_is_missing_with_the_reason_and_the_others_are_not(
    operators: list[ScriptedOperator],
) -> None:
    patient = replace(BRISK, values_ms=30_000, first_ms=60_000, end_ms=120_000)
    world = ApartWorld.of(operators, timing=patient, reaches=lambda a, b: C not in {a, b})
    tally = Tally()
    for n in range(2):
        tally.note((await world.agree(ask(ROUND_S + 10 * n), C))[A])
    hour = tally.hour("home")
    assert (hour.sealed, hour.lost, hour.attempts) == (2, 0, 2)
    there, gone = hour.members[A], hour.members[C]
    assert (there.rounds, there.values, there.ready, there.signed) == (2, 2, 2, 2)
    assert there.reasons == ()
    assert there.led == there.led_sealed == 2
    assert (gone.values, gone.ready, gone.signed, gone.run) == (0, 0, 0, 2)
    assert gone.missing == {Step.VALUES: 2}
    assert [(r.text, r.count, r.round_time_s) for r in gone.reasons] == [("it is not reached", 2, ROUND_S + 10)]


async def test_what_comes_after_the_end_is_late_and_not_missing(operators: list[ScriptedOperator]) -> None:
    world = SlowWorld.of(operators, timing=BRISK)
    tally = Tally()
    world.processes[A].on_settled = tally.note
    tally.note((await world.agree(ask(ROUND_S)))[A])
    early = tally.hour("home").members[C]
    assert (early.values, early.signed, early.missing) == (1, 0, {Step.SIGNATURE: 1})
    world.let_go()
    await world.agree(ask(ROUND_S + 10))
    late = tally.hour("home").members[C]
    assert (late.values, late.signed) == (1, 1), "the next round settles the one before"
    assert late.reasons == ()
    assert late.signed_late.p50_ms is not None


async def test_a_round_that_came_to_nothing_is_lost_with_its_reason(operators: list[ScriptedOperator]) -> None:
    world = ApartWorld.of(operators, timing=BRIEF, reaches=lambda _a, _b: False)
    tally = Tally()
    tally.note((await world.agree(ask(ROUND_S), B, C))[A])
    hour = tally.hour("home")
    assert (hour.sealed, hour.lost) == (0, 1)
    assert "values of weight 1, 2 are needed" in hour.lost_why[0].text
    assert tally.totals["home"]["lost"] == 1


def test_evidence_and_lateness_are_counted() -> None:
    hour = rounds_of(signers_of(5)).hour("home")
    ours, _, guilty, *_ = hour.members.values()
    assert guilty.evidence == {"two_items": 1}
    assert ours.signed_late == Percentiles(p50_ms=614, p99_ms=630)
    assert (hour.sealed, hour.lost, ours.led) == (359, 1, 72)


def test_a_day_of_rounds_leaves_an_hour_and_no_sentence_makes_the_lists_grow() -> None:
    signers, tally = signers_of(4), Tally()
    for n in range(8_640):
        parts = dict.fromkeys(signers.signers, Part(why=f"port {n}"))
        one = TalliedRound(
            target="home", round_time_s=ROUND_S + 10 * n, signers=signers, parts=parts, sealed=False, why=f"{n}"
        )
        tally.put(one)
    hour = tally.hour("home")
    assert hour.lost == WINDOW_S // 10
    assert len(hour.lost_why) == len(hour.members[signers.signers[0]].reasons) == 5
    assert hour.lost_why[0].text == "8639", "the newest first"


def test_after_a_restart_signatures_and_lost_rounds_are_known_again(tmp_path: Path) -> None:
    """Who signed and is not in the certificate has signed all the same: the record names those who are missing."""
    world = ServiceWorld(tmp_path, started=False)
    running = Tally()
    for n in range(4):
        if n == 2:
            done = world.rounds.fold(ROUND_S + 20, {}, now_ms=(ROUND_S + 20) * 1_000)
            world.database.save_round(world.rounds.finish(done, {}).feeds, (), (), ())
            continue
        world.agreements._on_outcome = running.note
        world.operators[1].silenced = "mute" if n == 3 else ""
        world.round(ROUND_S + 10 * n)
    first = world.database.agreement(ROUND_S, "main")
    assert first is not None
    world.database.connection.execute("DELETE FROM agreements WHERE round_s = ? AND target = 'main'", (ROUND_S,))
    world.database.save_round((), [replace(first, seals=first.seals[:2])], (), ())
    anew = Tally()
    anew.names = {o.address: o.name for o in world.operators}
    recall(anew, world.database, ["main", "side"], ROUND_S + 40, "main")
    before, after = running.hour("main"), anew.hour("main")
    assert (after.sealed, after.lost) == (before.sealed, 1) == (3, 1)
    assert {a: m.signed for a, m in after.members.items()} == {a: m.signed for a, m in before.members.items()}
    silenced = after.members[world.operators[1].address]
    assert [r.text for r in silenced.reasons] == ["mute"]
    assert silenced.run == 0, "of what was not watched nobody is warned"
