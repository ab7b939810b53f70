"""The hostile network, with real sockets: each condition does what it says, by counts and by order."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest
from aiohttp import WSMsgType

from demo.world.hostile_network import HostileNetwork
from demo.world.link_conditions import Conditions, HostileNetworkError
from tests.demo.relayed_pair import LINK, LONG_S, balanced, frames, numbers, relayed, settled, until

pytestmark = pytest.mark.loopback
MANY = 400


async def test_a_calm_link_carries_frames_both_ways_untouched() -> None:
    sent = [b"", b"\0", bytes(range(256)), b"x" * 300_000, *frames(MANY)]
    async with relayed() as pair:
        near, far = await pair.dial()
        await near.send(*sent)
        await far.send(*sent)
        await far.heard_all(len(sent))
        await near.heard_all(len(sent))
        assert far.heard == near.heard == sent
        counts = await settled(pair, "a", len(sent))
        assert (counts.frames_in, counts.frames_out) == (len(sent), len(sent))
        assert counts.bytes_in == counts.bytes_out == sum(map(len, sent))
        assert counts == await settled(pair, "b", len(sent))
        assert (pair.link.dials, pair.link.connections, pair.link.live) == (1, 1, 1)


async def test_text_pings_headers_path_protocol_and_close_codes_pass() -> None:
    async with relayed() as pair:
        near, far = await pair.dial("/peer?x=1", headers={"Authorization": "t"}, protocols=("oracle.1",))
        request = pair.listener.asked[-1]
        assert (request.path_qs, request.headers["Authorization"]) == ("/peer?x=1", "t")
        assert near.socket is not None
        assert far.socket is not None
        assert isinstance(near.socket, aiohttp.ClientWebSocketResponse)
        assert near.socket.protocol == "oracle.1"
        await near.socket.send_str("hällo")
        await far.heard_all(1)
        assert far.heard == ["hällo"]
        assert pair.counts().bytes_in == len("hällo".encode())
        await near.socket.close(code=4_001)
        await asyncio.wait_for(far.ended.wait(), LONG_S)
        assert far.code == 4_001
        await until(lambda: pair.link.live == 0)


async def test_a_ping_is_answered_by_the_far_end_and_not_by_the_relay() -> None:
    async with relayed() as pair:
        socket = await pair.session.ws_connect(pair.url, autoping=False)
        await socket.ping(b"one")
        message = await socket.receive(LONG_S)
        assert (message.type, bytes(message.data)) == (WSMsgType.PONG, b"one")
        pair.network.plan(Conditions(silent=True), senders=["b"])
        await socket.ping(b"two")
        with pytest.raises(TimeoutError):
            await socket.receive(0.2)
        await socket.close()


async def test_a_refusal_of_the_listener_reaches_the_dialler() -> None:
    async with relayed() as pair:
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await pair.session.ws_connect(pair.url + "/closed")
        assert refused.value.status == 403
        await pair.listener.stop()
        with pytest.raises(aiohttp.ClientError):
            await pair.session.ws_connect(pair.url)
        assert pair.link.failed >= 2
        assert pair.link.connections == 0


async def test_a_share_is_dropped_and_the_same_frames_again_under_the_same_seed() -> None:
    heard = []
    for seed, size in ((7, 1), (7, 64), (8, 1)):
        async with relayed(seed) as pair:
            near, far = await pair.dial()
            pair.network.plan(Conditions(drop=0.1, delay_ms=size / 8), links=[LINK], senders=["a"])
            told = [n for n in range(MANY) if not pair.network.fate("a", "b", "a", n).dropped]
            await near.send(*frames(MANY))
            counts = await settled(pair, "a", MANY)
            await far.heard_all(counts.frames_out)
            assert numbers(far.heard) == told
            assert counts.dropped == MANY - len(told)
            assert 15 < counts.dropped < 80
            await far.send(*frames(MANY))
            await near.heard_all(MANY)
            assert numbers(near.heard) == list(range(MANY))
            heard.append(numbers(far.heard))
    assert heard[0] == heard[1] != heard[2]


async def test_numbers_go_on_over_a_new_connection() -> None:
    async with relayed() as pair:
        pair.network.plan(Conditions(drop=0.3))
        told = [n for n in range(100) if not pair.network.fate("a", "b", "a", n).dropped]
        heard = []
        for part in (range(50), range(50, 100)):
            near, far = await pair.dial()
            await near.send(*[n.to_bytes(8, "big") for n in part])
            await settled(pair, "a", part.stop)
            await far.heard_all(sum(n in part for n in told))
            heard += numbers(far.heard)
            assert near.socket is not None
            await near.socket.close()
        assert heard == told


async def test_a_frame_comes_not_before_its_delay_and_all_in_order() -> None:
    async with relayed() as pair:
        near, far = await pair.dial()
        pair.network.plan(Conditions(delay_ms=80, jitter_ms=40), senders=["a"])
        sent_at = []
        for frame in frames(50):
            sent_at.append(asyncio.get_running_loop().time())
            await near.send(frame)
            await asyncio.sleep(0.001)
        await far.heard_all(50)
        assert numbers(far.heard) == list(range(50))
        least = [pair.network.fate("a", "b", "a", n).late_ms / 1_000 for n in range(50)]
        assert min(least) >= 0.08
        assert all(heard - sent >= late - 0.001 for heard, sent, late in zip(far.times, sent_at, least, strict=True))
        assert (await settled(pair, "a", 50)).delayed == 50
        assert pair.counts("b").delayed == 0


async def test_a_stalled_frame_holds_up_all_behind_it() -> None:
    async with relayed() as pair:
        near, far = await pair.dial()
        pair.network.plan(Conditions(stall=0.1), senders=["a"])
        stalled = [n for n in range(40) if pair.network.fate("a", "b", "a", n).stalled_ms]
        sent_at = asyncio.get_running_loop().time()
        await near.send(*frames(40))
        await far.heard_all(40)
        assert numbers(far.heard) == list(range(40))
        assert all(at - sent_at >= 0.199 for n, at in enumerate(far.times) if n >= stalled[0])
        assert (await settled(pair, "a", 40)).stalled == len(stalled) > 0


async def test_a_duplicate_comes_right_behind_its_frame() -> None:
    async with relayed() as pair:
        near, far = await pair.dial()
        pair.network.plan(Conditions(duplicate=0.2))
        told = [n for n in range(MANY) for _ in range(1 + pair.network.fate("a", "b", "a", n).duplicated)]
        await near.send(*frames(MANY))
        await far.heard_all(len(told))
        assert numbers(far.heard) == told
        assert (await settled(pair, "a", MANY)).duplicated == len(told) - MANY > 0


async def test_a_reordered_frame_is_overtaken_by_one_and_none_is_lost() -> None:
    async with relayed() as pair:
        near, far = await pair.dial()
        pair.network.plan(Conditions(reorder=0.2, overtaken_ms=60_000), senders=["a"])
        told, n = [], 0
        while n < MANY:
            swapped = pair.network.fate("a", "b", "a", n).reordered
            told += [n + 1, n] if swapped else [n]
            n += 2 if swapped else 1
        told = [n for n in told if n < MANY]
        await near.send(*frames(MANY + 1))
        await far.heard_all(MANY)
        assert numbers(far.heard)[: MANY - 1] == told[: MANY - 1]
        counts = pair.counts()
        assert counts.reordered > 40
        assert balanced(counts)


async def test_a_frame_that_nothing_overtakes_goes_on_alone() -> None:
    async with relayed() as pair:
        near, far = await pair.dial()
        pair.network.plan(Conditions(reorder=1.0, overtaken_ms=20))
        await near.send(b"alone")
        await far.heard_all(1)
        assert (await settled(pair, "a", 1)).reordered == 0


async def test_bandwidth_is_kept_and_a_full_link_reads_no_more() -> None:
    async with relayed() as pair:
        near, far = await pair.dial()
        pair.network.plan(Conditions(bytes_per_s=100_000), senders=["a"])
        began = asyncio.get_running_loop().time()
        await near.send(*[b"x" * 5_000] * 10)
        await far.heard_all(10)
        assert all(at - began >= (i + 1) * 0.05 - 0.001 for i, at in enumerate(far.times))
        pair.network.plan(Conditions(bytes_per_s=1), senders=["a"])
        flood = asyncio.create_task(near.send(*[b"y" * (1 << 20)] * 64))
        await until(lambda: pair.counts().waiting_bytes > 4 << 20)
        await asyncio.sleep(0.2)
        assert pair.counts().waiting_bytes <= 6 << 20
        assert not flood.done()
        flood.cancel()
        await asyncio.gather(flood, return_exceptions=True)


async def test_a_plan_for_what_is_not_there_is_refused_in_words() -> None:
    async with HostileNetwork(1) as network:
        await network.add_link("a", "b", "ws://127.0.0.1:1")
        with pytest.raises(HostileNetworkError, match="link a -> b: there already"):
            await network.add_link("a", "b", "ws://127.0.0.1:1")
        with pytest.raises(HostileNetworkError, match="http://b is no address to relay to: write ws:// or wss://"):
            await network.add_link("b", "a", "http://b")
        with pytest.raises(HostileNetworkError, match="there is no link b -> a"):
            network.cut([("b", "a")])
        with pytest.raises(HostileNetworkError, match="no link begins or ends at c"):
            network.plan(Conditions(), senders=["c"])
        with pytest.raises(HostileNetworkError, match="missing: b"):
            network.partition([["a"]])
        with pytest.raises(HostileNetworkError, match="every operator once"):
            network.partition([["a"], ["a", "b"]])
