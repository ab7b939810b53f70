"""Roles, costs and cautions from what a store says; and that docs/trust.md has each of them."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from oracle.chain.quorum_rpc import ChainError
from oracle.check.corruption_cost import WeighedSigner
from oracle.check.privileges import costs, document, roles
from oracle.check.store_facts import MoveLimits, SignerGroup, StoreFacts
from oracle.check.trust_text import trust_lines
from oracle.stake.discover import NotStaked
from oracle.stake.secured.price import judge
from oracle.stake.secured.text import doubt_lines, security_document, security_lines
from tests.oracle.stake import secured
from tests.oracle.stake.secured import ETHER

DOCS = Path(__file__).resolve().parent.parent.parent.parent / "docs" / "trust.md"
UNSTAKED = NotStaked("its owner names the signers", owner="0x" + "01" * 20, is_set=False)
FACTS = StoreFacts(
    target="t", chain="ethereum", chain_id=1, store=b"\x55" * 20, block=1, time_s=100, owner=b"\1" * 20, owner_is_key=True,
    pending_owner=None, guardian=None, max_push_age_s=60, rotation_delay_s=0, overlap_s=0, longest_epoch_s=0, overlap_ends_s=0,
    group=SignerGroup(epoch=1, threshold=3, strong=4, members=tuple(WeighedSigner(address=bytes([i]) * 20, weight=1) for i in range(1, 6))),
    next_epoch=None, next_group=None, armed=False, set_owner=None, paused=(), stake=UNSTAKED,
    classes=(MoveLimits(number=0, min_gap_s=10, step_bps=500, step_wait_s=600, feeds=("A/B",)),),
)  # fmt: skip


def test_on_a_chain_that_is_not_local_what_is_unsafe_is_told() -> None:
    text = " ".join(document(FACTS)["cautions"])
    for word in ("no guardian", "rotation_delay_s = 0", "the owner is a plain key", "overlap_s = 0"):
        assert word in text
    assert document(replace(FACTS, chain_id=31_337))["cautions"] == []


@pytest.mark.parametrize(
    ("ends_s", "coming", "armed", "said"),
    [
        (None, None, False, ""),
        (111, None, False, ""),
        (
            110,
            None,
            False,
            "expires at 110 (Unix s): the store takes no round from then on, until another set takes over",
        ),
        (
            100,
            None,
            False,
            "expired at 100 (Unix s): the store takes no round from then on, until another set takes over",
        ),
        (110, 110, True, ""),
        (
            110,
            110,
            False,
            "expires at 110 (Unix s): the store takes no round from then on, until epoch 2 takes over at 110, if",
        ),
        (
            110,
            111,
            True,
            "expires at 110 (Unix s): the store takes no round from then on, until epoch 2 takes over at 111",
        ),
    ],
)
def test_check_warns_before_a_set_expires(ends_s: int | None, coming: int | None, armed: bool, said: str) -> None:
    """A rotation delay ahead, as nobody who is named later can follow in time; not where the next set does."""
    group = replace(FACTS.group, expires_s=ends_s)
    facts = replace(
        FACTS, chain_id=31_337, rotation_delay_s=10, longest_epoch_s=9_000 if ends_s else 0, group=group, armed=armed,
        next_epoch=None if coming is None else (2, coming),
    )  # fmt: skip
    told = document(facts)
    assert [c for c in told["cautions"] if "expire" in c] == (
        [] if not said else [c for c in told["cautions"] if said in c]
    )
    assert len([c for c in told["cautions"] if c.startswith("epoch 1 expire")]) == bool(said)
    assert told["signers"]["expires_s"] == ends_s
    (owner,) = (r["worst"] for r in told["roles"] if r["role"] == "owner")
    assert (f"no price at all from {ends_s} (Unix s) on" in owner) is (ends_s is not None)
    assert (f", which expires at {ends_s} (Unix s)" in trust_lines(told)[0]) is (ends_s is not None)


def test_an_epoch_that_leaves_no_day_to_name_the_next_set_is_told() -> None:
    for longest_s, told in ((0, False), (86_400 + 5_000, True), (2 * 86_400, False)):
        facts = replace(FACTS, rotation_delay_s=86_400, longest_epoch_s=longest_s)
        text = f"longest_epoch_s = {longest_s}: the next signers must be set within {longest_s - 86_400} s"
        assert any(text in c for c in document(facts)["cautions"]) is told


def worst(**limits: Any) -> str:
    """Of the threshold's weight, with a class of these limits."""
    (one,) = FACTS.classes
    facts = replace(FACTS, classes=(replace(one, **limits),))
    return str({r["role"]: r["worst"] for r in roles(facts)}["operators of at least the threshold"])


def test_the_walk_is_the_document_s_example() -> None:
    assert worst() == (
        "class 0: twice 500 bps every 10 s of round times, of which one block takes 18 after a gap that was open "
        "before, from end to end (166 % up or 64 % down); "
        "or any price after 600 s of standing by it"
    )
    assert [(c["weight"], c["operators"]) for c in costs(FACTS)] == [("3", 3), ("2", 2), ("1", 1), ("3", 3), ("4", 4)]


@pytest.mark.parametrize(
    ("gap_s", "step_bps", "shown"),
    [
        (10, 500, (18, "166 % up", 64)),
        (5, 500, (36, "540 % up", 86)),
        (300, 500, (2, "22 % up", 18)),
        (91, 500, (2, "22 % up", 18)),
        (90, 1_000, (2, "48 % up", 34)),
        (3, 500, (60, "1965 % up", 96)),
        (2, 500, (91, "8377 % up", 99)),
        (1, 9_999, (91, "over 100000 % up", 100)),
    ],
)
def test_the_walk_is_what_the_window_of_one_block_holds(gap_s: int, step_bps: int, shown: tuple[int, str, int]) -> None:
    """Counted by going through the window from every phase of a gap, in fractions."""
    up, down = (
        max(
            (walked(gap_s, Fraction(sign * step_bps, 10_000), ago) for ago in range(gap_s + 1)),
            key=lambda r: r if sign > 0 else -r,
        )
        for sign in (1, -1)
    )
    steps, text, fall = shown
    assert round(100 - 100 * down) == fall
    assert text in {f"{round(100 * up - 100)} % up", "over 100000 % up"}
    said = worst(min_gap_s=gap_s, step_bps=step_bps)
    assert f"one block takes {steps} " in said
    assert f"({text} or {fall} % down)" in said


def walked(gap_s: int, step: Fraction, opened_ago_s: int) -> Fraction:
    """How far a price goes in a window of 60 s before and 30 s after; the gap before it opened so long ago, 0 for none."""
    opened = -60 - opened_ago_s if opened_ago_s else -10_000
    anchor = Fraction(1)
    price = start = 1 - step if opened_ago_s > 1 and opened_ago_s <= gap_s else anchor
    for at in range(-60, 31):
        if at >= opened + gap_s:
            opened, anchor = at, price * (1 + step)
            price = anchor
        else:
            price = anchor * (1 + step)
    return price / start


@pytest.mark.parametrize(("wait_s", "at_once"), [(90, True), (91, False)])
def test_a_wait_that_fits_into_one_block_s_window_makes_nobody_wait(wait_s: int, at_once: bool) -> None:
    assert ("any price in one block" in worst(step_wait_s=wait_s)) is at_once
    assert (f"any price after {wait_s} s" in worst(step_wait_s=wait_s)) is not at_once


def staked(**more: Any) -> StoreFacts:
    """A store whose owner is a set by stake: three operators, the first with more stake than weight."""
    rows = ((40, 48), (35, 35), (30, 30))
    made = secured.facts(
        [secured.operator(i, w * ETHER, secured.part(wei * ETHER)) for i, (w, wei) in enumerate(rows, start=1)],
        threshold=71 * ETHER, step_threshold=88 * ETHER, frozen=(71 * ETHER, 105 * ETHER),
    )  # fmt: skip
    answer = judge(replace(made, **more))
    members = tuple(
        WeighedSigner(address=bytes.fromhex(m.key[2:]), weight=m.weight, operator=m.operator, slashable=answer.slashable[m.operator])
        for m in answer.facts.members
    )  # fmt: skip
    group = SignerGroup(epoch=2, threshold=71 * ETHER, strong=88 * ETHER, members=members)
    return replace(FACTS, owner_is_key=False, guardian=b"\2" * 20, group=group, stake=answer, rotation_delay_s=172_800)


def test_what_the_document_shows_is_what_is_printed() -> None:
    """The rows of a store by stake, and the ten lines of what secures its price."""
    facts = staked()
    assert facts.security is not None
    text = DOCS.read_text()
    for line in (*trust_lines(document(facts))[1:], *security_lines(facts.security), *doubt_lines(facts.security)):
        if "CAUTION" not in line:
            assert line in text, line


def test_costs_of_a_set_by_stake_are_those_of_stake_status() -> None:
    """The same judgement, in the same words; the least of the operators that have the weight, not their weights."""
    facts = staked()
    assert facts.security is not None
    found = {c["what"]: (c["stake"], c["lost"]) for c in costs(facts)}
    said = security_document(facts.security)
    names = {
        "no news": "silence", "a crash delayed": "delay", "two prices for one round": "two_contents",
        "a price beyond the step, after its wait": "one_false_content", "any price at once": "any_price",
    }  # fmt: skip
    assert found == {what: (said[name]["cost"], said[name]["lost"]) for what, name in names.items()}
    assert found["two prices for one round"] == (str(48 * ETHER), str(48 * ETHER))
    assert found["a price beyond the step, after its wait"] == (str(83 * ETHER), "0")


@pytest.mark.parametrize(
    ("stake", "owner", "decides", "signer"),
    [
        (UNSTAKED, "(a plain key)", False, "nothing of it can be slashed"),
        (ChainError("none answers"), "(a plain key; whether stake decides could not be read)", None, "what can be slashed is unknown"),
        (NotStaked("was not told", owner="0x" + "01" * 20, is_set=True), "(a StakedSet: stake decides)", False, "nothing of it can be slashed"),
    ],
)  # fmt: skip
def test_an_owner_without_stake_is_said_plainly(stake: Any, owner: str, decides: bool | None, signer: str) -> None:
    """A plain key, a contract that could not be read, and a set that was never connected: nothing is guessed of any."""
    told = document(replace(FACTS, stake=stake))
    (row,) = [r for r in told["roles"] if r["role"] == "owner"]
    assert row["who"].endswith(owner)
    assert (told["stake"]["decides"], told["stake"]["security"], told["stake"]["why_not"]) == (
        decides,
        None,
        str(stake),
    )
    assert {c["stake"] for c in told["costs"]} == {None}
    assert sum(signer in line for line in trust_lines(told)) == 5


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"silent": True}, "too much stake has left"),
        (
            {"members": (secured.operator(1, 105 * ETHER, secured.part(None)),)},
            "not all that can be slashed could be read",
        ),
    ],
)
def test_what_of_the_set_is_wrong_is_a_caution_on_every_chain(more: dict[str, Any], said: str) -> None:
    local = replace(staked(**more), chain_id=31_337)
    assert any(said in c for c in document(local)["cautions"])
    assert not any(said in c for c in document(replace(staked(), chain_id=31_337))["cautions"])


def test_who_decides_in_the_place_of_stake_is_a_caution() -> None:
    """A set owner, an owner that was announced, and with real money a timelock that is a plain key."""
    facts = staked()
    assert facts.security is not None
    governance = facts.security.facts.governance
    coming = replace(governance, migrates_to="0x" + "77" * 20, migrates_at_s=1_600_000, timelock_is_key=True)
    told = document(replace(staked(governance=coming), set_owner=b"\3" * 20))
    assert len([c for c in told["cautions"] if "is set owner: it names other signers" in c]) == 1
    assert len([c for c in told["cautions"] if f"offered to 0x{'77' * 20} from 1600000" in c]) == 1
    assert len([c for c in told["cautions"] if "timelock is a plain key" in c]) == 1
    (row,) = [r for r in told["roles"] if r["role"] == "owner that was announced"]
    assert row["delay_s"] == 600_000


def test_signers_that_were_removed_count_nowhere_and_s_out_of_reach_is_told_on_every_chain() -> None:
    members = tuple(WeighedSigner(address=bytes([i]) * 20, weight=w) for i, w in enumerate((1, 1, 1, 0, 0)))
    gone = replace(FACTS, chain_id=31_337, group=replace(FACTS.group, members=members))
    found = {c["what"]: c for c in costs(gone)}
    assert (found["a crash delayed"]["weight"], found["a crash delayed"]["operators"]) == ("0", 0)
    assert found["a crash delayed"]["note"] == "S is out of reach: each crash waits"
    assert found["any price at once"]["note"] == "all of them do not reach it"
    assert [found[w]["operators"] for w in ("no news", "two prices for one round")] == [1, 3]
    assert max(c["operators"] for c in found.values()) == 3, "who has no weight is nobody"
    (told,) = document(gone)["cautions"]
    assert "epoch 1: S is out of reach: each crash waits" in told
    assert "weight 3, a price beyond the step needs 4" in told
    coming = replace(gone, group=FACTS.group, next_epoch=(2, 200), next_group=replace(gone.group, epoch=2), armed=True)
    assert "epoch 2: S is out of reach" in document(coming)["cautions"][0]
    assert document(replace(gone, group=FACTS.group))["cautions"] == []


def test_a_rotation_that_is_not_armed_is_told_on_every_chain() -> None:
    coming = replace(FACTS, chain_id=31_337, next_epoch=(2, 200), next_group=FACTS.group)
    (told,) = document(coming)["cautions"]
    assert "epoch 2 is due at 200 (Unix s) and is not armed" in told
    assert "weight 3 of 5" in told
    assert "if they are armed by then" in str(roles(coming))
    assert document(replace(coming, armed=True))["cautions"] == []
    assert "if they are armed by then" not in str(roles(replace(coming, armed=True)))


def test_every_role_and_cost_is_in_the_document() -> None:
    text = " ".join(DOCS.read_text().split())
    every = replace(FACTS, pending_owner=b"\2" * 20, next_epoch=(2, 200), overlap_ends_s=200, set_owner=b"\3" * 20)
    by_stake = staked()
    assert by_stake.security is not None
    coming = replace(by_stake.security.facts.governance, migrates_to="0x" + "77" * 20, migrates_at_s=1_600_000)
    for row in (*roles(every), *roles(staked(governance=coming))):
        assert f"| {row['role']} | {row['power']} |" in text, row
    for cost in costs(every):
        assert f"| {cost['what']} |" in text, cost
