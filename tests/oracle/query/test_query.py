"""A question is answered by the feed's own fold and judge, from what is stored, within bounds, and says what it does not claim."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from feeds.units import wad_text
from oracle.config.resolve import ResolvedConfig, resolve
from oracle.config.sections import parse
from oracle.model.types import Abstained
from oracle.query.as_feed import as_feed
from oracle.query.plan import QueryLimits, planned
from oracle.query.question import TOO_COSTLY, QuestionRefused, parsed
from tests.oracle.query.query_world import FEED, INTERVAL_S, S0, asked, filled, table, world

ROUNDS = 90
END = S0 + (ROUNDS - 1) * INTERVAL_S
SERIES = {"from_s": S0 + 30 * INTERVAL_S, "to_s": END, "step_s": INTERVAL_S}


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ResolvedConfig, dict[int, Any]]:
    path, resolved = tmp_path_factory.mktemp("query") / "o.db", world(method="ema")
    made = filled(path, resolved, ROUNDS)
    return path, resolved, {r.round_time_s: r for r in made}


def test_the_feeds_own_question_gives_what_was_published(stored: Any) -> None:
    path, resolved, made = stored
    found = asked(path, resolved, SERIES)
    assert found["as_published"]
    assert len(found["points"]) == ROUNDS - 30
    for point in found["points"]:
        result = made[point["round"]]
        if isinstance(result, Abstained):
            assert (point["price"], point["status"]) == (None, result.status.word)
            assert point["why"] == f"{result.why.name}: {result.text}"
            continue
        assert point["status"] == result.report.status.word
        if result.report.repeats_prices:
            assert point["price"] is None
            continue
        assert point["price"] == wad_text(result.report.market_wad)
        assert point["spread_bps"] == result.report.spread_bps
        assert [u["source"] for u in point["used"]] == [u.source for u in result.market.used]
        assert [r["source"] for r in point["rejected"]] == [r.source for r in result.market.rejected]
    assert any(p["rejected"] for p in found["points"])
    assert {p["status"] for p in found["points"]} == {"ok", "halt"}
    assert any(p["price"] is None and p["why"] is None for p in found["points"]), "a halt goes on after the silence"


def test_reading_in_parts_changes_nothing(stored: Any) -> None:
    path, resolved, _ = stored
    question = {**SERIES, "method": "twap_arithmetic", "window_s": 120}
    assert asked(path, resolved, question, QueryLimits(at_once=7)) == asked(path, resolved, question)


def test_no_source_is_chosen_by_a_depth_that_came_later(stored: Any) -> None:
    """Coinbase's depth is 400, 200, 133 and 400 again in the rounds that follow each other."""
    path, resolved, _ = stored
    by_depth = {"sources": [{"min_depth": "250"}]}
    at = [S0 + n * INTERVAL_S for n in (60, 61)]
    deep, thin = (asked(path, resolved, {**by_depth, "from_s": t, "to_s": END}) for t in at)
    assert deep["sources"] == ["coinbase", "kraken"]
    assert thin["sources"] == ["kraken"]
    with pytest.raises(QuestionRefused, match=r"no source is as deep .*coinbase with 400"):
        asked(path, resolved, {"sources": [{"min_depth": "9000"}], "from_s": at[0], "to_s": END})


def test_one_group_alone_is_at_best_watch(stored: Any) -> None:
    path, resolved, _ = stored
    found = asked(path, resolved, {**SERIES, "sources": [{"venue": "kraken"}]})
    last = next(p for p in found["points"] if p["price"])
    assert last["status"] == "watch"
    assert [u["source"] for u in last["used"]] == ["kraken"]
    assert any("one group alone" in text for text in found["limits"])
    assert not found["signed"]
    assert not found["as_published"]


def test_the_block_of_a_question_gives_the_same_price_from_the_same_inputs(stored: Any) -> None:
    path, resolved, _ = stored
    question = {
        "base": "ETH", "quote": "USD", "method": "trimmed_mean", "filter": "iqr",
        "sources": [{"venue": "coinbase"}, {"group": "kraken"}, {"name": "gemini"}],
    }  # fmt: skip
    block = as_feed(planned(resolved, parsed(question)))
    both = table(method="ema")
    both["feeds"] |= tomllib.loads(block)["feeds"]
    again = resolve(parse(both)).specs[f"{FEED}#asked"]
    meant = planned(resolved, parsed(question)).spec
    assert {f: getattr(again, f) for f in again.__dataclass_fields__ if f != "feed"} == {
        f: getattr(meant, f) for f in meant.__dataclass_fields__ if f != "feed"
    }
    alone = resolve(parse({**table(), "feeds": {FEED: tomllib.loads(block)["feeds"][f"{FEED}#asked"]}}))
    shown = [asked(path, r, {**SERIES, **extra}) for r, extra in ((alone, {}), (resolved, question))]
    assert shown[0]["points"] == shown[1]["points"]
    assert sum(p["price"] is not None for p in shown[0]["points"]) > len(shown[0]["points"]) // 2


@pytest.mark.parametrize(
    ("question", "says"),
    [
        ({"metod": "median"}, "did you mean 'method'"),
        ({"method": "medain"}, "did you mean 'median'"),
        ({"filter": "mid"}, "did you mean 'mad'"),
        ({"base": "ETC"}, "there is no feed 'ETC/USD': did you mean 'ETH/USD'"),
        ({"method": "dia_mair"}, "dia_mair is made of trades, and the rounds of ETH/USD keep none"),
        ({"method": "mean", "filter": "none"}, "moved by a single bad source"),
        ({"sources": [{"venue": "binance"}]}, r"sources\[0\] is no source of the feed: it has: coinbase"),
        ({"sources": [{}]}, "nothing is written"),
        ({"sources": [{"name": "kraken"}] * 65}, "at most 64"),
        ({"from_s": 20, "to_s": 10}, "swap them"),
        ({"step_s": 10}, "write from_s"),
        ({"step_s": 0, "from_s": 1}, "step_s"),
        ({"window_s": "60"}, "window_s"),
        ({"to_s": S0 - 1}, "are kept with their inputs from"),
        ({"from_s": END + 10, "to_s": END + 20}, "are kept with their inputs from"),
        ({"from_s": S0, "to_s": END, "step_s": 1, "method": "huber"}, "891 prices are more than 200: write step_s = 5"),
    ],
)
def test_a_question_that_cannot_be_answered_says_what_to_ask(stored: Any, question: dict[str, Any], says: str) -> None:
    path, resolved, _ = stored
    with pytest.raises(QuestionRefused, match=says):
        asked(path, resolved, question, QueryLimits(points=200))


def test_cost_is_counted_before_anything_is_folded(stored: Any) -> None:
    path, resolved, _ = stored
    with pytest.raises(QuestionRefused, match=r"70 rounds .* 10 of them .* 50 is the most: ask a time of about 393 s"):
        asked(path, resolved, {**SERIES, "step_s": 100}, QueryLimits(rounds=50))
    with pytest.raises(QuestionRefused, match=r"ask a window_s or a method that looks back less far"):
        asked(path, resolved, {"window_s": 600, "method": "twap_arithmetic", "to_s": END}, QueryLimits(rounds=50))


def test_the_reader_s_seconds_are_bounded_part_by_part(stored: Any) -> None:
    """With no millisecond allowed the first part is read, and nothing after it."""
    path, resolved, _ = stored
    with pytest.raises(
        QuestionRefused, match=r"7 of \d\d rounds took \d+ ms, and -1 is the most: ask a shorter time"
    ) as e:
        asked(path, resolved, SERIES, QueryLimits(at_once=7, cpu_ms=-1))
    assert e.value.code == TOO_COSTLY


def test_what_is_no_longer_kept_is_said_and_not_guessed(stored: Any) -> None:
    path, resolved, _ = stored
    early = asked(path, resolved, {"to_s": END + 1_000})
    assert early["to"] == early["answer"]["round"] == END
    assert any(f"nothing is known yet of {END + 1_000}" in text for text in early["limits"])
    question = {"from_s": S0 - 100, "to_s": S0 + 50, "step_s": 50}
    found = asked(path, resolved, question)
    assert [p["round"] for p in found["points"]] == [None, None, S0, S0 + 50]
    assert f"rounds before {S0} are not kept with their inputs" in found["limits"]
    assert any("are missing, in which windows and dwells fill" in text for text in found["limits"])
