"""`lrt-oracle once`: a price for each feed, or what the feed would need for one; statuses that scripts rely on."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from demo.venues.server import Venue
from oracle.cli.needs import needs_lines, needs_of
from oracle.model.state import FeedState
from oracle.model.types import Abstained, FoldedFeed
from oracle.round.step import step
from tests.oracle.cli.command import run
from tests.oracle.oracle_build import T0, failed, seen, source, spec

pytestmark = pytest.mark.loopback
NOWHERE = "127.0.0.1:1"
CONFIG = """
[venues.coinbase]
ws_url = "ws://{coinbase}"
rest_url = "http://{coinbase}"
[venues.kraken]
ws_url = "ws://{kraken}"
rest_url = "http://{kraken}"
[chains.local]
chain_id = 31337
endpoints = ["http://127.0.0.1:1/key"]
[feeds."ETH/USD"]
[[feeds."ETH/USD".sources]]
type = "coinbase"
symbol = "ETH-USD"
[[feeds."ETH/USD".sources]]
type = "kraken"
symbol = "ETH/USD"
"""
MORE = """
[feeds."cbETH/USD"]
legs = ["cbETH/ETH", "ETH/USD"]
[feeds."cbETH/ETH"]
accept_single_group = true
min_groups = 1
[[feeds."cbETH/ETH".sources]]
type = "coinbase"
symbol = "CBETH-USD"
pair = "cbETH/USD"
convert = "ETH/USD"
[feeds."X/ETH"]
mode = "redemption"
reference_only = true
[[feeds."X/ETH".sources]]
type = "rate_call"
kind = "redemption"
chain = "local"
contract = "0x7777777777777777777777777777777777777777"
function = "getRate()"
"""


def once(folder: Path, *, more: str = "", wait: str = "1", **venues: str) -> tuple[int, dict[str, Any], str]:
    """Exit status, document, and what people read."""
    path = folder / "config.toml"
    path.write_text(CONFIG.format(**{"coinbase": NOWHERE, "kraken": NOWHERE, **venues}) + more)
    done = run("--config", str(path), "once", "--wait", wait, "--json")
    text = run("--config", str(path), "once", "--wait", wait).stdout
    return done.exit_code, json.loads(done.stdout), text


def test_where_nothing_answers_each_feed_says_what_it_needs(tmp_path: Path) -> None:
    status, got, text = once(tmp_path, more=MORE)
    assert status == 3
    assert got["prices"] == []
    needs = {n["feed"]: n for n in got["abstained"]}
    assert set(needs) == {"ETH/USD", "cbETH/ETH", "cbETH/USD", "X/ETH"}
    ether = needs["ETH/USD"]
    assert (ether["min_groups"], ether["groups"], ether["missing_groups"]) == (2, [], ["coinbase", "kraken"])
    for row in ether["sources"]:
        assert row["why"].startswith(
            f"UNREACHABLE: connection failed or lost: error=ClientConnectorError, venue={row['source']}"
        )
        assert row["why"].endswith("check the network and the endpoint's address")
    assert needs["cbETH/ETH"]["missing_feeds"] == ["ETH/USD"]
    assert needs["cbETH/USD"]["missing_feeds"] == ["cbETH/ETH", "ETH/USD"]
    (rate,) = needs["X/ETH"]["sources"]
    assert rate["why"].startswith("UNREACHABLE: ClientConnectorError: endpoint=127.0.0.1:1")
    assert "key" not in rate["why"], "an address may hold a secret"
    assert "needs 2 of these groups: coinbase, kraken" in text
    assert "needs a price of ETH/USD" in text
    assert "coinbase: UNREACHABLE" in text


async def test_what_answers_is_priced_and_the_rest_says_why(tmp_path: Path) -> None:
    venue = Venue("coinbase")
    await venue.start()
    try:
        address = venue.rest_url.removeprefix("http://")
        status, got, text = await asyncio.to_thread(lambda: once(tmp_path, wait="2", coinbase=address))
    finally:
        await venue.stop()
    assert status == 3
    (needs,) = got["abstained"]
    assert {s["source"]: s["why"].split(":")[0] for s in needs["sources"]} == {
        "coinbase": "WRONG_SYMBOL",
        "kraken": "UNREACHABLE",
    }
    assert "check the symbol in the config against the venue's own list" in text


def folded(rounds_of_prices: list[dict[str, str]], **changes: Any) -> FoldedFeed:
    """The last of some rounds, a second apart; a source without a price failed."""
    state, feed = FeedState(), spec(**changes)
    result, before = None, state
    for i, prices in enumerate(rounds_of_prices):
        at_ms = T0 + i * 1_000
        given = [
            seen(s.name, prices[s.name], at_ms, kind=s.kind, group=s.group, block=i + 1)
            if s.name in prices else failed(s.name, at_ms)
            for s in feed.sources
        ]  # fmt: skip
        before = state
        result, state = step(feed, state, given, {}, at_ms, None)
    assert result is not None
    return FoldedFeed(operator="a", spec=feed, before=before, after=state, result=result)


POOLS = tuple(source(n, group="chain:local", average_s=30, average_blocks=3) for n in ("one", "two"))


def test_a_pool_says_that_its_average_is_not_whole_yet() -> None:
    feed = folded([{"one": "1", "two": "1"}], sources=POOLS, has_redemption=False)
    assert isinstance(feed.result, Abstained)
    needs = needs_of({}, feed, ())
    assert (needs["groups"], needs["missing_groups"]) == (["chain:local"], ["one", "two"])
    (_, *rows) = needs_lines(needs)
    assert rows[0] == "    needs 1 of these groups beside chain:local: one, two"
    assert rows[1].startswith("    one, two: counts as chain:local until it is averaged over 30 s and 3 blocks")
    assert "--wait 90" in rows[1]


def test_a_pool_whose_average_is_whole_counts_as_itself() -> None:
    feed = folded(
        [{"one": "1", **({"two": "1"} if i < 20 else {})} for i in range(40)], sources=POOLS, has_redemption=False
    )
    needs = needs_of({}, feed, ())
    assert needs["groups"] == ["one"]
    assert [s["source"] for s in needs["sources"]] == ["two"]


def test_what_was_rejected_says_the_reason() -> None:
    old = spec(min_groups=3, has_redemption=False)
    given = [seen("coinbase", "1"), seen("kraken", "1"), seen("binance", "1", T0 - 31_000)]
    result, state = step(old, FeedState(), given, {}, T0, None)
    assert isinstance(result, Abstained)
    needs = needs_of({}, FoldedFeed(operator="a", spec=old, before=state, after=state, result=result), ())
    assert needs["groups"] == ["coinbase", "kraken"]
    why = {s["source"]: s["why"] for s in needs["sources"]}
    assert why["binance"] == "STALE: is 31000 ms old, its limit is 30000 ms"
    assert why["rate"] == "nothing was read of it yet"
