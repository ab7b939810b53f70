"""The worked example of docs/push.md, run as it stands: anybody carries a signed report to the store."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from demo.world.chain import account
from oracle.report.wire import decode_slot
from oracle.round.live import Live
from oracle.serve.history import HistoryReaders
from oracle.serve.server import serve
from oracle.serve.service import PriceService
from tests.oracle.push.fault_world import SPECS
from tests.oracle.push.push_world import CALM, world_in
from tests.oracle.serve.reader_work import in_threads

pytestmark = pytest.mark.chain
DOC = Path(__file__).resolve().parents[3] / "docs" / "push.md"


def example() -> str:
    return DOC.read_text(encoding="utf-8").split("```python\n")[1].split("```")[0]


async def test_the_example_carries_a_report_that_nobody_pushed(tmp_path: Path) -> None:
    async with world_in(tmp_path) as here:
        target = here.targets[0]
        target.can_send = False
        await here.rpc("evm_setAutomine", True)
        desk = PriceService(
            SPECS, here.databases[0], Live(SPECS, here.rounds.members[0].states.__getitem__, lambda *_: []), {"t": target},
            interval_s=2, now_ms=lambda: here.now_s * 1_000, offset_ms=lambda: 0,
            readers=HistoryReaders(tmp_path / "one.db", executor=in_threads),
        )  # fmt: skip
        server = await serve(
            desk, host="127.0.0.1", port=0, now_ms=lambda: here.now_s * 1_000, metrics=lambda: b"", cors_origins=()
        )
        try:
            await target.tick()
            here.now_s += 2
            await here.round(CALM)
            assert target.newest is not None
            desk.publish(target.newest)
            names: dict[str, Any] = {"API": server.url, "RPC": here.place.node, "ANYBODY": account(9).address}
            await asyncio.to_thread(exec, compile(example(), str(DOC), "exec"), names)
        finally:
            await server.close()
        assert here.databases[0].pushes("t") == [], "it was not the pusher"
        index = target.indexes["wdivETH/ETH"]
        word = (await here.clients[0].read("slotAt", index))[0]
        stored = decode_slot(word)
        record = here.databases[0].record("wdivETH/ETH")
        assert record is not None
        assert stored == record.report
        await target.tick()
        await target.pusher.refresh()
        assert target.stored[index].round_time_s == stored.round_time_s, "the pusher sees what others pushed"
