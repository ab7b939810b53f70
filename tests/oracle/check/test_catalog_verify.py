"""`lrt-oracle catalog verify` against real pools: what has died is found, what changed is told, and an endpoint's failure is neither."""

from __future__ import annotations

import asyncio
import json
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from demo.world import anvil
from demo.world.deploy import backdated
from oracle.check.catalog.findings import EntryResult, EntryState
from oracle.check.catalog.report import ReportError, results_of
from oracle.check.catalog.verify import ChainVerdict
from oracle.config.sections import Config, parse
from tests.feeds.chains.rpc_servers import Server
from tests.oracle.check.catalog_site import (
    CHAIN,
    NOWHERE,
    CatalogSite,
    build,
    report,
    verdict,
    verified,
)
from tests.oracle.cli.command import run

pytestmark = [pytest.mark.chain]
FINE = {"chain local", "unit WETH", "pool fine", "pool curve", "reference fresh"}
CHANGED = {
    "token wdivETH", "token divETH", "pool other fee", "pool other coins", "reference misnamed", "reference lives on",
}  # fmt: skip
DEAD = {"token demoLRT", "pool drained", "pool nowhere", "pool paused", "reference stale", "reference silent"}
MARKED = {"reference long gone"}


@pytest.fixture(scope="module")
def site() -> Iterator[CatalogSite]:
    with anvil.running(extra=backdated()) as node:
        yield asyncio.run(build(node.url))


@pytest.fixture(scope="module")
def found(site: CatalogSite) -> dict[str, EntryResult]:
    return verified(site.config())


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


def test_a_pool_that_trades_but_not_so_much_is_thin_and_not_dead(site: CatalogSite) -> None:
    """A notional says what an operator wants of a pool, not whether it lives."""
    found = verified(site.config(), notional="100000")
    assert {n for n, r in found.items() if r.state is EntryState.THIN} == {"pool fine", "pool curve"}
    assert "1 % takes 295." in texts(found["pool fine"])
    assert {n for n, r in found.items() if r.state is EntryState.DEAD} == DEAD


def test_coins_in_another_order_are_told(site: CatalogSite) -> None:
    config = site.catalog().replace('coins = ["wdivETH", "WETH"]\n', 'coins = ["WETH", "wdivETH"]\n')
    assert config != site.catalog()
    table = tomllib.loads(config)
    table["chains"] = {"here": {"chain_id": site.world.chain_id, "endpoints": [site.url]}}
    assert "coins: holds its coins in another order: wdivETH, WETH" in texts(verified(parse(table))["pool curve"])


def test_a_coin_that_the_catalogue_has_no_address_of_is_known_by_its_name(site: CatalogSite) -> None:
    more = '[[token]]\nsymbol = "{}"\nkind = "LST"\nprotocol = "x"\n'
    base = site.catalog().replace('coins = ["wdivETH", "WETH"]\n', 'coins = ["{}", "WETH"]\n')
    for name, state, text in (
        ("odd", EntryState.CHANGED, "holds wdivETH"),
        ("wdivETH", EntryState.FINE, "holds wdivETH, WETH"),
    ):
        own = "" if name == "wdivETH" else more.format(name)
        table = tomllib.loads(base.replace('["{}", "WETH"]', f'["{name}", "WETH"]') + own)
        table["chains"] = {"here": {"chain_id": site.world.chain_id, "endpoints": [site.url]}}
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
def test_the_uptime_feed_of_a_rollup_is_asked(site: CatalogSite, feed: str, state: EntryState, text: str) -> None:
    named = f'name = "{CHAIN}"\nchain_id'
    sequencer = f'name = "{CHAIN}"\nsequencer = "{site.feeds[feed]}"\nchain_id'
    table = tomllib.loads(site.catalog().replace(named, sequencer, 1))
    table["chains"] = {"here": {"chain_id": site.world.chain_id, "endpoints": [site.url]}}
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


async def _through(site: CatalogSite, faults: list[Any], **options: Any) -> tuple[ChainVerdict, list[Server]]:
    """A verdict through endpoints that each have a fault, or None."""
    agree = options.pop("agree", 0)
    async with aiohttp.ClientSession() as session:
        servers = [await Server(site.url, session, fault=f).start() for f in faults]
        try:
            config = _agreeing(site, [s.url for s in servers], agree)
            return await verdict(config, **options), servers
        finally:
            for server in servers:
                assert server.runner is not None
                await server.runner.cleanup()


def _agreeing(site: CatalogSite, urls: list[str], agree: int) -> Config:
    table = tomllib.loads(site.catalog())
    section = {"chain_id": site.world.chain_id, "endpoints": urls, "max_head_age_s": 86_400, "agree": agree}
    return parse({**table, "chains": {"here": section}})


@pytest.mark.parametrize("then", [_broken, _limited])
def test_an_endpoint_that_dies_half_way_makes_nothing_dead_and_the_rest_is_asked_later(
    site: CatalogSite, found: dict[str, EntryResult], then: Any
) -> None:
    half, _ = asyncio.run(_through(site, [_Fault(2, then)]))
    results = {f"{r.kind} {r.name}": r for r in half.results}
    open_ones = {n for n, r in results.items() if r.has_unasked}
    assert 0 < len(open_ones) < len(results)
    assert all(
        results[n].state in {EntryState.UNASKED, EntryState.MARKED} or not results[n].has_unasked for n in results
    )
    assert all(r.state is found[n].state for n, r in results.items() if n not in open_ones)
    assert half.requests < 60, "an endpoint that is gone is not asked for every entry"
    document = json.loads(json.dumps({"entries": [r.document() for r in half.results]}))
    whole, (server,) = asyncio.run(_through(site, [None], before=results_of(document)))
    assert states({f"{r.kind} {r.name}": r for r in whole.results}) == states(found)
    again, _ = asyncio.run(_through(site, [None]))
    assert len(server.seen) < again.requests, "what is known is not asked again"


def test_another_endpoint_takes_over(site: CatalogSite, found: dict[str, EntryResult]) -> None:
    whole, _ = asyncio.run(_through(site, [_Fault(2, _broken), None]))
    assert states({f"{r.kind} {r.name}": r for r in whole.results}) == states(found)


def test_one_liar_among_three_makes_nothing_dead(site: CatalogSite, found: dict[str, EntryResult]) -> None:
    whole, _ = asyncio.run(_through(site, [_Fault(0, _emptied), None, None], agree=2))
    assert states({f"{r.kind} {r.name}": r for r in whole.results}) == states(found)


def test_an_endpoint_of_another_chain_answers_for_nothing(site: CatalogSite) -> None:
    config = site.catalog().replace(f"chain_id = {site.world.chain_id}", "chain_id = 424242", 1)
    table = tomllib.loads(config)
    table["chains"] = {"here": {"chain_id": 424242, "endpoints": [site.url]}}
    found = verified(parse(table))
    assert {r.state for r in found.values()} == {EntryState.UNASKED}
    assert "WRONG_CHAIN" in texts(found["pool fine"])


def test_a_chain_without_multicall_is_asked_nothing_and_nothing_is_dead(site: CatalogSite) -> None:
    table = tomllib.loads(site.catalog())
    section = {"chain_id": site.world.chain_id, "endpoints": [site.url], "multicall": NOWHERE}
    found = verified(parse({**table, "chains": {"here": section}}))
    assert {r.state for r in found.values()} == {EntryState.UNASKED}
    assert "no Multicall3 has code at this address" in texts(found["pool fine"])


# --- what is printed -----------------------------------------------------------------------------------------------------


def test_the_report_ends_with_what_has_died(site: CatalogSite) -> None:
    lines = report(site.config()).lines()
    assert lines[-1] == "5 fine, 1 marked, 6 changed, 6 dead"
    assert lines[-2].startswith(f"local: 18 entries at block {site_block(lines)}, ")
    words = [line.split()[0] for line in lines[:-2]]
    assert words == ["fine"] * 5 + ["marked"] + ["changed"] * 6 + ["dead"] * 6
    dead = next(line for line in lines if line.startswith("dead     pool nowhere"))
    assert dead.count(NOWHERE) == 1, "the same is not told twice"


def site_block(lines: list[str]) -> str:
    return lines[-2].split("at block ")[1].split(",")[0]


@pytest.fixture
def config_file(site: CatalogSite, tmp_path: Path) -> Path:
    """A config with the catalogue in a file beside it."""
    (tmp_path / "own.toml").write_text(site.catalog())
    path = tmp_path / "config.toml"
    path.write_text(
        f'[oracle]\ncatalog_path = "own.toml"\n[chains.here]\nchain_id = {site.world.chain_id}\n'
        f'endpoints = ["{site.url}"]\nmax_head_age_s = 86400\n'
    )
    return path


def cli(config: Path, *args: str) -> Any:
    return run("--config", str(config), "catalog", "verify", "--pause", "0", *args)


def test_the_command_fails_where_something_has_died(config_file: Path) -> None:
    done = cli(config_file, "--json")
    assert done.exit_code == 1, done.output
    document = json.loads(done.stdout)
    assert document["counts"] == {
        "fine": 5, "unread": 0, "marked": 1, "unasked": 0, "thin": 0, "changed": 6, "dead": 6,
    }  # fmt: skip
    assert len(document["entries"]) == 18
    assert [type(e) for e in results_of(document)] == [EntryResult] * 18


def test_the_blocks_that_it_prints_mark_what_has_died(site: CatalogSite, config_file: Path) -> None:
    """An operator pastes them, and the next run is quiet: but for the rate of a token, whose end the catalogue cannot say."""
    printed = cli(config_file, "--toml").stdout
    blocks = tomllib.loads(printed)
    ended = {(kind, b["name"]) for kind, listed in blocks.items() for b in listed}
    assert {f"{k} {n}" for k, n in ended} == DEAD - {"token demoLRT"}
    assert f"# token demoLRT on local: rate: no contract at {NOWHERE} on local" in printed
    assert all(b["dead_block"] and b["dead_since"] and b["dead_source"] for kind in blocks for b in blocks[kind])
    own = tomllib.loads(site.catalog())
    for kind, listed in blocks.items():
        own[kind] = [b for b in own[kind] if (kind, b["name"]) not in ended] + listed
    own["chains"] = {"here": {"chain_id": site.world.chain_id, "endpoints": [site.url]}}
    found = verified(parse(own))
    assert {n for n, r in found.items() if r.state is EntryState.DEAD} == {"token demoLRT"}
    assert {n for n, r in found.items() if r.state is EntryState.MARKED} == MARKED | DEAD - {"token demoLRT"}


def test_nothing_new_is_a_success_and_not_all_asked_is_told(
    site: CatalogSite, config_file: Path, tmp_path: Path
) -> None:
    quiet = tmp_path / "quiet.toml"
    text = site.catalog()
    for name in ("drained", "nowhere", "paused", "stale", "silent"):
        mark = f'name = "{name}"\ndead_why = "known"\ndead_source = ["x"]'
        text = text.replace(f'name = "{name}"', mark)
    text = text.replace(f'rate.contract = "{NOWHERE}"', f'rate.contract = "{site.world.lrt}"')
    (tmp_path / "own.toml").write_text(text)
    quiet.write_text(config_file.read_text())
    done = cli(quiet)
    assert done.exit_code == 0, done.output
    gone = cli(quiet, "--chain", f"local=http://127.0.0.1:{anvil.free_port()}", "--json")
    assert gone.exit_code == 3, gone.output
    saved = tmp_path / "report.json"
    saved.write_text(gone.stdout)
    resumed = cli(quiet, "--resume", str(saved), "--json")
    assert resumed.exit_code == 0
    assert json.loads(resumed.stdout)["counts"]["unasked"] == 0


@pytest.mark.parametrize(
    ("args", "text"),
    [
        (["--chain", "etherum=http://x"], "did you mean 'ethereum'?"),
        (["--chain", "local"], "write NAME=URL[,URL]"),
        (["--chain", "solana=http://x"], "its chain id is not known"),
        (["--chain", "local=ftp://x"], "is not a URL"),
        (["--notional", "lots"], "--notional"),
        (["--notional", "0"], "above 0"),
        (["--resume", "/dev/null"], "/dev/null"),
    ],
)
def test_a_wrong_option_is_told(config_file: Path, args: list[str], text: str) -> None:
    done = cli(config_file, *args)
    assert done.exit_code == 2, done.output
    assert text in done.output


@pytest.mark.parametrize("document", [None, [], {}, {"entries": 3}, {"entries": [3]}, {"entries": [{"label": "x"}]}])
def test_what_is_no_report_is_refused(document: Any) -> None:
    with pytest.raises(ReportError, match="is no report of catalog verify"):
        results_of(document)
