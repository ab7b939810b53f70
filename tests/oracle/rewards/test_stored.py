"""Who signed in time, as it is stored: signatures that come before the next round begins count, whatever the certificate has."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import pytest

from oracle.agree.ask import RoundAsk
from oracle.agree.messages import Commit, SealedRound
from oracle.agree.wire import decode
from oracle.rewards.frozen import FrozenEpoch
from oracle.rewards.stored import said_attendance, save_attended, stored_attendance
from oracle.storage.database import Database
from tests.oracle.network.agreement_world import BRIEF, BRISK, ApartWorld, ask_of
from tests.oracle.report.reports import report
from tests.oracle.sign.sign_world import KEYS, ROUND_S, SIGNERS, ScriptedOperator, scripted_operators

A, B, C = SIGNERS.signers
FROZEN = FrozenEpoch(
    domain=SIGNERS.domain,
    epoch=SIGNERS.epoch,
    keys=SIGNERS.signers,
    operators=(b"\1" * 20, b"\2" * 20, b"\3" * 20),
    weights=SIGNERS.weights,
    threshold=SIGNERS.threshold,
    capture_s=ROUND_S - 100,
)


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
class LateWorld(ApartWorld):
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


async def test_a_signature_before_the_next_round_is_in_time(operators: list[ScriptedOperator]) -> None:
    """The first node hears the third's; the second hears it a round too late: each stores what it heard."""
    world = LateWorld.of(operators, timing=BRISK)
    with closing(Database(":memory:")) as first, closing(Database(":memory:")) as second:
        world.processes[A].on_settled = partial(save_attended, first)
        world.processes[B].on_settled = partial(save_attended, second)
        await world.agree(ask(ROUND_S))
        assert first.attended("home", 1) == [], "it has its time until the next one begins"
        world.held = [x for x in world.held if x[1] == A]
        world.let_go()
        await world.agree(ask(ROUND_S + 10))
        assert first.attended("home", 1) == [(ROUND_S, frozenset({0, 1, 2}))]
        assert second.attended("home", 1) == [(ROUND_S, frozenset({0, 1}))]
        assert stored_attendance(first, "home", FROZEN).counts == (1, 1, 1)
        assert stored_attendance(second, "home", FROZEN).counts == (1, 1, 0), "no two nodes store the same"


async def test_a_round_that_came_to_nothing_counts_for_nobody(operators: list[ScriptedOperator]) -> None:
    world = ApartWorld.of(operators, timing=BRIEF, reaches=lambda _a, _b: False)
    with closing(Database(":memory:")) as database:
        save_attended(database, (await world.agree(ask(ROUND_S), B, C))[A])
        assert stored_attendance(database, "home", FROZEN).rounds == 0


def test_what_is_stored_of_a_round_only_grows_and_old_epochs_go(tmp_path: Path) -> None:
    with closing(Database(tmp_path / "a.db")) as database:
        for places in ((0, 254), (1,), (), (0,)):
            database.save_attended("home", 1, ROUND_S, places)
        database.save_attended("away", 1, ROUND_S, (7,))
    with closing(Database(tmp_path / "a.db")) as database:
        assert database.attended("home", 1) == [(ROUND_S, frozenset({0, 1, 254}))]
        for epoch in (2, 17):
            database.save_attended("home", epoch, ROUND_S + epoch, (0,))
            assert len(database.attended("home", 1)) == 1
        database.save_attended("home", 18, ROUND_S + 18, (0,))
        assert [len(database.attended("home", e)) for e in (1, 2, 17, 18)] == [0, 1, 1, 1]
        assert len(database.attended("away", 1)) == 1


def test_what_is_said_is_written_down_before_a_journal_has_it(tmp_path: Path) -> None:
    """A round that is learned of between the two, by a process that starts anew, is no other word: the journal would refuse it for good."""
    path = tmp_path / "o.db"
    with closing(Database(path)) as database:
        database.save_attended("home", FROZEN.epoch, ROUND_S, {0, 1})
        first = said_attendance(database, "home", FROZEN)
        database.save_attended("home", FROZEN.epoch, ROUND_S + 1, {0, 1, 2})
    with closing(Database(path)) as database:
        assert stored_attendance(database, "home", FROZEN).rounds == 2
        assert said_attendance(database, "home", FROZEN) == first
        assert first.counts == (1, 1, 0)
