"""Operators of a network as a process sees them, of any number: some reached, one missing, one that misbehaved."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from oracle.network.mesh.link_status import LinkPath, LinkStatus
from oracle.network.tally import Part, TalliedRound, Tally
from oracle.serve.operators import OperatorRow, OperatorsView
from oracle.sign.eip712 import Domain
from oracle.sign.messages import SignerSet
from tests.oracle.serve.memory_service import ROUND_S

DIALLING = "wss://ops.example:9000: ConnectionRefusedError: nobody listens there (port 9000 at 203.0.113.7)"
ODD = "<b>bob</b>"
"""A name as somebody else may choose it."""


def signers_of(count: int) -> SignerSet:
    """So many of equal weight; more than two thirds are needed."""
    return SignerSet(
        domain=Domain(chain_id=31_337, store=bytes(range(20))), epoch=7,
        signers=tuple(bytes([i + 1]) * 20 for i in range(count)), weights=(100,) * count, threshold=100 * (count * 2 // 3 + 1),
        expires_s=ROUND_S + 86_400,
    )  # fmt: skip


def rounds_of(signers: SignerSet, rounds: int = 360) -> Tally:
    """An hour in which the second member does not sign and the third signed two things once."""
    tally = Tally()
    members = signers.signers
    for n in range(rounds):
        there = Part(values_ms=100 + n % 7, ready_ms=400, signed_ms=600 + n % 31, signed=True)
        parts = dict.fromkeys(members, there) | {members[1]: Part(why=f"not connected: {DIALLING}")}
        tally.put(
            TalliedRound(
                target="home", round_time_s=ROUND_S + 10 * n, signers=signers, parts=parts, sealed=n != 4, sealed_ms=700,
                led=(members[n % len(members)],), why="values of weight 300, 400 are needed" if n == 4 else "",
                evidence=((members[2], "two_items", "its key signed two different items"),) if n == 9 else (),
            )
        )  # fmt: skip
    tally.totals["home"] = Counter(sealed=rounds - 1, lost=1, attempts=rounds)
    return tally


def link(address: bytes, name: str, path: LinkPath = LinkPath.DIRECT, **more: object) -> LinkStatus:
    """A link as the mesh shows it."""
    whole = LinkStatus(
        address=address, name=name, path=path, remote="203.0.113.7:41022", round_trip_ms=81.25, clock_offset_ms=-3,
        build="1.4.2", versions=(1,), since_ms=ROUND_S * 1_000, connected=2,
    )  # fmt: skip
    gone = {"remote": "", "round_trip_ms": None, "clock_offset_ms": None, "last_error": DIALLING,
            "last_error_ms": ROUND_S * 1_000}  # fmt: skip
    return replace(whole, **((gone if path is LinkPath.NONE else {}) | more))  # type: ignore[arg-type]


def seen(count: int = 5, tally: Tally | None = None) -> OperatorsView:
    """The first is here, the second not reached."""
    signers = signers_of(count)
    known = tally or rounds_of(signers)
    hour = known.hour("home")
    names = ["alice", ODD, *(f"operator-{i}" for i in range(2, count))]
    rows = []
    for i, (address, name) in enumerate(zip(signers.signers, names, strict=True)):
        path = LinkPath.NONE if i == 1 else LinkPath.DIRECT
        status = link(address, name, path) if i else None
        did = hour.members[address]
        rows.append(
            OperatorRow(
                address=address, name=name, is_here=i == 0, weight=100, path=path.value if i else "here", link=status,
                urls=(f"wss://{i}.ops.example:9000",), versions=(1,), build="1.4.2", hour=did, why=did.why,
            )
        )  # fmt: skip
    return OperatorsView(
        target="home", hour=hour, rows=tuple(rows), clock_offset_ms=2, totals=known.totals.get("home", {}),
        warnings=("the announcement of this operator on chain is not true any more",),
    )  # fmt: skip
