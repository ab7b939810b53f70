"""A member in a process of its own: it prints what comes, and answers each payload with its own name before it.

Run: python -m tests.oracle.network.mesh.mesh_process NAME PORT PEER URL (PORT 0: it only dials).
"""

from __future__ import annotations

import asyncio
import sys

from oracle.network.mesh.certificates import self_signed
from oracle.network.mesh.roster import Peer
from tests.oracle.network.mesh.mesh_world import Member


async def main(name: str, port: int, peer: str, url: str) -> None:
    me, other = Member(name, tls=self_signed() if port else None, port=port), Member(peer)

    def answer(sender: bytes, payload: bytes) -> None:
        print(f"{name} got {payload.decode()}", flush=True)  # noqa: T201 - what the test reads
        me.mesh.send(sender, f"{name}: ".encode() + payload)

    me.make(on_message=answer, on_up=lambda _: print(f"{name} up", flush=True))  # noqa: T201 - what the test reads
    me.mesh.set_peers([Peer(address=other.address, name=peer, urls=(url,) if url else ())])
    await me.mesh.start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4] if len(sys.argv) > 4 else ""))
