"""Ten questions of DIA's catalogue, asked of stored trades of local venues: each against the formula of its docs, written here once more."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from feeds.units import MS, wad_text
from oracle.config.resolve import ResolvedConfig
from oracle.query.plan import planned
from oracle.query.question import parsed
from tests.oracle.query.query_world import INTERVAL_S, S0, SYMBOLS, asked, filled, price_at, trades, world

ROUNDS = 60
LAST = ROUNDS - 1
TO = S0 + LAST * INTERVAL_S


@dataclass(frozen=True)
class Traded:
    """One trade as a venue told it."""

    market: str
    at_ms: int
    price: int
    volume: int


def block(end_s: int, size_s: int, venues: Sequence[str], since: int = 0) -> list[Traded]:
    """The trades of the last seconds before a time, in their order, of rounds since one."""
    told = [
        Traded(v, p.at_ms, p.price_wad, p.volume_wad)
        for number in range(since, ROUNDS)
        for v in venues
        for p in trades(v, number)
        if end_s * MS - size_s * MS < p.at_ms <= end_s * MS
    ]
    return sorted(told, key=lambda t: (t.at_ms, t.market))


def median(prices: Sequence[int]) -> int:
    ranked = sorted(prices)
    half = len(ranked) // 2
    return ranked[half] if len(ranked) % 2 else (ranked[half - 1] + ranked[half]) // 2


def inside(told: list[Traded]) -> list[Traded]:
    """IR: without what lies further than one and a half interquartile ranges outside of the quartiles."""
    ranked = sorted(t.price for t in told)
    half = len(ranked) // 2
    first, third = median(ranked[:half]), median(ranked[-half:])
    reach = -(-3 * (third - first) // 2)
    return [t for t in told if first - reach <= t.price <= third + reach]


def seconds(told: list[Traded]) -> list[Traded]:
    """One slot a market and second: its last price, its whole volume."""
    slots: dict[tuple[str, int], Traded] = {}
    for t in told:
        key = t.market, t.at_ms // MS
        slots[key] = Traded(t.market, t.at_ms, t.price, t.volume + (slots[key].volume if key in slots else 0))
    return list(slots.values())


def by_volume(told: list[Traded]) -> int:
    return sum(t.price * t.volume for t in told) // sum(t.volume for t in told)


def mean(told: list[Traded]) -> int:
    return sum(t.price for t in told) // len(told)


def last_prices(told: list[Traded]) -> int:
    """VWALP: each market's last price with all of its volume, those near the median alone."""
    lasts = {t.market: t.price for t in told}
    volumes = {m: sum(t.volume for t in told if t.market == m) for m in lasts}
    centre = median(list(lasts.values()))
    near = [m for m in lasts if abs(lasts[m] - centre) * 10_000 <= centre * 50]
    return sum(lasts[m] * volumes[m] for m in near) // sum(volumes[m] for m in near)


ALL = tuple(SYMBOLS)
Formula = Callable[[list[Traded]], int]
CATALOGUE: list[tuple[str, dict[str, Any], tuple[str, ...], int, Formula]] = [
    ("MAIR120, the default quotation", {"method": "dia_mair"}, ALL, 120, lambda b: by_volume(seconds(inside(b)))),
    ("MA120", {"method": "dia_ma"}, ALL, 120, lambda b: mean(seconds(b))),
    ("MEDIR120", {"method": "dia_medir"}, ALL, 120, lambda b: median([t.price for t in inside(b)])),
    ("VWAP120", {"method": "dia_vwap"}, ALL, 120, by_volume),
    ("VWAPIR120, the default of the on-chain service", {"method": "dia_vwapir"}, ALL, 120, lambda b: by_volume(inside(b))),
    ("VWALP", {"method": "dia_vwalp"}, ALL, 120, last_prices),
    (
        "MAIR120 of one exchange",
        {"method": "dia_mair", "sources": [{"venue": "kraken"}]},
        ("kraken",), 120, lambda b: by_volume(seconds(inside(b))),
    ),
    (
        "VWAPIR of two exchanges and blocks of five minutes",
        {"method": "dia_vwapir", "window_s": 300, "sources": [{"venue": "coinbase"}, {"venue": "kraken"}]},
        ("coinbase", "kraken"), 300, lambda b: by_volume(inside(b)),
    ),
    (
        "VWAP of what passes a threshold of liquidity",
        {"method": "dia_vwap", "sources": [{"min_depth": "18"}]},
        ("coinbase", "kraken", "gemini"), 120, by_volume,
    ),
]  # fmt: skip


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ResolvedConfig]:
    """Rounds of a feed whose own method is of trades."""
    path, resolved = tmp_path_factory.mktemp("dia") / "o.db", world(method="dia_mair", window_s=120)
    filled(path, resolved, ROUNDS, prints=True)
    return path, resolved


@pytest.mark.parametrize(
    ("question", "venues", "size_s", "formula"), [c[1:] for c in CATALOGUE], ids=[c[0] for c in CATALOGUE]
)
def test_a_question_of_the_catalogue_gives_what_its_formula_says(
    stored: tuple[Path, ResolvedConfig],
    question: dict[str, Any],
    venues: tuple[str, ...],
    size_s: int,
    formula: Formula,
) -> None:
    found = asked(*stored, {"to_s": TO, **question})
    assert found["answer"]["price"] == wad_text(formula(block(TO, size_s, venues)))
    assert found["sources"] == list(venues)


def test_ema_over_blocks_is_seeded_with_the_first_and_takes_two_in_eleven_of_each_next(
    stored: tuple[Path, ResolvedConfig],
) -> None:
    question = {"base": "ETH", "quote": "USD", "method": "dia_ema", "to_s": TO}
    assert planned(stored[1], parsed(question)).warm_up_s > LAST * INTERVAL_S, "all rounds are folded"
    times = range(S0, TO, 120)
    points = [mean(seconds(block(t, 120, ALL))) for t in times] + [mean(seconds(block(TO, 120, ALL)))]
    average = points[0]
    for point in points[1:]:
        average = (2 * point + 9 * average) // 11
    assert asked(*stored, {k: v for k, v in question.items() if k in ("method", "to_s")})["answer"][
        "price"
    ] == wad_text(average)


def test_a_median_over_markets_is_of_what_they_state(stored: tuple[Path, ResolvedConfig]) -> None:
    found = asked(*stored, {"to_s": TO, "method": "median", "filter": "none"})
    stated = [price_at(v, LAST) for v in ALL]
    assert found["answer"]["price"] == wad_text(median(stated))


def test_the_trades_hold_what_the_formulas_differ_by() -> None:
    """Trades far off that IR drops, two of a market in one second, volumes that differ."""
    told = block(TO, 120, ALL)
    assert 0 < len(inside(told)) < len(told)
    assert len(seconds(told)) < len(told)
    assert len({t.volume for t in told}) > 1
    assert len({f(told) for *_, f in CATALOGUE}) >= 6
