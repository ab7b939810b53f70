"""Where relays are named, nobody else sees a transaction before it is in a block."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.oracle.push.push_world import CALM, land, offer, place_with, world_at
from tests.oracle.push.refusing_node import RefusingNode

pytestmark = pytest.mark.chain


async def test_transactions_go_to_the_relays_alone_and_all_else_is_asked_of_the_endpoints(tmp_path: Path) -> None:
    async with place_with(tmp_path, views=0) as place:
        public, relay, dead = (RefusingNode(place.node) for _ in range(3))
        for node in (public, relay, dead):
            await node.start()
        dead.says = lambda _: "cannot fulfill request"
        try:
            here_is = replace(place, endpoints=(public.url,))
            async with world_at(here_is, relays=(dead.url, relay.url)) as here:
                await offer(here, CALM)
                row = await land(here)
                assert (row.state, set(relay.sent), set(public.sent)) == ("landed", {row.raw}, set())
                assert relay.asked == dead.asked == {"eth_chainId", "eth_sendRawTransaction"}
                assert "eth_sendRawTransaction" not in public.asked
        finally:
            for node in (public, relay, dead):
                await node.stop()
