"""Nodes over real operators: the same answers as theirs, the same on each, and what a node does not know is said to be so."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest

from oracle.assemble.following import sealed_specs
from oracle.config.resolve import resolve
from oracle.config.sections import load
from oracle.serve.openapi.schemas import SCHEMAS
from tests.oracle.follow.follow_world import Site, site, until
from tests.oracle.node.served_node import OWN, node
from tests.oracle.round.round_world import SPECS
from tests.oracle.serve.endpoint_client import faults
from tests.oracle.serve.service_world import ROUND_S

FEED = "wdivETH/ETH"
pytestmark = [pytest.mark.chain, pytest.mark.loopback]
ROOT = Path(__file__).parents[3]


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Site]:
    with site(tmp_path) as made:
        yield made


async def test_two_nodes_answer_the_same_bytes_of_a_round_whichever_operator_told_each_first(here: Site) -> None:
    here.rounds(2)
    async with (
        here.process() as one, here.process() as two,
        node(here, one.url, two.url) as left, node(here, one.url, two.url) as right,
    ):  # fmt: skip
        both = (left, right)
        await until(lambda: all(s.newest_s for n in both for s in n.follower.states), "both operators tell")
        await one.stop()
        last_s = here.round()
        await until(lambda: all(n.follower.newest_s == last_s for n in both), "the second operator tells it")
        await one.start()
        await until(lambda: all(s.newest_s == last_s for n in both for s in n.follower.states), "the first as well")
        for path in (OWN, "/v1/prices/wdivETH/USD", "/v1/prices", f"/v1/rounds/{last_s}/sealed", f"{OWN}/history"):
            (a, first, tag), (b, second, other) = await left.get(path), await right.get(path)
            assert (a, b) == (200, 200)
            assert (first, tag) == (second, other), path
            assert tag
        assert (await left.get(OWN, **{"If-None-Match": (await right.get(OWN))[2]}))[0] == 304
        told = one.database.record("wdivETH/ETH", last_s)
        assert told is not None
        for each in both:
            assert (await each.get(OWN))[1]["computed_at_ms"] == told.computed_at_ms, (
                "in the words of the first of the list"
            )


async def test_a_node_answers_as_the_operator_does(here: Site) -> None:
    here.rounds(3)
    async with here.process() as one, node(here, one.url) as own, aiohttp.ClientSession() as session:
        await until(lambda: own.follower.newest_s == ROUND_S + 20, "all rounds")
        async with session.get(one.url + OWN) as answer:
            theirs = await answer.json()
        status, ours, _ = await own.get(OWN)
        assert (status, faults(ours, SCHEMAS["Price"])) == (200, [])
        own_view = {"risk", "risk_codes", "onchain", "onchain_missing", "seal"}
        assert {k: v for k, v in ours.items() if k not in own_view} == {
            k: v for k, v in theirs.items() if k not in own_view
        }
        assert ours["seal"] == theirs["seal"] | {"target": "home"}
        assert len((await own.get(f"{OWN}/history"))[1]["rounds"]) == 3
        assert (await own.get(f"{OWN}/twap?window_s=20"))[0] == 200
        assert (await own.get("/"))[0] == 200
        status, sealed, _ = await own.get("/v1/rounds/newest/sealed")
        assert (status, faults(sealed, SCHEMAS["SealedRound"]), sealed["round"]) == (200, [], ROUND_S + 20)


async def test_what_a_node_has_not_is_said_to_be_with_its_operators(here: Site) -> None:
    here.round()
    async with here.process() as one, node(here, one.url) as own:
        await until(lambda: own.follower.newest_s == ROUND_S, "a round")
        name = f"127.0.0.1:{one.port}"
        status, body, _ = await own.get(f"{OWN}/explain")
        assert (status, body["error"]["code"], name in body["error"]["hint"]) == (404, "not_here", True)
        status, body, _ = await own.get(f"{OWN}/report")
        assert (status, body["error"]["code"], name in body["error"]["message"]) == (503, "not_here", True)
        status, body, _ = await own.get("/v1/operators")
        assert (status, body["target"], body["rounds"]["sealed"]) == (200, "home", 1)


def test_feeds_that_nobody_seals_are_not_of_a_node() -> None:
    resolved = resolve(load(ROOT / "config.toml"))
    off_chain = {f for f, section in resolved.config.feeds.items() if section.reference_only}
    shown = sealed_specs(resolved)
    assert set(shown) == {f for f, s in resolved.specs.items() if not {f, *s.legs} & off_chain}
    assert off_chain


async def test_a_node_says_how_far_behind_it_is(here: Site) -> None:
    here.round()
    async with here.process() as one, node(here, one.url, "http://127.0.0.1:9") as own:
        await until(lambda: own.follower.newest_s == ROUND_S and own.follower.states[1].error, "a round")
        status, body, _ = await own.get("/readyz")
        assert (status, faults(body, SCHEMAS["Health"]), body["round_lag_ms"]) == (200, [], 0)
        assert [w for w in body["warnings"] if "127.0.0.1:9 is not connected" in w]
        await one.stop()
        await until(lambda: not own.follower.states[0].connected, "it is cut off")
        here.world.at_ms += 100_000
        status, body, _ = await own.get("/readyz")
        assert (status, body["live"], "this node is 10 rounds (100 s) behind" in body["reasons"]) == (503, True, True)
        assert (await own.get(OWN))[1]["abstaining"]["code"] == "STALE"
        exposed = (await own.get("/metrics"))[1].decode().splitlines()
        name = f'source="127.0.0.1:{one.port}"'
        for line in ("lag_seconds 100.0", f"source_connected{{{name}}} 0.0", f"source_verified_total{{{name}}} 1.0"):
            assert f"lrt_oracle_follow_{line}" in exposed, line


async def test_a_node_shows_a_feed_halted_whose_newest_price_is_older_than_halt_after_s(here: Site) -> None:
    """As an oracle halts one that is silent; what was sealed stays in its own places as it was."""
    here.round()
    halt_s = SPECS[FEED].halt_after_s
    async with here.process() as one, node(here, one.url) as own:
        await until(lambda: own.follower.newest_s == ROUND_S, "a round")
        before = (await own.get(OWN))[1]
        await one.stop()
        here.world.at_ms += max(halt_s, 40) * 1_000
        late, listed = (await own.get(OWN))[1], (await own.get("/v1/prices"))[1]["prices"]
        assert (late["status"], late["status_only"], late["reasons"][0]["code"]) == ("halt", True, "STALE")
        assert [p["status"] for p in listed if p["feed"] == FEED] == ["halt"]
        same = ("round", "price", "market", "redemption", "observed_at_ms", "signed_at_ms", "seal")
        assert {k: late[k] for k in same} == {k: before[k] for k in same}
        kept = (await own.get(f"{OWN}/history"))[1]["rounds"][-1]
        assert (kept["status"], kept["status_only"]) == (before["status"], before["status_only"])


async def test_a_node_can_be_followed_by_a_node(here: Site) -> None:
    here.rounds(2)
    async with here.process() as one, node(here, one.url) as first, node(here, first.url) as second:
        await until(lambda: second.follower.newest_s == ROUND_S + 10, "replay")
        last_s = here.round()
        await until(lambda: second.follower.newest_s == last_s, "live")
        assert (await first.get(OWN))[1] == (await second.get(OWN))[1]


async def test_readers_of_a_nodes_stream_get_each_round(here: Site) -> None:
    here.round()
    async with here.process() as one, node(here, one.url) as own:
        await until(lambda: own.follower.newest_s == ROUND_S, "a round")
        async with own.session.get(f"{own.url}/v1/stream") as answer:
            assert (await answer.content.readuntil(b"\n\n")).startswith(b"event: final")
            last_s = here.round()
            block = await asyncio.wait_for(answer.content.readuntil(b"\n\n"), 30)
            while block.startswith(b":"):
                block = await asyncio.wait_for(answer.content.readuntil(b"\n\n"), 30)
            assert orjson.loads(block.split(b"data: ")[1])["prices"][0]["round"] == last_s


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


async def test_the_command_needs_what_a_node_needs_and_ends_on_a_signal(here: Site, tmp_path: Path) -> None:
    """A process of its own. Its clock is this machine's, so that these rounds are too old for it: it is live and not ready."""
    here.round()
    port = free_port()
    feeds = """
[feeds."ETH/USD"]
mode = "market"
[[feeds."ETH/USD".sources]]
type = "coinbase"
symbol = "ETH-USD"
[[feeds."ETH/USD".sources]]
type = "kraken"
symbol = "ETH/USD"
"""
    async with here.process() as one:
        config = tmp_path / "node.toml"
        config.write_text(feeds)
        code, said = await command(config)
        assert (code, "node.operators" in said, "targets" in said) == (2, True, True)
        config.write_text(
            f'[api]\nport = {port}\n[chains.local]\nchain_id = {here.domain.chain_id}\nendpoints = ["{here.url}"]\n'
            f'[targets.main]\nchain = "local"\nstore = "{here.bench.store.address}"\n[node]\noperators = ["{one.url}"]\n{feeds}'
        )
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "oracle",
            "--config",
            str(config),
            "serve",
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": "."},
            stderr=asyncio.subprocess.PIPE,
        )
        async with aiohttp.ClientSession() as session:
            health = await answered(session, f"http://127.0.0.1:{port}/readyz")
            process.send_signal(signal.SIGHUP)  # a node has nothing to read anew, and goes on
            health = await answered(session, f"http://127.0.0.1:{port}/readyz")
        assert (health["live"], health["ready"]) == (True, False)
        assert "this node has verified no round yet" in health["reasons"]
        process.send_signal(signal.SIGTERM)
        _, told = await asyncio.wait_for(process.communicate(), 60)
        assert process.returncode == 0
        assert "restart to change it" in told.decode()


async def command(config: Path) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "oracle", "--config", str(config), "serve", cwd=ROOT, env={**os.environ, "PYTHONPATH": "."},
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    _, said = await process.communicate()
    return process.returncode or 0, said.decode()


async def answered(session: aiohttp.ClientSession, url: str) -> dict[str, Any]:
    for _ in range(6_000):
        try:
            async with session.get(url) as answer:
                return dict(await answer.json())
        except aiohttp.ClientError:
            await asyncio.sleep(0.01)
    raise TimeoutError(url)


async def test_a_reader_that_is_ahead_of_a_node_hears_nothing_twice(here: Site) -> None:
    """It comes from another node, or this one has just started: what comes before its own round it has."""
    here.rounds(2)
    async with here.process() as one, node(here, one.url) as own:
        await until(lambda: own.follower.newest_s == ROUND_S + 10, "both")
        headers = {"Last-Event-ID": str(ROUND_S + 30)}
        async with own.session.get(f"{own.url}/v1/rounds/stream", headers=headers) as answer:
            here.rounds(3)
            block = await asyncio.wait_for(answer.content.readuntil(b"\n\n"), 60)
            while block.startswith(b":"):
                block = await asyncio.wait_for(answer.content.readuntil(b"\n\n"), 60)
            assert block.startswith(b"id: %d\n" % (ROUND_S + 40))


async def test_a_node_claims_no_risk_away_that_it_cannot_know(here: Site) -> None:
    """Risks that follow from inputs are unknown to it, which is never a no; those of the record are as the operator has them."""
    here.round()
    async with here.process() as one, node(here, one.url) as own:
        await until(lambda: own.follower.newest_s == ROUND_S, "a round")
        price = (await own.get(OWN))[1]
        assert {"ONE_GROUP_NOW", "ONE_CHAIN_NOW", "ONE_RATE_READING_NOW"} <= set(price["risk_codes"]["unknown"])
        assert price["risk"]["live"]["round"] == ROUND_S
        facts = {f["code"]: f["raised"] for f in price["risk"]["live"]["facts"]}
        assert facts["PRICES_REPEATED_NOW"] is False
