"""A process that starts again announces itself above what it said before, wherever its clock has gone since."""

from __future__ import annotations

from pathlib import Path

import coincurve
import pytest

from oracle.network.operator_network import NetworkPlace, OperatorNetwork
from oracle.sign.announcement import SignedAnnouncement, read_announcement
from oracle.storage.database import Database
from tests.oracle.sign.sign_world import DOMAIN, NOW_MS, ScriptedOperator, scripted_operators

pytestmark = pytest.mark.loopback


async def announced(operator: ScriptedOperator, database: Database, now_ms: int) -> SignedAnnouncement:
    """What a process says of itself that starts at this time."""
    place = NetworkPlace(
        domain=DOMAIN, urls=(), host="", port=0, tls=None, peers={}, interval_s=1,
        versions=(1,), build="9.9",
    )  # fmt: skip
    network = OperatorNetwork(place, operator, coincurve.PrivateKey(b"\x07" * 32), database, now_ms=lambda: now_ms)
    await network.start()
    (raw,) = database.announcements()
    await network.close()
    return read_announcement(DOMAIN, raw)


async def test_a_clock_that_went_back_takes_no_announcement_back(tmp_path: Path) -> None:
    """Others keep the highest counter: with a lower one it would be refused, or looked for where it is no more."""
    operator, database = scripted_operators(tmp_path)[0], Database(tmp_path / "rounds.db")
    first = await announced(operator, database, NOW_MS)
    assert (first.address, first.said.counter) == (operator.address, NOW_MS)
    assert (await announced(operator, database, NOW_MS - 86_400_000)).said.counter == NOW_MS + 1
    assert (await announced(operator, database, NOW_MS - 86_400_000)).said.counter == NOW_MS + 2
    assert (await announced(operator, database, NOW_MS + 60_000)).said.counter == NOW_MS + 60_000
