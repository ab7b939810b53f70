"""Members that misbehave cost what they must: whoever they are, the others seal one thing, and keep evidence where there is some."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import coincurve
import pytest

from demo.fleet.behaviours import BEHAVIOURS, LATE_EPOCH
from demo.fleet.hostile_process import never_mute
from demo.fleet.misbehaving import Listening
from demo.liar import Liar
from oracle.agree.messages import Content, Propose
from oracle.agree.outcome import RoundOutcome
from oracle.agree.state import MemberFault
from oracle.agree.verify import check_sealed, is_signed
from oracle.agree.wire import decode
from oracle.build import Components
from oracle.network.seats import LocalMember
from oracle.sign.eip712 import Domain, address_of
from oracle.sign.messages import SignerSet
from oracle.sign.operator import Operator
from oracle.sign.sign_journal import SignJournal
from tests.oracle.network.agreement_world import BRISK, ApartWorld, ask_of, led_by
from tests.oracle.report.reports import report

ROUND_S = 1_700_000_000
KEYS = [coincurve.PrivateKey(bytes([n]) * 32) for n in (1, 2, 3, 4)]
SIGNERS = SignerSet(
    domain=Domain(chain_id=31_337, store=bytes(range(20))), epoch=1, signers=tuple(map(address_of, KEYS)),
    weights=(1,) * 4, threshold=3,
)  # fmt: skip
SWIFT = replace(BRISK, values_ms=300, grace_ms=30, first_ms=600, next_ms=600)
"""A leader that gives nothing costs half a second; there are a hundred attempts."""
LEADERS = ["liar", "splits", "omits", "invents", "silent-leader"]
OTHERS = ["all-but-leader", "two-values", "two-signatures", "garbage", "far-values"]
SHOWN = {
    "liar": {MemberFault.WRONG_PROPOSAL},
    "two-values": {MemberFault.TWO_VALUES},
    "two-signatures": {MemberFault.TWO_ITEMS},
}


def operators_in(folder: Path) -> list[Operator]:
    """Four, three of whom must sign: one may be faulty."""

    def journal(name: str, key: coincurve.PrivateKey) -> SignJournal:
        return SignJournal(folder / name, address_of(key), now_ms=ROUND_S * 1_000, mute_ms=0, newborn=True)

    return [Operator(f"op{n}", key, journal(f"op{n}.db", key), bound_bps=100) for n, key in enumerate(KEYS)]


def world_with(folder: Path, behaviour: str, *, leads: bool) -> tuple[ApartWorld, LocalMember]:
    """Operators apart; the first misbehaves, and leads or not."""
    operators = operators_in(folder)
    bad = BEHAVIOURS[behaviour].member(operators[0])
    assert isinstance(bad, Listening | Liar)
    leader = operators[0] if leads else operators[1]
    world = ApartWorld.of([bad, *operators[1:]], timing=SWIFT, order=led_by(leader.address))
    process = world.processes[bad.address]
    receive = process.inbox.receive

    def heard(sender: bytes, payload: bytes) -> str:
        if isinstance(bad, Listening):
            bad.ear.listen(payload)
        return receive(sender, payload)

    process.inbox.receive = heard  # type: ignore[method-assign] - of this one object
    return world, bad


async def honest_outcomes(world: ApartWorld, bad: LocalMember, signers: SignerSet = SIGNERS) -> list[RoundOutcome]:
    """A round of two feeds, as the honest members see it."""
    views = {
        m.operator.name: {i: replace(report(), round_time_s=ROUND_S) for i in (0, 1)} for m in world.members.values()
    }
    outcomes = await world.agree(ask_of(signers, ROUND_S, views))
    return [o for a, o in outcomes.items() if a != bad.address]


def check(outcomes: list[RoundOutcome]) -> None:
    """All have sealed the same, and nothing of a lie is in it."""
    for outcome in outcomes:
        assert outcome.sealed is not None, outcome.why
        check_sealed(outcome.terms, outcome.sealed)
        assert {r.market_wad for r in outcome.reports.values()} == {report().market_wad}
    assert len({o.sealed.content.items for o in outcomes if o.sealed is not None}) == 1


def led(world: ApartWorld, bad: LocalMember) -> list[Content]:
    """What it proposed first, without repetitions."""
    words = [decode(payload).word for sender, _, payload in world.said if sender == bad.address]
    return list(dict.fromkeys(w.content for w in words if isinstance(w, Propose) and w.step == 0))


@pytest.mark.parametrize(
    ("behaviour", "proposals"), [("liar", 1), ("splits", 2), ("omits", 1), ("invents", 1), ("silent-leader", 0)]
)
async def test_a_leader_really_does_what_it_is_named_after(behaviour: str, proposals: int, tmp_path: Path) -> None:
    """Else what follows would be shown of an honest one."""
    world, bad = world_with(tmp_path, behaviour, leads=True)
    check(await honest_outcomes(world, bad))
    contents = led(world, bad)
    assert len(contents) == proposals
    if behaviour == "omits":
        assert len(contents[0].values) == SIGNERS.threshold, "it has heard all four"


@pytest.mark.parametrize("behaviour", [*LEADERS, *OTHERS])
async def test_it_never_makes_two_of_them_seal_two_things(behaviour: str, tmp_path: Path) -> None:
    world, bad = world_with(tmp_path, behaviour, leads=behaviour in LEADERS)
    outcomes = await honest_outcomes(world, bad)
    check(outcomes)
    found = {e.kind for o in outcomes for e in o.evidence if e.address == bad.address}
    assert SHOWN.get(behaviour, set()) <= found


@pytest.mark.parametrize("behaviour", ["all-but-leader", "two-values", "two-signatures", "garbage", "far-values"])
async def test_a_member_that_does_not_lead_costs_no_attempt_by_itself(behaviour: str, tmp_path: Path) -> None:
    """Of time there is enough here: another attempt would be its doing."""
    world, bad = world_with(tmp_path, behaviour, leads=False)
    world.timing = replace(SWIFT, first_ms=30_000, end_ms=120_000)
    for address in world.members:
        if address != bad.address:
            world.start(address)
    outcomes = await honest_outcomes(world, bad)
    check(outcomes)
    assert {o.sealed.attempt for o in outcomes if o.sealed is not None} == {1}


@pytest.mark.parametrize(("epoch", "lies"), [(LATE_EPOCH - 1, False), (LATE_EPOCH, True)])
async def test_who_betrays_the_others_late_is_honest_until_then(epoch: int, lies: bool, tmp_path: Path) -> None:
    world, bad = world_with(tmp_path, "two-signatures-late", leads=False)
    outcomes = await honest_outcomes(world, bad, replace(SIGNERS, epoch=epoch))
    found = {(e.kind, e.address) for o in outcomes for e in o.evidence}
    assert found == ({(MemberFault.TWO_ITEMS, bad.address)} if lies else set())


async def test_whoever_would_have_a_hostile_process_go_mute_does_not(tmp_path: Path) -> None:
    """Its own watch hears both of its signatures, as everybody does."""
    world, bad = world_with(tmp_path, "two-signatures", leads=False)
    process = world.processes[bad.address]
    never_mute(cast("Components", SimpleNamespace(agreements=process)))
    await honest_outcomes(world, bad)
    process.mute_all()
    assert (process.mute(bad), bad.operator.silenced) == (False, "")


async def test_two_signatures_of_one_key_are_kept_as_the_registry_takes_them(tmp_path: Path) -> None:
    """Both words bear the same report key's signature over items of one round, and the items differ."""
    world, bad = world_with(tmp_path, "two-signatures", leads=False)
    outcomes = await honest_outcomes(world, bad)
    evidence = [e for o in outcomes for e in o.evidence if e.kind is MemberFault.TWO_ITEMS]
    assert evidence
    for found in evidence:
        first, second = found.first, found.second
        terms = outcomes[0].terms
        assert is_signed(terms, first)  # type: ignore[arg-type]
        assert is_signed(terms, second)  # type: ignore[arg-type]
        assert first.certificate.content.items != second.certificate.content.items  # type: ignore[attr-defined]
