"""Members in processes of their own: killed, stopped and started again, and found again."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from oracle.network.mesh.limits import MeshLimits
from tests.oracle.network.mesh.mesh_world import LONG_S, Member, free_port, member, running, until

pytestmark = pytest.mark.loopback
ROOT = Path(__file__).parents[4]
SOON = MeshLimits(ping_s=0.05, silent_s=0.2, first_retry_s=0.02, keep_s=600.0)


@contextlib.asynccontextmanager
async def process(name: str, port: int, peer: Member) -> AsyncIterator[asyncio.subprocess.Process]:
    """A member in a process of its own; its lines are read by who wants them."""
    arguments = (
        "-m",
        "tests.oracle.network.mesh.mesh_process",
        name,
        str(port),
        peer.name,
        peer.url if peer.port else "",
    )
    started = await asyncio.create_subprocess_exec(
        sys.executable, *arguments, cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        yield started
    finally:
        with contextlib.suppress(ProcessLookupError):
            started.kill()
        await started.communicate()


def pair() -> tuple[Member, Member]:
    """We, listening, and what we know of the other: its keys, and where it will listen."""
    me, other = member("me"), Member("other", port=free_port())
    me.make(SOON)
    me.mesh.set_peers([other.peer(urls=(f"wss://127.0.0.1:{other.port}",))])
    return me, other


async def test_a_process_that_is_killed_and_starts_anew_is_found_again_at_once() -> None:
    me, other = pair()
    async with running(me):
        for n in range(3):
            async with process("other", other.port, me):
                await until(lambda n=n: me.sees(other).connected > n and me.sees(other).path in {"direct", "inbound"})
                me.mesh.send(other.address, b"%d" % n)
                await until(lambda n=n: b"other: %d" % n in me.payloads(other))
            await until(lambda: me.sees(other).path == "none")
        assert len(me.ups) >= 3, "each time the driver hears of it"


async def test_a_process_that_only_dials_is_answered() -> None:
    me, other = pair()
    me.mesh.set_peers([other.peer()])
    async with running(me), process("other", 0, me):
        await until(lambda: me.sees(other).path == "inbound")
        me.mesh.send(other.address, b"in")
        await until(lambda: me.payloads(other) == [b"other: in"])


async def test_a_process_that_stands_still_is_let_go_and_taken_back_when_it_goes_on() -> None:
    me, other = pair()
    async with running(me), process("other", other.port, me) as there:
        await until(lambda: me.sees(other).path in {"direct", "inbound"})
        there.send_signal(signal.SIGSTOP)
        await until(lambda: me.sees(other).refused.get("silent"))
        me.mesh.send(other.address, b"while it stood")
        there.send_signal(signal.SIGCONT)
        await until(lambda: b"other: while it stood" in me.payloads(other))


async def test_a_member_takes_its_own_stall_for_nobodys_silence() -> None:
    me, other = member("me"), member("other", listens=False)
    now = [0]
    me.make(MeshLimits(ping_s=0.02, silent_s=0.2), now_us=lambda: now[0])
    other.make(MeshLimits(ping_s=0.02, silent_s=60.0, first_retry_s=0.02))
    me.mesh.set_peers([other.peer()])
    other.mesh.set_peers([me.peer()], [me.signed()])
    async with running(me, other), asyncio.timeout(LONG_S):
        await until(lambda: me.sees(other).path == "inbound")
        now[0] += 3_600_000_000  # the machine slept for an hour
        seen = me.sees(other).bytes_in
        await until(lambda: me.sees(other).bytes_in > seen + 500)
        assert me.sees(other).connected == 1
        assert not me.sees(other).refused
