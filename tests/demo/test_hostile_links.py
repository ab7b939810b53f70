"""Links of the hostile network that break, refuse, fall silent, speak TLS and end: with real sockets."""

from __future__ import annotations

import asyncio
from pathlib import Path

import aiohttp
import pytest

from demo.world.hostile_network import HostileNetwork
from demo.world.link_conditions import Conditions
from demo.world.self_signed import read_certificate, self_signed
from tests.demo.relayed_pair import LINK, LONG_S, balanced, frames, numbers, relayed, settled, until

pytestmark = pytest.mark.loopback
MANY = 400


async def test_a_frame_cuts_the_connection_and_dials_are_refused_for_a_while() -> None:
    async with relayed(3) as pair:
        near, far = await pair.dial()
        pair.network.plan(Conditions(cut=0.05, cut_ms=3_600_000), senders=["a"])
        cut = next(n for n in range(MANY) if pair.network.fate("a", "b", "a", n).cuts)
        assert cut > 3
        for n, frame in enumerate(frames(cut)):
            await near.send(frame)
            await far.heard_all(n + 1)
        await near.send(b"the last")
        await asyncio.wait_for(near.ended.wait(), LONG_S)
        await asyncio.wait_for(far.ended.wait(), LONG_S)
        assert numbers(far.heard) == list(range(cut))
        counts = await settled(pair, "a", cut + 1)
        assert (counts.cuts, counts.lost) == (1, 1)
        with pytest.raises(aiohttp.ClientError):
            await pair.session.ws_connect(pair.url)
        assert pair.link.refused == pair.link.dials - 1 > 0
        pair.network.heal()
        await pair.dial()


async def test_a_broken_connection_loses_what_is_under_way_and_may_be_made_again() -> None:
    async with relayed() as pair:
        near, far = await pair.dial()
        pair.network.plan(Conditions(delay_ms=60_000))
        await near.send(*frames(20))
        await until(lambda: pair.counts().frames_in == 20)
        assert pair.counts().waiting == 20
        pair.network.break_once()
        await asyncio.wait_for(near.ended.wait(), LONG_S)
        await asyncio.wait_for(far.ended.wait(), LONG_S)
        await until(lambda: pair.link.live == 0)
        counts = pair.counts()
        assert (counts.lost, counts.waiting, counts.waiting_bytes, counts.frames_out) == (20, 0, 0, 0)
        pair.network.plan(Conditions())
        again, there = await pair.dial()
        await again.send(b"back")
        await there.heard_all(1)


async def test_cut_links_refuse_until_they_heal_and_keep_their_conditions() -> None:
    async with relayed() as pair:
        near, far = await pair.dial()
        pair.network.plan(Conditions(duplicate=1.0))
        pair.network.cut([LINK])
        await asyncio.wait_for(near.ended.wait(), LONG_S)
        await asyncio.wait_for(far.ended.wait(), LONG_S)
        for _ in range(3):
            with pytest.raises(aiohttp.ClientError):
                await pair.session.ws_connect(pair.url)
        assert pair.link.refused == pair.link.dials - 1 >= 3
        assert pair.link.live == 0
        pair.network.heal()
        near, far = await pair.dial()
        await near.send(b"twice")
        await far.heard_all(2)


async def test_a_silent_direction_keeps_everything_and_the_other_goes_on() -> None:
    async with relayed() as pair:
        near, far = await pair.dial()
        pair.network.plan(Conditions(silent=True), senders=["a"])
        await near.send(*frames(10))
        await far.send(*frames(10))
        await near.heard_all(10)
        assert far.heard == []
        assert pair.counts().frames_in <= 1, "the rest waits in the sender's socket"
        dialled = asyncio.create_task(pair.session.ws_connect(pair.url))
        await until(lambda: pair.link.dials == 2)
        assert pair.link.connections == 1
        pair.network.plan(Conditions(), senders=["a"])
        await far.heard_all(10)
        assert numbers(far.heard) == list(range(10))
        socket = await asyncio.wait_for(dialled, LONG_S)
        await socket.close()


async def test_silence_holds_what_is_under_way_too() -> None:
    async with relayed() as pair:
        near, far = await pair.dial()
        pair.network.plan(Conditions(delay_ms=1_500))
        await near.send(*frames(10))
        await until(lambda: pair.counts().frames_in == 10)
        pair.network.plan(Conditions(silent=True))
        await asyncio.sleep(1.7)
        assert far.heard == []
        assert pair.counts().waiting == 10
        pair.network.plan(Conditions())
        await far.heard_all(10)
        assert numbers(far.heard) == list(range(10))


@pytest.mark.parametrize("shown", [False, True])
@pytest.mark.parametrize("own", [False, True])
async def test_tls_on_either_side(tmp_path: Path, own: bool, shown: bool) -> None:
    there = self_signed(tmp_path, "listener")
    again = read_certificate(there.certificate, there.private_key)
    assert again == there
    async with relayed(own=there if own else None, shown=again if shown else None) as pair:
        assert pair.url.startswith("wss://" if shown else "ws://")
        pinned = aiohttp.Fingerprint(bytes.fromhex(there.sha256)) if shown else True
        near, far = await pair.dial(ssl=pinned)
        await near.send(b"private")
        await far.heard_all(1)
        if shown:
            assert pair.network.certificate.sha256 != there.sha256
            wrong = aiohttp.Fingerprint(bytes.fromhex(pair.network.certificate.sha256))
            with pytest.raises(aiohttp.ServerFingerprintMismatch):
                await pair.session.ws_connect(pair.url, ssl=wrong)


async def test_closing_ends_every_task_and_every_port() -> None:
    before = asyncio.all_tasks()
    async with relayed() as pair:
        near, _ = await pair.dial()
        pair.network.plan(Conditions(delay_ms=60_000, reorder=0.5, overtaken_ms=60_000))
        await near.send(*frames(20))
        await until(lambda: pair.counts().frames_in == 20)
        pair.network.plan(Conditions(silent=True))
        hanging = asyncio.create_task(pair.session.ws_connect(pair.url))
        await until(lambda: pair.link.dials == 2)
        await pair.network.close()
        with pytest.raises(aiohttp.ClientError):
            await hanging
        with pytest.raises(aiohttp.ClientError):
            await pair.session.ws_connect(pair.url)
        assert balanced(pair.counts())
        assert (pair.counts().waiting, pair.link.live) == (0, 0)
    await until(lambda: asyncio.all_tasks() == before)


async def test_a_dial_takes_a_round_trip() -> None:
    async with relayed() as pair:
        pair.network.plan(Conditions(delay_ms=50), senders=["a"])
        pair.network.plan(Conditions(delay_ms=150), senders=["b"])
        began = asyncio.get_running_loop().time()
        await pair.dial()
        assert asyncio.get_running_loop().time() - began >= 0.199


async def test_who_never_listens_has_links_to_the_others_and_none_comes_to_it(tmp_path: Path) -> None:
    async with HostileNetwork(1) as network:
        shown = {"b": self_signed(tmp_path, "b")}
        urls = await network.add_all(
            {"a": "ws://127.0.0.1:1", "b": "wss://127.0.0.1:1"}, only_dial=["c"], certificates=shown
        )
        assert {tuple(link): url.split(":")[0] for link, url in urls.items()} == {
            ("a", "b"): "wss", ("b", "a"): "ws", ("c", "a"): "ws", ("c", "b"): "wss",
        }  # fmt: skip
        assert len(set(urls.values())) == 4
