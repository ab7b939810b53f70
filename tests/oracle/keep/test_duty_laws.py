"""Which duty is due, by facts alone; whose turn it is; what is left to spend."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from oracle.chain.transaction import Fees, Unsigned
from oracle.keep.keeper_turns import KeeperTurns
from oracle.keep.spending import GasOfDay, Pauses
from oracle.model.duty_kind import DutyKind
from oracle.model.publication import PushRow, PushState
from oracle.stake.due.at_the_penalties import WHOLE, CaseFacts, CaseOutcome, SeizedStep, case_duties, is_over
from oracle.stake.due.at_the_set import FreezeFacts, MemberFacts, RateFacts, freeze_duty, refresh_duties, removal_duties
from oracle.stake.due.duties import DutiesDue, SystemAt
from tests.oracle.keep.keeper_world import Hub

ONE, TWO = "0x" + "01" * 20, "0x" + "02" * 20
NOW_S = 1_000_000
AT = SystemAt(set=ONE, penalties=TWO, now_s=NOW_S)
FREEZE = FreezeFacts(epoch=3, due_s=NOW_S, members=5, least_members=3, would_work=True)
DISPUTED, TAKEN, RETURNED = CaseOutcome.DISPUTED, CaseOutcome.TAKEN, CaseOutcome.RETURNED
CASE = CaseFacts(
    case_id=b"\x07" * 32, operator=ONE, dispute_until_s=NOW_S + 10, provable_until_s=NOW_S + 100, fraction=WHOLE // 20,
    due=WHOLE // 20, settled=0, outcome=DISPUTED, steps=(SeizedStep(seized=1, settled=0, outcome=DISPUTED),), sources=1,
)  # fmt: skip
STAGE_S = 60


def test_a_freeze_is_due_at_its_time_and_never_where_it_would_fail() -> None:
    assert freeze_duty(AT, replace(FREEZE, due_s=NOW_S + 1)) is None
    due = freeze_duty(AT, FREEZE)
    assert due is not None
    assert (due.kind, due.hindered, due.since_s) == (DutyKind.ROTATE, "", NOW_S)
    for facts in (
        replace(FREEZE, members=2),
        replace(FREEZE, members=None),
        replace(FREEZE, would_work=False),
        replace(FREEZE, members=2, would_work=False, batch=(ONE,), windows=TWO),
    ):
        hindered = freeze_duty(AT, facts)
        assert hindered is not None
        assert hindered.kind is DutyKind.ROTATE
        assert hindered.hindered
    observed = freeze_duty(AT, replace(FREEZE, would_work=False, batch=(ONE, TWO), windows=TWO))
    assert observed is not None
    assert (observed.kind, observed.hindered, observed.step.to) == (DutyKind.OBSERVE, "", TWO)
    assert freeze_duty(AT, replace(FREEZE, batch=(ONE,), windows=TWO)) == due, "it fits"
    both = freeze_duty(AT, replace(FREEZE, again=(ONE, TWO)))
    assert both is not None
    assert (both.kind, both.subject, both.step.name) == (DutyKind.ROTATE, due.subject, "observeAndRotate")
    first = freeze_duty(AT, replace(FREEZE, due_s=0))
    assert first is not None
    assert (due.text, first.text) == (
        "rotate after epoch 3, due since 1970-01-12 13:46:40 UTC",
        "rotate after epoch 3, due now",
    )


@pytest.mark.parametrize(
    ("jailed_at_s", "poor_since_s", "removable", "is_due"),
    [
        (0, None, True, False), (NOW_S - 5, None, True, True), (NOW_S - 5, None, False, False),
        (NOW_S - 5_000, None, True, False),  # jailed before the sets were frozen: they have it rightly
        (0, NOW_S - 599, True, False), (0, NOW_S - 600, True, True), (0, NOW_S - 600, False, False),
    ],
)  # fmt: skip
def test_who_is_cut(jailed_at_s: int, poor_since_s: int | None, removable: bool, is_due: bool) -> None:
    facts = MemberFacts(
        operator=ONE, epoch=3, jailed_at_s=jailed_at_s, captured_s=NOW_S - 1_000, poor_since_s=poor_since_s, removable=removable
    )  # fmt: skip
    assert bool(list(removal_duties(AT, [facts], 600))) is is_due


@pytest.mark.parametrize(
    ("ago_s", "removable", "is_due"), [(0, True, True), (60, False, False), (2_699, True, True), (2_700, True, False)]
)
def test_a_moment_that_the_set_noted_is_forgotten_while_a_second_look_cuts_nobody(
    ago_s: int, removable: bool, is_due: bool
) -> None:
    """Later a call that was meant to have it forget could cut the operator, if somebody has its stake dip around it."""
    facts = MemberFacts(
        operator=ONE, epoch=3, jailed_at_s=0, captured_s=NOW_S - 9_000, poor_since_s=None, removable=removable,
        emptied_s=NOW_S - ago_s,
    )  # fmt: skip
    assert bool(list(removal_duties(AT, [facts], 600))) is is_due


@pytest.mark.parametrize(
    ("changes", "kinds"),
    [
        ({}, []),
        ({"due": WHOLE}, ["top-up"]),
        ({"due": WHOLE, "provable_until_s": NOW_S - 1}, []),
        ({"due": WHOLE, "dispute_until_s": NOW_S}, ["carry-out"]),
        ({"dispute_until_s": NOW_S}, ["carry-out"]),
        ({"outcome": TAKEN, "settled": 1, "steps": (SeizedStep(seized=1, settled=1, outcome=TAKEN),)}, []),
        ({"outcome": TAKEN, "settled": 1, "steps": (SeizedStep(seized=1, settled=1, outcome=TAKEN),), "due": WHOLE}, ["top-up"]),
        ({"outcome": TAKEN, "settled": 0, "due": WHOLE}, ["carry-out"]),
        ({"outcome": RETURNED, "settled": 0}, ["carry-out"]),
        ({"steps": (SeizedStep(seized=0, settled=0, outcome=DISPUTED),), "retries": frozenset({(0, 0)})}, ["retry"]),
        ({"steps": (SeizedStep(seized=0, settled=0, outcome=DISPUTED),)}, []),
        ({"outcome": TAKEN, "settled": 1, "steps": (SeizedStep(seized=1, settled=0, outcome=TAKEN),), "retries": frozenset({(0, 0)})},
         ["retry"]),
        ({"outcome": RETURNED, "settled": 1, "steps": (SeizedStep(seized=0, settled=0, outcome=RETURNED),),
          "retries": frozenset({(0, 0)})}, []),
    ],
)  # fmt: skip
def test_what_is_due_for_a_case(changes: dict[str, object], kinds: list[str]) -> None:
    case = replace(CASE, **changes)  # type: ignore[arg-type]
    assert [d.kind.value for d in case_duties(AT, case)] == kinds
    if kinds:
        assert not is_over(case, NOW_S), "nothing is forgotten of which something is due"


def test_a_case_is_forgotten_when_nothing_can_be_due_any_more() -> None:
    done = replace(CASE, outcome=TAKEN, settled=1, steps=(SeizedStep(seized=1, settled=1, outcome=TAKEN),))
    assert not is_over(done, CASE.provable_until_s)
    assert is_over(done, CASE.provable_until_s + 1)
    owed = replace(done, steps=(SeizedStep(seized=1, settled=0, outcome=TAKEN),))
    assert not is_over(owed, CASE.provable_until_s + 10**9)


@pytest.mark.parametrize(
    ("live", "age_s", "is_due"),
    [(100, 86_399, False), (100, 86_400, True), (101, 86_400, True), (99, 86_400, False), (99, 42 * 3_600, True), (None, 10**6, False)],
)  # fmt: skip
def test_when_a_rate_is_recorded(live: int | None, age_s: int, is_due: bool) -> None:
    facts = RateFacts(values=ONE, token=TWO, recorded_s=NOW_S - age_s, recorded=100, live=live)
    assert bool(list(refresh_duties(AT, [facts], 86_400))) is is_due


@pytest.mark.parametrize(
    ("live", "age_s", "fallen_s", "is_due"),
    [(99, 5, 0, True), (99, 5_000, NOW_S - 3_599, False), (99, 5_000, NOW_S - 3_600, True), (100, 5_000, NOW_S - 3_600, True),
     (100, 86_399, 0, False), (100, 86_400, 0, True)],
)  # fmt: skip
def test_a_fall_is_noted_at_once_and_recorded_when_it_is_seen_again(
    live: int, age_s: int, fallen_s: int, is_due: bool
) -> None:
    facts = RateFacts(
        values=ONE, token=TWO, recorded_s=NOW_S - age_s, recorded=100, live=live, fallen_s=fallen_s, confirm_s=3_600
    )  # fmt: skip
    assert bool(list(refresh_duties(AT, [facts], 86_400))) is is_due


def test_what_could_not_be_done_before_is_due_from_when_it_can() -> None:
    """A duty of which the chain says no time is due since it was first seen as it is."""
    due, duty = DutiesDue(), freeze_duty(AT, replace(FREEZE, due_s=0, members=0))
    assert duty is not None
    due.note([duty], 100)
    due.note([duty], 200)
    assert due.since_s == {duty.name: 100}
    due.note([replace(duty, hindered="")], 300)
    assert due.since_s == {duty.name: 300}
    due.note([], 400)
    assert due.since_s == {}


def test_exactly_one_keeper_has_its_turn_at_each_moment() -> None:
    draw = random.Random(5)
    for _ in range(200):
        hub, clock = Hub(), [0]
        keys = [bytes([n]) * 20 for n in range(1, draw.randint(2, 8))]
        turns = [
            KeeperTurns(k, hub.peers(k), stage_s=STAGE_S, now_ms=lambda at=clock: at[0], listen_s=0)  # type: ignore[misc]
            for k in keys
        ]
        for one in turns:
            one.note_operators(keys)
        place, began_s = draw.randbytes(32), draw.randint(0, 1_000)
        clock[0] = began_s * 1_000
        for _ in range(20):
            clock[0] += draw.randint(0, 90_000)
            for one in turns:
                one.say_here()
            ours = [one.is_ours(place, began_s) for one in turns]
            assert sum(ours) == 1
            if draw.random() < 0.2:
                turns[ours.index(True)].announce(place, "0x" + "11" * 32)
                assert not any(one.is_ours(place, began_s) for one in turns if one is not turns[ours.index(True)])
                break


def test_strangers_have_no_place_and_fill_nothing() -> None:
    hub, me, stranger = Hub(), b"\x01" * 20, b"\x02" * 20
    turns = KeeperTurns(me, hub.peers(me), stage_s=STAGE_S, now_ms=lambda: 0, listen_s=0)
    turns.note_operators([me])
    other = KeeperTurns(stranger, hub.peers(stranger), stage_s=STAGE_S, now_ms=lambda: 0, listen_s=0)
    other.note_operators([me, stranger])
    other.say_here()
    for number in range(100):
        other.announce(number.to_bytes(32, "big"), "0x" + "11" * 32)
    assert turns.order(bytes(32)) == (me,)
    assert all(turns.is_ours(n.to_bytes(32, "big"), 0) for n in range(100))
    other.note_operators([me])
    before = hub.told
    other.say_here()
    other.announce(bytes(32), "0x" + "11" * 32)
    assert hub.told == before, "who is no operator says nothing"


def test_a_keeper_that_has_just_started_only_listens() -> None:
    hub, me, clock = Hub(), b"\x01" * 20, [10**9]
    turns = KeeperTurns(me, hub.peers(me), stage_s=STAGE_S, now_ms=lambda: clock[0])
    turns.note_operators([me])
    assert not turns.is_ours(bytes(32), 0)
    clock[0] += 74_999
    assert not turns.is_ours(bytes(32), 0)
    clock[0] += 1
    assert turns.is_ours(bytes(32), 0)


def test_pauses_double_up_to_an_hour() -> None:
    clock = [0]
    pauses = Pauses(lambda: clock[0])
    tries = 0
    while clock[0] < 6 * 3_600_000:
        if not pauses.is_open("a"):
            assert pauses.note_refused("a") is (tries == 0)
            tries += 1
        clock[0] += 12_000
    assert tries <= 12
    pauses.keep(["b"])
    assert not pauses.is_open("a")


def test_gas_of_a_day_counts_what_is_under_way_with_its_limit() -> None:
    def row(state: PushState, made_ms: int, gas: int | None) -> PushRow:
        return PushRow(
            id=1, target="keeper home", chain_id=1, round_s=0, items=b"", nonce=0, tx_hash="0x", raw=RAW, state=state, made_ms=made_ms,
            gas_used=gas, why="rotate x",
        )  # fmt: skip

    now_ms = 10 * 86_400_000
    rows = [
        row(PushState.CALLED, now_ms - 86_400_000, 7), row(PushState.CALLED, now_ms - 1, 100), row(PushState.SENT, now_ms - 1, None),
        row(PushState.REPLACED, now_ms - 1, None), row(PushState.REVERTED, now_ms - 1, 30),
    ]  # fmt: skip
    spent = GasOfDay.of(rows, now_ms)
    assert spent.used == 100 + 21_000 + 30
    assert spent.tried == {"rotate x": (1, 1)}


RAW = (
    Unsigned(chain_id=1, nonce=0, fees=Fees(tip_wei=1, max_wei=1), gas=21_000, to=bytes(20), data=b"")
    .signed(b"\x01" * 64 + b"\0")
    .raw
)
