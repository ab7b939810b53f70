"""`lrt-oracle catalog verify` against real pools: what has died is found, what changed is told, and an endpoint's failure is neither."""

from __future__ import annotations

import asyncio
import json
import tomllib
from dataclasses import replace
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from oracle.check.catalog.findings import EntryResult, EntryState
from oracle.check.catalog.report import results_of
from oracle.check.catalog.verify import ChainVerdict
from oracle.config.sections import Config, parse
from tests.feeds.chains.rpc_servers import Server
from tests.oracle.check.catalog_site import (
    CHAIN,
    CHANGED,
    DEAD,
    FINE,
    MARKED,
    NOWHERE,
    QUICK,
    CatalogSite,
    verdict,
    verified,
)

pytestmark = [pytest.mark.chain]


@pytest.fixture(scope="module")
def found(catalogued: CatalogSite) -> dict[str, EntryResult]:
    return verified(catalogued.config())


def texts(result: EntryResult) -> str:
    return "\n".join(f"{f.what}: {f.text}" for f in result.told)


def states(results: dict[str, EntryResult]) -> dict[EntryState, set[str]]:
    return {
        s: {n for n, r in results.items() if r.state is s}
        for s in EntryState
        if any(r.state is s for r in results.values())
    }


def test_every_entry_is_as_it_is(found: dict[str, EntryResult]) -> None:
    assert states(found) == {
        EntryState.FINE: FINE, EntryState.CHANGED: CHANGED, EntryState.DEAD: DEAD, EntryState.MARKED: MARKED,
    }  # fmt: skip
    assert len({(r.block, r.block_ms) for r in found.values()}) == 1, "at one block"


@pytest.mark.parametrize(
    ("entry", "text"),
    [
        ("pool fine", "depth: 1 % takes 295."),
        ("pool curve", "depth: 1 % takes "),
        ("pool drained", "depth: does not carry 0.001 demoLRT"),
        ("pool paused", "paused: it is paused"),
        ("pool nowhere", f"no contract at {NOWHERE} on local"),
        ("pool other fee", "fee: charges 500 millionths, the catalogue says 3000"),
        ("pool other coins", "where the catalogue has demoLRT"),
        ("token divETH", "decimals: has 18 decimals, the catalogue counts with 6"),
        ("token wdivETH", "rate 2: lies -286 bps from the first rate, 1.050000 ETH"),
        ("token demoLRT", f"rate: no contract at {NOWHERE} on local"),
        ("reference fresh", "heartbeat 60 minutes"),
        ("reference stale", "answer: the last answer is 2 hours old, its heartbeat is 60 minutes"),
        ("reference silent", "answer: the last answer is 40 days old: no provider's heartbeat is that long"),
        ("reference misnamed", "calls itself 'DIVETH / USD', the catalogue says wdivETH/ETH"),
        ("reference lives on", "end: answers, and the catalogue says that it is dead: retired"),
    ],
)
def test_each_is_told_with_its_reason(found: dict[str, EntryResult], entry: str, text: str) -> None:
    assert text in texts(found[entry])


def test_a_pool_that_trades_but_not_so_much_is_thin_and_not_dead(catalogued: CatalogSite) -> None:
    """A notional says what an operator wants of a pool, not whether it lives."""
    found = verified(catalogued.config(), notional="100000")
    assert {n for n, r in found.items() if r.state is EntryState.THIN} == {"pool fine", "pool curve"}
    assert "1 % takes 295." in texts(found["pool fine"])
    assert {n for n, r in found.items() if r.state is EntryState.DEAD} == DEAD


def test_coins_in_another_order_are_told(catalogued: CatalogSite) -> None:
    config = catalogued.catalog().replace('coins = ["wdivETH", "WETH"]\n', 'coins = ["WETH", "wdivETH"]\n')
    assert config != catalogued.catalog()
    table = tomllib.loads(config)
    table["chains"] = {"here": {"chain_id": catalogued.world.chain_id, "endpoints": [catalogued.url]}}
    assert "coins: holds its coins in another order: wdivETH, WETH" in texts(verified(parse(table))["pool curve"])


def test_a_coin_that_the_catalogue_has_no_address_of_is_known_by_its_name(catalogued: CatalogSite) -> None:
    more = '[[token]]\nsymbol = "{}"\nkind = "LST"\nprotocol = "x"\n'
    base = catalogued.catalog().replace('coins = ["wdivETH", "WETH"]\n', 'coins = ["{}", "WETH"]\n')
    for name, state, text in (
        ("odd", EntryState.CHANGED, "holds wdivETH"),
        ("wdivETH", EntryState.FINE, "holds wdivETH, WETH"),
    ):
        own = "" if name == "wdivETH" else more.format(name)
        table = tomllib.loads(base.replace('["{}", "WETH"]', f'["{name}", "WETH"]') + own)
        table["chains"] = {"here": {"chain_id": catalogued.world.chain_id, "endpoints": [catalogued.url]}}
        pool = verified(parse(table))["pool curve"]
        assert pool.state is state
        assert text in texts(pool)


@pytest.mark.parametrize(
    ("feed", "state", "text"),
    [
        ("up", EntryState.FINE, "sequencer: the sequencer is up"),
        ("down", EntryState.CHANGED, "sequencer: SEQUENCER_DOWN: the sequencer is down"),
    ],
)
def test_the_uptime_feed_of_a_rollup_is_asked(catalogued: CatalogSite, feed: str, state: EntryState, text: str) -> None:
    named = f'name = "{CHAIN}"\nchain_id'
    sequencer = f'name = "{CHAIN}"\nsequencer = "{catalogued.feeds[feed]}"\nchain_id'
    table = tomllib.loads(catalogued.catalog().replace(named, sequencer, 1))
    table["chains"] = {"here": {"chain_id": catalogued.world.chain_id, "endpoints": [catalogued.url]}}
    chain = verified(parse(table))["chain local"]
    assert chain.state is state
    assert text in texts(chain)


# --- endpoints -----------------------------------------------------------------------------------------------------------


class _Fault:
    """Answers a number of calls, and then as an endpoint that fails: nothing, an error, or lies."""

    def __init__(self, good: int, then: Any) -> None:
        self.left = good
        self._then = then

    def __call__(self, asked: dict[str, Any], answer: Any) -> Any:
        if asked["method"] != "eth_call":
            return answer
        self.left -= 1
        return answer if self.left >= 0 else self._then(asked, answer)


def _broken(*_: Any) -> Any:
    return web.Response(status=503)


def _limited(asked: dict[str, Any], _: Any) -> Any:
    return {"jsonrpc": "2.0", "id": asked["id"], "error": {"code": -32005, "message": "rate limit exceeded"}}


def _emptied(asked: dict[str, Any], answer: Any) -> Any:
    """Every call of the batch is said to have answered nothing, as where no contract is."""
    raw = bytes.fromhex(answer["result"][2:])
    count = int.from_bytes(raw[32:64], "big")
    offsets = b"".join((32 * count + 128 * i).to_bytes(32, "big") for i in range(count))
    empty = b"".join(n.to_bytes(32, "big") for n in (1, 64, 0, 0))
    made = (32).to_bytes(32, "big") + count.to_bytes(32, "big") + offsets + empty * count
    return {"jsonrpc": "2.0", "id": asked["id"], "result": "0x" + made.hex()}


async def _through(catalogued: CatalogSite, faults: list[Any], **options: Any) -> tuple[ChainVerdict, list[Server]]:
    """A verdict through endpoints that each have a fault, or None."""
    agree = options.pop("agree", 0)
    async with aiohttp.ClientSession() as session:
        servers = [await Server(catalogued.url, session, fault=f).start() for f in faults]
        try:
            config = _agreeing(catalogued, [s.url for s in servers], agree)
            return await verdict(config, **options), servers
        finally:
            for server in servers:
                assert server.runner is not None
                await server.runner.cleanup()


def _agreeing(catalogued: CatalogSite, urls: list[str], agree: int) -> Config:
    table = tomllib.loads(catalogued.catalog())
    section = {"chain_id": catalogued.world.chain_id, "endpoints": urls, "max_head_age_s": 86_400, "agree": agree}
    return parse({**table, "chains": {"here": section}})


@pytest.mark.parametrize("then", [_broken, _limited])
def test_an_endpoint_that_dies_half_way_makes_nothing_dead_and_the_rest_is_asked_later(
    catalogued: CatalogSite, found: dict[str, EntryResult], then: Any
) -> None:
    half, _ = asyncio.run(_through(catalogued, [_Fault(2, then)]))
    results = {f"{r.kind} {r.name}": r for r in half.results}
    open_ones = {n for n, r in results.items() if r.has_unasked}
    assert 0 < len(open_ones) < len(results)
    assert all(
        results[n].state in {EntryState.UNASKED, EntryState.MARKED} or not results[n].has_unasked for n in results
    )
    assert all(r.state is found[n].state for n, r in results.items() if n not in open_ones)
    assert half.requests < 60, "an endpoint that is gone is not asked for every entry"
    document = json.loads(json.dumps({"entries": [r.document() for r in half.results]}))
    whole, (server,) = asyncio.run(_through(catalogued, [None], before=results_of(document)))
    assert states({f"{r.kind} {r.name}": r for r in whole.results}) == states(found)
    again, _ = asyncio.run(_through(catalogued, [None]))
    assert len(server.seen) < again.requests, "what is known is not asked again"


def test_endpoints_that_are_gone_are_not_asked_for_every_entry(catalogued: CatalogSite) -> None:
    """Each entry by itself, so that there are many groups: after two without an answer the rest waits for another run."""
    pace = replace(QUICK, weight=1, tries=1)
    gone, (server,) = asyncio.run(_through(catalogued, [_Fault(0, _broken)], pace=pace))
    assert {r.state for r in gone.results} == {EntryState.UNASKED}
    assert server.seen.count("eth_call") == 2
    assert "go on with --resume" in texts(gone.results[-1])


def test_another_endpoint_takes_over(catalogued: CatalogSite, found: dict[str, EntryResult]) -> None:
    whole, _ = asyncio.run(_through(catalogued, [_Fault(2, _broken), None]))
    assert states({f"{r.kind} {r.name}": r for r in whole.results}) == states(found)


def test_one_liar_among_three_makes_nothing_dead(catalogued: CatalogSite, found: dict[str, EntryResult]) -> None:
    whole, _ = asyncio.run(_through(catalogued, [_Fault(0, _emptied), None, None], agree=2))
    assert states({f"{r.kind} {r.name}": r for r in whole.results}) == states(found)


def test_an_endpoint_of_another_chain_answers_for_nothing(catalogued: CatalogSite) -> None:
    config = catalogued.catalog().replace(f"chain_id = {catalogued.world.chain_id}", "chain_id = 424242", 1)
    table = tomllib.loads(config)
    table["chains"] = {"here": {"chain_id": 424242, "endpoints": [catalogued.url]}}
    found = verified(parse(table))
    assert {r.state for r in found.values()} == {EntryState.UNASKED}
    assert "WRONG_CHAIN" in texts(found["pool fine"])


def test_a_chain_without_multicall_is_asked_nothing_and_nothing_is_dead(catalogued: CatalogSite) -> None:
    table = tomllib.loads(catalogued.catalog())
    section = {"chain_id": catalogued.world.chain_id, "endpoints": [catalogued.url], "multicall": NOWHERE}
    found = verified(parse({**table, "chains": {"here": section}}))
    assert {r.state for r in found.values()} == {EntryState.UNASKED}
    assert "no Multicall3 has code at this address" in texts(found["pool fine"])
