"""What the benchmarks print, at tiny sizes. No time is asserted: a shape, and that what was measured was done."""

from __future__ import annotations

import importlib.util
import json

import pytest

from demo.bench.aggregate import aggregate, plain
from demo.bench.api import api
from demo.bench.ccxt import beside_ccxt
from demo.bench.chain import chain
from demo.bench.gas import gas
from demo.bench.latency import latency
from demo.bench.public import public
from demo.bench.tools import at_percent
from demo.bench.venues import BASES, symbol_of, symbol_state, websocket_frame
from demo.venues.wires import WIRES
from feeds.registry import EXCHANGES
from oracle.combine.methods import vector

REDSTONE = ("a package a feed", "one package of all feeds")


@pytest.mark.chain
async def test_bench_chain_counts_contract_calls() -> None:
    found = await chain(reads=200)
    assert {"ours_ms", "web3_single_ms", "bare_multicall_ms", "ratio_web3", "ratio_bare"} < set(found)
    assert found["reads"] == 200
    assert found["eth_calls"] == 1, "what the pools ask the second time is foreseen, whatever their number"
    assert found["sources"]["pools"] == 6
    assert found["sources"]["rates"] > 0
    assert json.loads(json.dumps(found)) == found


@pytest.mark.loopback
async def test_bench_latency_reads_every_venue() -> None:
    found = await latency(rates=(40, 60), seconds=0.6, ccxt_frames=0)
    assert found["venues"] == len(EXCHANGES)
    assert found["ccxt"] is found["ccxt_streaming"] is None
    assert [s["rate_per_venue"] for s in found["steps"]] == [40, 60]
    for step in found["steps"]:
        assert step["parsed_per_s"] > 0
        assert step["bad_messages"] == 0
        assert step["live_updates_per_s"] > 0
        assert step["probes"] > 0
    assert json.loads(json.dumps(found)) == found


@pytest.mark.loopback
@pytest.mark.skipif(importlib.util.find_spec("ccxt") is None, reason="ccxt is an optional package")
async def test_bench_latency_streams_to_ccxt_beside_us() -> None:
    found = (await latency(rates=(40,), seconds=0.6, ccxt_frames=10))["ccxt_streaming"]
    assert {"bitget", "bybit", "coinbase", "cryptocom", "gate", "kraken", "okx"} <= set(found["venues"])
    assert set(found["venues"]) | set(found["left_out"]) == set(WIRES)
    assert all(found["left_out"].values()), "each with its reason"
    (step,) = found["steps"]
    for side in (step["ours"], step["ccxt"]):
        assert side["parsed_per_s"] > 0
        assert side["tick_to_live_p99_ms"] >= side["tick_to_live_p50_ms"] > 0
        assert 0 < side["sent_per_s"] <= 40 * len(found["venues"])
    assert step["ratio_cpu"] > 0
    assert (step["ccxt"]["never_read"], step["ccxt"]["failed"]) == (0, {}), "nothing of it was lost on the way"
    assert json.loads(json.dumps(found)) == found


async def test_bench_aggregate_has_both_parts() -> None:
    found = await aggregate(feeds=3, sources=15, shape=(2, 400))
    assert (found["feeds"], found["sources"]) == (3, 15)
    assert found["vector"]["largest_difference"] < 1e-9
    assert found["vector"]["ratio_memory"] > 0
    assert json.loads(json.dumps(found)) == found


@pytest.mark.chain
async def test_bench_gas_has_ours_others_and_what_is_quoted() -> None:
    found = await gas(tokens=(1, 2), signers=(1,), others=((1, 1), (2, 3)), safety=False)
    push, reads = found["push"], found["reads"]
    assert {tuple(row) for row in push} == {
        ("system", "tokens", "signers", "prices", "gas", "calldata", "floor", "quoted")
    }
    run = {row["system"]: row for row in push if not row["quoted"]}
    assert set(run) == {"lrt-oracle", "API3", "Tellor", *(f"RedStone, {what}" for what in REDSTONE)}
    assert {row["system"].split(" ")[0] for row in push if row["quoted"]} == {"Chainlink", "Chronicle", "DIA", "Pyth"}
    assert all(21_000 < row["floor"] < row["gas"] for row in push)
    assert [(row["tokens"], row["prices"]) for row in push if row["system"] == "lrt-oracle"] == [(1, 2), (2, 2)]
    assert all(row["quoted"] or 4_700 <= row["floor"] <= row["gas"] for row in reads)
    assert {row["system"] for row in reads if row["quoted"]} & set(run) == set()
    assert set(found) == {"push", "reads", "operators", "safety", "formula"}
    assert all(gas > 18_000 for gas in found["operators"].values())
    assert json.loads(json.dumps(found)) == found


def test_the_plain_loop_and_the_engine_agree_over_gaps() -> None:
    market, redemption, at_ms = vector.example(1, 300)
    at_ms[150:] += 600_000
    mean, gap = vector.twap_and_deviation(market, redemption, at_ms, 200_000, 15_000)
    means, gaps = plain(market[0].tolist(), redemption[0].tolist(), at_ms.tolist(), 200_000, 15_000)
    assert means == pytest.approx(mean[0].tolist(), rel=1e-9)
    assert gaps == pytest.approx(gap[0].tolist(), abs=1e-5)


@pytest.mark.skipif(importlib.util.find_spec("ccxt") is None, reason="ccxt is an optional package")
async def test_ccxt_is_compared_where_it_reads_the_same_messages() -> None:
    found = await beside_ccxt(20)
    assert set(found["venues"]) | set(found["ccxt_reads_other_messages"]) == set(WIRES)
    assert {"bitget", "bybit", "coinbase", "kraken", "okx"} <= set(found["venues"])
    assert found["ratio"] > 0


@pytest.mark.parametrize("venue", sorted(WIRES))
def test_every_message_of_a_run_is_another_price(venue: str) -> None:
    symbols = {symbol_of(venue, base) for base in BASES}
    assert len(symbols) == len(BASES)
    first, second = (symbol_state(symbol_of(venue, "LDO"), "LDO", step, 1_790_000_000_000) for step in (0, 4))
    assert float(first.bid) < float(first.last) < float(first.ask)
    assert first.bid != second.bid


@pytest.mark.parametrize("size", [0, 125, 126, 65_535, 65_536])
def test_frames_say_their_size_as_the_standard_has_it(size: int) -> None:
    framed = websocket_frame(b"x" * size)
    assert framed[0] == 0x82
    header = 2 if size < 126 else 4 if size < 65_536 else 10
    assert len(framed) == header + size
    assert (framed[1] if header == 2 else int.from_bytes(framed[2:header], "big")) == size
    assert websocket_frame("é")[:2] == bytes((0x81, 2))


def test_percentiles_are_places_in_a_ranking() -> None:
    assert at_percent([], 99) == 0
    assert at_percent([1, 2, 3, 4], 50) == 3
    assert at_percent(list(range(100)), 99) == 99


@pytest.mark.loopback
async def test_bench_api_has_rounds_beside_its_readers_and_answers_others_beside_half_open_connections() -> None:
    found = await api(seconds=2.0, readers=(0, 2), half_open_s=2.0, settle_s=2.0, answer_s=30.0)
    alone, beside = found["twap_readers"]
    assert (alone["readers"], alone["answers"], alone["ratio_p50"]) == (0, {}, 1.0)
    assert beside["rounds"] > 0
    assert set(found["requests_per_s"]) == {"price", "history_200", "twap_1800"}
    half = found["half_open"]
    assert half["crowd"]["opened"] >= half["connections"] > half["files"]
    assert half["others_answered"] == half["others_asked"] > 0
    assert json.loads(json.dumps(found)) == found


@pytest.mark.chain
@pytest.mark.loopback
async def test_bench_api_asks_nodes_and_reads_their_streams() -> None:
    found = await public(seconds=1, turns=1, readers=20, stream_s=4.0, rounds_s=2.0)
    requests = found["requests"]
    assert {"bare", "bare_of_the_oracle", "oracle", "operator", "node", "node_limited", "two_nodes"} <= set(requests)
    assert all(r["per_s"] > 0 for r in requests.values())
    assert requests["bare"]["ratio"] == requests["bare"]["ratio_cpu"] == 1.0
    streams = found["streams"]
    assert (streams["connected"], streams["dropped"], streams["faults"]) == (20, 0, [])
    assert set(found["rounds"]) == {"alone", "oracle", "node"}
    assert json.loads(json.dumps(found)) == found
