"""A signer set that nobody replaces on a real chain: nothing is signed after its end, and the next set's rounds go on by themselves."""

from __future__ import annotations

from pathlib import Path

import pytest

from feeds.units import MS
from tests.oracle.push.rotation import AWAY, DELAY_S, HERE, landed, live, name, until, world

pytestmark = pytest.mark.chain
LONGEST_S = DELAY_S + 3_600
LOOK_S = 32
"""A look at the signers comes every 30 s."""


async def test_an_expired_set_is_silent_and_the_next_one_takes_over_by_itself(tmp_path: Path) -> None:
    """The operators here arm it while nothing can be pushed; no push was refused before, meanwhile or after."""
    async with world(tmp_path, longest_s=LONGEST_S) as here:
        ends_s = int((await here.clients[0].read("expiresAt"))[0])
        await live(here, 6)
        here.now_s = ends_s - 12
        await here.mine()
        await live(here, 12 + LOOK_S)
        last_s = max(r for r, _ in landed(here))
        assert ends_s - 4 <= last_s < ends_s
        (target,) = here.targets
        assert [f for _, f in target.status().faults(here.now_s * MS) if f"epoch 1 expired at {ends_s}" in f] != []
        assert here.done is not None
        assert f"epoch 1 expired at {ends_s}" in here.done.unsealed
        assert here.done.agreements == ()
        from_s = await name(here, (*HERE[:2], AWAY[0]))
        await until(here, from_s + 12)
        later = [(r, e) for r, e in landed(here) if r > last_s]
        assert {e for _, e in later} == {2}
        assert from_s <= min(r for r, _ in later) <= from_s + 6
        assert here.events[0].failed == []
        assert [f for _, f in target.status().faults(here.now_s * MS) if "expired" in f] == []
