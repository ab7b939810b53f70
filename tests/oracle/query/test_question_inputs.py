"""Which inputs a question is made of: converted ones, one operator's of several, rounds that are packed or dropped; and its block."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from feeds.units import WAD, wad_text
from oracle.config.resolve import resolve
from oracle.config.sections import parse
from oracle.query.as_feed import as_feed
from oracle.query.plan import planned
from oracle.query.question import QuestionRefused, parsed
from oracle.storage.limits import DatabaseLimits
from oracle.storage.prune import PruneTimes
from tests.oracle.query.markets_world import INTERVAL_S, S0, Markets, price_at, table

ROUNDS = 25
END = S0 + (ROUNDS - 1) * INTERVAL_S
WINDOW = {"method": "twap_arithmetic", "window_s": 100, "from_s": END - 50, "to_s": END, "step_s": INTERVAL_S}


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Markets:
    """Two operators, of whom the first one in the alphabet does not use coinbase."""
    made = Markets(tmp_path_factory.mktemp("inputs") / "o.db", {"b": (), "a": ("coinbase",)})
    made.play(0, ROUNDS)
    return made


def test_a_source_in_another_unit_is_converted_by_the_leg_of_each_round(process: Markets) -> None:
    found = process.asked("ETH/USD", method="median", filter="none", sources=[{"venue": "binance"}], to_s=END)
    (source,) = (s for s in process.resolved.specs["ETH/USD"].sources if s.name == "binance")
    dollar = process.asked("USDT/USD", to_s=END)["answer"]["price"]
    (leg,) = found["answer"]["legs"]
    assert (leg["feed"], leg["price"], leg["status"]) == ("USDT/USD", dollar, "ok")
    stated = price_at(source, END * 1_000 - 500)
    assert found["answer"]["price"] == wad_text(stated * int(dollar.replace(".", "")) // WAD)
    by_division = process.asked("stETH/ETH", method="median", sources=[{"venue": "coinbase"}], to_s=END)["answer"]
    assert [leg["feed"] for leg in by_division["legs"]] == ["ETH/USD"]
    assert 0.998 < float(by_division["price"]) < 1
    none = process.asked("stETH/ETH", method="median", sources=[{"venue": "okx"}], to_s=END)["answer"]
    assert none["legs"] == [], "what is not asked for is not in the answer"


@pytest.mark.parametrize("pair", ["ETH/USD", "stETH/ETH"])
def test_the_block_of_a_converted_question_gives_the_same_price_from_the_same_inputs(
    process: Markets, pair: str
) -> None:
    question = {
        "method": "dia_vwap",
        "sources": [{"venue": v} for v in ("binance", "coinbase", "bybit", "kraken")[::-1]],
    }
    question["sources"] = [s for s in question["sources"] if s["venue"] in str(process.resolved.specs[pair].sources)]
    base, _, quote = pair.partition("/")
    block = tomllib.loads(as_feed(planned(process.resolved, parsed({"base": base, "quote": quote, **question}))))[
        "feeds"
    ]
    whole = table(process.path, ("b", "a"))
    both = resolve(parse({**whole, "feeds": whole["feeds"] | block}))
    assert f"{pair}#asked" in both.specs
    assert any(s.convert for s in both.specs[f"{pair}#asked"].sources)
    alone = resolve(parse({**whole, "feeds": whole["feeds"] | {pair: block[f"{pair}#asked"]}}))
    times = {"from_s": END - 100, "to_s": END, "step_s": 20}
    points = process.asked(pair, resolved=alone, **times)["points"]
    assert points == process.asked(pair, **times, **question)["points"]
    assert all(p["price"] for p in points)


def test_of_several_operators_the_first_of_the_config_is_read_and_named(process: Markets) -> None:
    config = table(process.path, operators=("b", "a"))
    found = process.asked("ETH/USD", resolved=resolve(parse(config)))
    assert found["operator"] == "b"
    assert "coinbase" in {u["source"] for u in found["answer"]["used"]}
    assert any("inputs of operator b alone" in text for text in found["limits"])
    other = resolve(parse(table(process.path, operators=("a", "b"), without={"a": ["coinbase"]})))
    left = process.asked("ETH/USD", resolved=other)
    assert (left["operator"], left["sources"]) == ("a", ["kraken", "gemini", "binance"])
    for moments in (None, process.moments(later_ms=3_000)):
        by_name = process.asked("ETH/USD", moments, resolved=other, sources=[{"name": "coinbase"}])
        assert (by_name["operator"], by_name["sources"]) == ("b", ["coinbase"]), "of those who use what is chosen"
        assert [u["source"] for u in by_name["answer"]["used"]] == ["coinbase"]
    none = resolve(parse(table(process.path, ("a", "b"), {"a": ["coinbase"], "b": ["kraken"]})))
    with pytest.raises(QuestionRefused, match=r"operator a does not use coinbase: leave it out"):
        process.asked("ETH/USD", resolved=none, sources=[{"name": "coinbase"}, {"name": "kraken"}])


def test_an_operator_that_makes_no_rounds_any_more_is_not_asked_for_the_newest(tmp_path: Path) -> None:
    """Its rounds stay in the database beside those of the operator that came after it."""
    Markets(tmp_path / "o.db", {"a": ()}).play(0, 3)
    after = Markets(tmp_path / "o.db", {"b": ()})
    after.play(3, 3)
    found = after.asked("USDT/USD", resolved=resolve(parse(table(after.path, ("a", "b")))))
    assert (found["operator"], found["answer"]["round"]) == ("b", S0 + 5 * INTERVAL_S)


def test_windows_over_packed_rounds_are_those_over_the_rounds_and_what_is_dropped_is_said(tmp_path: Path) -> None:
    limits = DatabaseLimits(checkpoint_every=5, packed_together=4, left_unpacked=3, pruned_at_once=10)
    process = Markets(tmp_path / "o.db", limits=limits)
    process.play(0, ROUNDS)
    before = process.asked("USDT/USD", **WINDOW)
    own = process.asked("USDT/USD", from_s=END - 50, step_s=INTERVAL_S)
    packs = 0
    while (job := process.database.packer.next()) is not None:
        process.database.packer.keep(job, job.packed())
        packs += 1
    assert packs > 5
    assert process.asked("USDT/USD", **WINDOW) == before
    assert process.database.prune(PruneTimes(rounds_s=END - 60)) > 0
    again = process.asked("USDT/USD", **WINDOW)
    assert any("are missing, in which windows and dwells fill" in text for text in again["limits"])
    assert process.asked("USDT/USD", from_s=END - 50, step_s=INTERVAL_S)["points"] == own["points"], "from a checkpoint"
    with pytest.raises(QuestionRefused, match=rf"are kept with their inputs from \d+ to {END}: .* \.\.\./history"):
        process.asked("USDT/USD", to_s=S0 + 20)


def test_a_token_is_named_by_its_contract_too(process: Markets) -> None:
    where = "0xae7ab96520DE3A18E5e111B5EaAb095312D7fE84"
    by_symbol: dict[str, Any] = process.asked("stETH/ETH")
    for written in (where, where.lower()):
        assert process.asked(f"ethereum:{written}/ETH") == by_symbol
    refused = {
        f"ethereum:{where[:-1]}/ETH": "is not an address: write 0x and 40 hexadecimal digits",
        f"ethereum:{where[:-2]}f4/ETH": "wrong checksum",
        f"etherium:{where}/ETH": "did you mean 'ethereum'",
        "ethereum:0x00000000000000000000000000000000000000aa/ETH": "is no token of the catalogue: write its symbol",
    }
    for pair, says in refused.items():
        with pytest.raises(QuestionRefused, match=says):
            process.asked(pair)
