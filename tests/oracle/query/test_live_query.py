"""A question without a time is answered of this moment: as the live lane by the feed's own spec, as a round of this moment by any other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from feeds.units import MS, wad_text
from oracle.query.answer import answer_lines
from oracle.query.question import QuestionRefused, parsed
from oracle.serve.openapi.schemas import SCHEMAS
from tests.oracle.query.markets_world import INTERVAL_S, S0, Markets, trades
from tests.oracle.serve.endpoint_client import faults

ROUNDS = 25
CHOICES: list[tuple[str, dict[str, Any]]] = [
    ("stETH/ETH", {"method": "dia_vwap", "window_s": 60, "sources": [{"venue": "okx"}, {"venue": "coinbase"}]}),
    ("weETH/ETH", {"method": "median", "filter": "none", "sources": [{"venue": "uniswap_v3"}]}),
    ("ETH/USD", {"method": "dia_ema", "sources": [{"venue": "binance"}, {"venue": "kraken"}]}),
    ("USDC/USDT", {"method": "twap_arithmetic", "window_s": 90}),
]


def markets(folder: Path, rounds: int = ROUNDS) -> Markets:
    made = Markets(folder / "o.db")
    made.play(0, rounds)
    return made


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Markets:
    return markets(tmp_path_factory.mktemp("live"))


def test_the_feeds_own_question_is_its_indication(process: Markets) -> None:
    moments = process.moments(later_ms=4_300)
    for feed in process.resolved.specs:
        shown, found = moments.live.get(feed), process.asked(feed, moments)
        assert shown is not None
        assert found["live"]
        assert not found["signed"]
        assert not found["as_published"]
        assert found["computed_at_ms"] == process.now_ms
        assert faults(found, SCHEMAS["QueryAnswer"]) == []
        point, spread = found["answer"], shown.report.spread_bps
        assert (point["price"], point["status"], point["spread_bps"]) == (
            wad_text(shown.price_wad), shown.report.status.word, spread,
        )  # fmt: skip
        assert {i["source"] for i in point["inputs"] if i["age_ms"] > 0} == {
            s.name for s in process.resolved.specs[feed].sources
        }
        assert any("of one moment and of no round" in text for text in found["limits"])


def test_any_other_question_is_what_a_round_of_this_moment_would_come_to(tmp_path: Path) -> None:
    """Two exchanges have been silent for 30 s at the newest round: the moment after it halts."""
    process = markets(tmp_path, ROUNDS - 4)
    process.silent = {"gemini", "bitget"}
    process.play(ROUNDS - 4, 3)
    moments = process.moments(later_ms=7_000)
    live = [process.asked(feed, moments, **q)["answer"] for feed, q in CHOICES]
    process.make(process.now_ms // MS)
    for (feed, question), now in zip(CHOICES, live, strict=True):
        then = process.asked(feed, **question)["answer"]
        assert now | {"round": then["round"]} == then
        assert now["price"] is not None
    assert [leg["feed"] for leg in live[0]["legs"]] == ["ETH/USD"]


def test_time_goes_on_for_the_judge_between_the_newest_round_and_the_moment(tmp_path: Path) -> None:
    process = markets(tmp_path, 10)
    process.silent = {"binance", "okx"}
    process.play(10, 4)
    question: dict[str, Any] = {"method": "median"}
    assert process.asked("USDC/USDT", **question)["answer"]["status"] == "ok"
    found = process.asked("USDC/USDT", process.moments(later_ms=9_000), **question)["answer"]
    assert (found["status"], found["price"]) == ("ok", None)
    found = process.asked("USDC/USDT", process.moments(later_ms=12_000), **question)["answer"]
    assert (found["status"], found["price"]) == ("halt", None)
    assert {i["source"] for i in found["inputs"] if i["fault"] and i["age_ms"] is None} == {"binance", "okx"}


def test_a_trade_counts_once_also_if_rounds_are_made_while_the_question_is_answered(tmp_path: Path) -> None:
    process = markets(tmp_path)
    moments = process.moments(later_ms=4_300)

    def meanwhile(reads: int) -> None:
        if reads == 3:
            process.make(process.round_s + INTERVAL_S)
            process.now_ms += INTERVAL_S * MS

    found = process.asked("USDC/USDT", moments, after_read=meanwhile, method="dia_vwap", window_s=60)
    assert found["judged_until"] == S0 + ROUNDS * INTERVAL_S
    assert process.asked_after == {"USDC/USDT": [found["judged_until"] * MS]}
    told = [
        t
        for s in process.resolved.specs["USDC/USDT"].sources
        for t in trades(s, process.now_ms - 60_000, process.now_ms)
    ]
    assert found["answer"]["price"] == wad_text(
        sum(t.price_wad * t.volume_wad for t in told) // sum(t.volume_wad for t in told)
    )


def test_sources_are_chosen_by_their_depth_of_now(process: Markets) -> None:
    """That of coinbase becomes less with the time."""
    deep: dict[str, Any] = {"sources": [{"min_depth": "58"}], "method": "dia_vwap"}
    assert "coinbase" in process.asked("ETH/USD", from_s=S0, to_s=process.round_s, **deep)["sources"]
    now = process.asked("ETH/USD", process.moments(later_ms=300), **deep)["sources"]
    assert now == ["kraken", "gemini", "binance"]


def test_what_a_live_answer_does_not_remember_is_said(tmp_path: Path, process: Markets) -> None:
    fresh = Markets(tmp_path / "new.db")
    found = fresh.asked("USDT/USD", fresh.moments(later_ms=0))
    assert (found["rounds"], found["operator"], found["judged_since"]) == (0, None, None)
    assert found["answer"]["price"] is not None
    assert any("no round of the time before is stored" in text for text in found["limits"])
    with pytest.raises(QuestionRefused, match="no round of USDT/USD is stored: run the oracle first"):
        fresh.asked("USDT/USD")
    late = process.asked("USDT/USD", process.moments(later_ms=100_000), method="twap_arithmetic")
    gap = f"no round is stored between {process.round_s} and {process.round_s + 100}"
    assert any(gap in text for text in late["limits"])
    assert not any(
        "no round is stored" in t for t in process.asked("USDT/USD", process.moments(later_ms=900))["limits"]
    )


def test_of_stored_rounds_an_answer_says_so_and_live_is_refused_where_there_is_no_process(process: Markets) -> None:
    stored = process.asked("USDT/USD")
    assert not stored["live"]
    assert any(f"of round {process.round_s}, the newest that is stored" in text for text in stored["limits"])
    asked = process.asked("USDT/USD", process.moments(later_ms=5_000), live=False)
    assert asked["answer"] == stored["answer"]
    assert "live, and not signed" in answer_lines(process.asked("ETH/USD", process.moments(later_ms=5_000)))[0]
    with pytest.raises(QuestionRefused, match="a database alone: ask the process with --url"):
        process.asked("USDT/USD", live=True)
    with pytest.raises(QuestionRefused, match=r"live: is of this moment, and from_s, step_s of stored rounds"):
        parsed({"base": "USDT", "quote": "USD", "live": True, "from_s": S0, "step_s": 10})
    with pytest.raises(QuestionRefused, match="true or false"):
        parsed({"base": "USDT", "quote": "USD", "live": 1})
