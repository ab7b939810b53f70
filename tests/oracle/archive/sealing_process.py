"""An operator's process that can be killed: it seals rounds by real keys, keeps, serves and publishes them, and goes on where it was.

Its sources are made up and its rounds come faster than the clock; all else is what `lrt-oracle run` has.
"""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path

from oracle.nats.publisher import RoundPublisher
from oracle.serve.history import HistoryReaders
from oracle.serve.server import serve
from oracle.sign.eip712 import Domain, address_of
from oracle.sign.messages import SignerSet
from oracle.storage.database import Database
from tests.oracle.follow.follow_world import REPORT_KEYS
from tests.oracle.round.round_world import SPECS
from tests.oracle.serve.reader_work import in_threads
from tests.oracle.serve.service_world import ServiceWorld

PRICES = ("1.04", "1.02", "0.8", "1.0401")
_PAUSE_S, _BEGUN = 0.03, 30


async def seal(folder: Path, domain: Domain, first_s: int, port: int, nats: str) -> None:
    """Until it is killed; there is a file named begun after some rounds, and rounds end once there is one named stop."""
    members = tuple(address_of(k) for k in REPORT_KEYS)
    signers = SignerSet(domain=domain, epoch=1, signers=members, weights=(1, 1, 1), threshold=2)
    path = folder / "rounds.db"
    readers = HistoryReaders(path, executor=in_threads)
    database = Database(path)
    world = ServiceWorld(folder, database, started=False, keys=REPORT_KEYS, signers=signers, readers=readers)
    # what was sealed and not stored when it was killed stays the round that nobody knows
    round_s = max(first_s, (database.newest_sealed_s("main") or 0) + 2)
    server = await serve(world.service, host="127.0.0.1", port=port, now_ms=lambda: world.at_ms, metrics=bytes)
    publisher = RoundPublisher(
        [nats], ("ROUNDS", 168, 64), {"main": domain}, tuple(SPECS), read=readers.read, cursors=database
    )
    publishing = asyncio.create_task(publisher.run())
    while not publishing.done():
        if not (folder / "stop").exists() and round_s <= time.time():
            world.round(round_s, PRICES[round_s // 7 % len(PRICES)])
            round_s += 1
            if round_s > first_s + _BEGUN:
                (folder / "begun").touch()
        await asyncio.sleep(_PAUSE_S)
    await server.close()


if __name__ == "__main__":
    _, into, chain_id, store, start, at_port, nats_url = sys.argv
    of = Domain(chain_id=int(chain_id), store=bytes.fromhex(store))
    asyncio.run(seal(Path(into), of, int(start), int(at_port), nats_url))
