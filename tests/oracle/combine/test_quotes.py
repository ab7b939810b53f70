"""Any method over quotes in JSON."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feeds.decode import values
from oracle.combine.methods.registry import METHODS, OUTLIERS
from oracle.combine.quotes import QuotesError, combine_quotes
from oracle.model.spec import Tuning

QUOTES = [
    {"source": "coinbase", "price": "1.0501", "bid": "1.0499", "ask": "1.0503", "depth": "900", "volume": "100"},
    {"source": "kraken", "price": "1.0499", "depth": "300", "volume": "50", "at_ms": 1_000},
    {"source": "binance", "price": "0.2012", "depth": "5000", "volume": "90000"},
]


@pytest.mark.parametrize("method", METHODS)
def test_every_method_gives_a_price_between_the_good_ones_once_the_bad_one_is_filtered(method: str) -> None:
    got = combine_quotes(QUOTES, method, "mad", 50).document()
    assert 1.0499 <= float(got["price"]) <= 1.0501
    assert [(r["source"], r["code"]) for r in got["rejected"]] == [("binance", "OUTLIER")]
    assert {u["group"] for u in got["used"]} == {"coinbase", "kraken"}
    assert sum(u["weight_bps"] for u in got["used"]) in (9_999, 10_000)
    json.dumps(got)


def test_without_a_filter_the_mean_is_dragged_and_the_median_is_not() -> None:
    assert combine_quotes(QUOTES, "mean").document()["price"].startswith("0.767")
    assert combine_quotes(QUOTES, "median").document()["price"] == "1.049900000000000000"


def test_a_quotes_own_weight_counts_in_the_weighted_median() -> None:
    """1, 1, 1, 1 and 3, which is held to the third that is 2: half of the weight lies exactly between 3 and 4."""
    rows = [{"price": str(k), "weight": 1 if k < 5 else 3} for k in range(1, 6)]
    assert combine_quotes(rows, "weighted_median").document()["price"] == "3.500000000000000000"
    assert combine_quotes(rows, "median").document()["price"] == "3.000000000000000000"


def test_sources_of_one_group_count_once() -> None:
    rows = [{"source": f"pool{k}", "group": "chain:1", "price": "1.2"} for k in range(5)] + [
        {"price": "1"},
        {"price": "1"},
    ]
    assert combine_quotes(rows, "median").document()["price"] == "1.000000000000000000"


def test_the_confidence_holds_disagreement_own_spread_and_age() -> None:
    got = combine_quotes(QUOTES[:2], "median", tuning=Tuning(drift_bps_day=0))
    assert (got.disagree_bps, got.spread_bps) == (1, 3)


@pytest.mark.parametrize(
    ("row", "code"),
    [
        ({"price": "0"}, "NOT_POSITIVE"), ({"price": "NaN"}, "MALFORMED"), ({"price": None}, "MALFORMED"), ({}, "MALFORMED"),
        ({"price": "1", "prise": "1"}, "MALFORMED"), ("1.05", "MALFORMED"), (None, "MALFORMED"), ({"price": True}, "MALFORMED"),
        ({"price": "1", "weight": 0}, "MALFORMED"), ({"price": "1", "at_ms": -1}, "MALFORMED"),
        ({"price": "1", "weight": "2"}, "MALFORMED"), ({"price": "1", "depth": "-1"}, "NOT_POSITIVE"),
        ({"price": "1", "source": "coinbase"}, "MALFORMED"), ({"price": "1e30"}, "OUT_OF_RANGE"),
    ],
)  # fmt: skip
def test_a_bad_quote_is_refused_by_itself_with_its_code(row: object, code: str) -> None:
    got = combine_quotes([*QUOTES[:2], row], "median")
    assert [r.code for r in got.rejected] == [code]
    assert len(got.used) == 2


@pytest.mark.parametrize(
    ("quotes", "method", "outliers", "text"),
    [
        (QUOTES, "medain", None, "did you mean 'median'"),
        (QUOTES, "median", "mda", "did you mean 'mad'"),
        ({"price": "1"}, "median", None, "write a list of quotes"),
        ([], "median", None, "the list is empty"),
        ([{"price": "0"}], "median", None, "no quote can be used: 0 NOT_POSITIVE"),
    ],
)
def test_what_can_not_be_used_says_what_to_write(quotes: object, method: str, outliers: str | None, text: str) -> None:
    with pytest.raises(QuotesError, match=text):
        combine_quotes(quotes, method, outliers)  # type: ignore[arg-type]


@given(
    body=st.lists(
        st.dictionaries(
            st.sampled_from(["source", "group", "price", "bid", "ask", "depth", "volume", "weight", "at_ms", "recent"]),
            st.none()
            | st.booleans()
            | st.integers()
            | st.text(max_size=5)
            | st.sampled_from(["1", "1.05", "0.2", "1e9"]),
        ),
        max_size=6,
    ),
    method=st.sampled_from(sorted(METHODS)),
    outliers=st.none() | st.sampled_from(sorted(OUTLIERS)),
)
def test_whatever_the_file_holds_the_answer_is_a_price_or_a_sentence(
    body: object, method: str, outliers: str | None
) -> None:
    rows = values.load(json.dumps(body))
    try:
        got = combine_quotes(rows, method, outliers, 50)
    except QuotesError:
        return
    assert got.price_wad > 0
    json.dumps(got.document())
