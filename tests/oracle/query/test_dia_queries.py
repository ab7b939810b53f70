"""Questions of DIA's catalogue, asked of stored trades and pools of a local process: each against its docs' formula, written here once more."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from feeds.units import MS, WAD, wad_text
from tests.oracle.query.markets_world import INTERVAL_S, S0, Markets, price_at, trades

ROUNDS = 50
TO = S0 + (ROUNDS - 1) * INTERVAL_S
STETH = "ethereum:0xae7ab96520DE3A18E5e111B5EaAb095312D7fE84"
WEETH = "ethereum:0xCd5fE23C85820F7B72D0926FC9b05b43E359b7ee"
POOLS = {"0.05%": "0x7A415B19932c0105c82FDB6b720bb01B0CC2CAe3", "0.01%": "0x202a6012894ae5c288ea824cbc8a9bfb26a49b93"}


@dataclass(frozen=True)
class Traded:
    """One trade as a venue told it, in the unit of the pair that is asked for."""

    market: str
    at_ms: int
    price: int
    volume: int


class Tape:
    """What was traded, as anybody could have written it down.

    Args:
        process: that heard it.
        pair: in whose unit.
    """

    def __init__(self, process: Markets, pair: str) -> None:
        spec = process.resolved.specs[pair]
        self._legs = {leg: self._course(process, leg) for leg in {s.convert for s in spec.sources if s.convert}}
        self._told = [
            Traded(s.name, p.at_ms, self._converted(p.price_wad, s.convert, p.at_ms, divide=s.divide), p.volume_wad)
            for s in spec.sources
            for p in trades(s, S0 * MS - 10_000, TO * MS)
        ]

    @staticmethod
    def _course(process: Markets, leg: str) -> dict[int, int]:
        """The other pair's own price in each round."""
        points = process.asked(leg, from_s=S0, to_s=TO, step_s=INTERVAL_S)["points"]
        return {p["round"]: int((p["price"] or "0").replace(".", "")) for p in points}

    def _converted(self, price: int, leg: str | None, at_ms: int, *, divide: bool) -> int:
        """By the price of the round in which the trade was heard: the first one after it."""
        if leg is None:
            return price
        heard_s = max(S0, -(-at_ms // (INTERVAL_S * MS)) * INTERVAL_S)
        by = self._legs[leg][heard_s]
        return (price * WAD // by if by else 0) if divide else price * by // WAD

    def block(self, end_s: int, size_s: int, venues: Sequence[str]) -> list[Traded]:
        """The trades of the last seconds before a time, in their order; without venues those of all."""
        told = [
            t
            for t in self._told
            if (not venues or t.market in venues) and t.at_ms <= end_s * MS < t.at_ms + size_s * MS
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
        place = (t.market, t.at_ms // MS)
        volume = t.volume + (slots[place].volume if place in slots else 0)
        slots[place] = Traded(t.market, t.at_ms, t.price, volume)
    return list(slots.values())


def by_volume(told: list[Traded]) -> int:
    return sum(t.price * t.volume for t in told) // sum(t.volume for t in told)


def mean(told: list[Traded]) -> int:
    return sum(t.price for t in told) // len(told)


def large(told: list[Traded]) -> list[Traded]:
    """TradeVolumeThreshold: without dust."""
    return [t for t in told if t.volume >= WAD]


def last_prices(told: list[Traded]) -> int:
    """VWALP: each market's last price with all of its volume, those near the median alone."""
    lasts = {t.market: t.price for t in told}
    volumes = {m: sum(t.volume for t in told if t.market == m) for m in lasts}
    centre = median(list(lasts.values()))
    near = [m for m in lasts if abs(lasts[m] - centre) * 10_000 <= centre * 50]
    return sum(lasts[m] * volumes[m] for m in near) // sum(volumes[m] for m in near)


def chosen(*venues: str) -> list[dict[str, str]]:
    return [{"venue": v} for v in venues]


Formula = Callable[[list[Traded]], int]
CATALOGUE: list[tuple[str, str, dict[str, Any], tuple[str, ...], int, Formula]] = [
    ("assetQuotation of a token by chain and address, MAIR120", f"{STETH}/ETH", {}, (), 120, lambda b: by_volume(seconds(inside(b)))),
    ("stETH in ether by MEDIR120", "stETH/ETH", {"method": "dia_medir"}, (), 120, lambda b: median([t.price for t in inside(b)])),
    (
        "stETH of chosen exchanges, blocks of one minute",
        "stETH/ETH", {"method": "dia_vwapir", "window_s": 60, "sources": chosen("okx", "bybit")}, ("okx", "bybit"), 60,
        lambda b: by_volume(inside(b)),
    ),
    (
        "stETH of the one exchange that trades it in dollars, in ether",
        "stETH/ETH", {"method": "dia_vwap", "sources": chosen("coinbase")}, ("coinbase",), 120, by_volume,
    ),
    ("two stable coins by VWAPIR, blocks of five minutes", "USDC/USDT", {"method": "dia_vwapir", "window_s": 300}, (), 300, lambda b: by_volume(inside(b))),
    ("two stable coins by VWALP", "USDC/USDT", {"method": "dia_vwalp"}, (), 120, last_prices),
    ("ether by MA120, the market in tether among them", "ETH/USD", {"method": "dia_ma"}, (), 120, lambda b: mean(seconds(b))),
    ("ether by VWAP above a TradeVolumeThreshold", "ETH/USD", {"method": "dia_vwap", "dust": "1"}, (), 120, lambda b: by_volume(large(b))),
    (
        "ether of what passes a LiquidityThreshold",
        "ETH/USD", {"method": "dia_vwap", "sources": [{"min_depth": "58"}]}, ("kraken", "gemini", "binance"), 120, by_volume,
    ),
]  # fmt: skip


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Markets:
    made = Markets(tmp_path_factory.mktemp("dia") / "o.db")
    made.silent.add("fluid weETH/ETH")
    made.play(0, ROUNDS)
    return made


def symbols(pair: str) -> str:
    return pair.replace(STETH, "stETH").replace(WEETH, "weETH")


@pytest.mark.parametrize(("pair", "question", "venues", "size_s", "formula"), [c[1:] for c in CATALOGUE], ids=[c[0] for c in CATALOGUE])  # fmt: skip
def test_a_question_of_the_catalogue_gives_what_its_formula_says(
    process: Markets, pair: str, question: dict[str, Any], venues: tuple[str, ...], size_s: int, formula: Formula
) -> None:
    found = process.asked(pair, to_s=TO, **question)
    told = Tape(process, symbols(pair)).block(TO, size_s, venues)
    assert found["answer"]["price"] == wad_text(formula(told))
    assert found["sources"] == list(venues or [s.name for s in process.resolved.specs[symbols(pair)].sources])


def test_blocks_that_overlap_are_a_series_with_steps_shorter_than_its_window(process: Markets) -> None:
    """BlockSizeSeconds 120, BlockShiftSeconds 30."""
    times = {"from_s": TO - 120, "to_s": TO, "step_s": 30}
    found = process.asked("stETH/ETH", method="dia_vwap", window_s=120, **times)["points"]
    tape = Tape(process, "stETH/ETH")
    assert [p["price"] for p in found] == [wad_text(by_volume(tape.block(p["at"], 120, ()))) for p in found]
    assert len({p["price"] for p in found}) == 5


def test_ema_over_blocks_is_seeded_with_the_first_and_takes_two_in_eleven_of_each_next(process: Markets) -> None:
    tape = Tape(process, "USDC/USDT")
    blocks = [tape.block(t, 120, ()) for t in (*range(S0, TO, 120), TO)]
    first, *others = (mean(seconds(b)) for b in blocks)
    average = first
    for point in others:
        average = (2 * point + 9 * average) // 11
    assert process.asked("USDC/USDT", method="dia_ema", to_s=TO)["answer"]["price"] == wad_text(average)


def test_a_restaked_token_is_priced_by_pools_that_are_named_by_their_address(process: Markets) -> None:
    """What a pool states stood still for its whole average."""
    stated = {s.name: price_at(s, TO * MS) for s in process.resolved.specs["weETH/ETH"].sources}
    for fee, address in POOLS.items():
        found = process.asked(f"{WEETH}/ETH", to_s=TO, method="median", sources=[{"pool": address}])
        assert found["sources"] == [f"uniswap_v3 WETH/weETH {fee}"]
        assert found["answer"]["price"] == wad_text(stated[found["sources"][0]])
    both = process.asked(
        "weETH/ETH", to_s=TO, method="median", filter="none", sources=[{"pool": p} for p in POOLS.values()]
    )
    assert both["answer"]["price"] == wad_text(median([stated[f"uniswap_v3 WETH/weETH {fee}"] for fee in POOLS]))
    assert both["answer"]["redemption"] == wad_text(stated["rate"])


def test_the_trades_hold_what_the_formulas_differ_by(process: Markets) -> None:
    """Trades far off that IR drops, two of a market in one second, volumes that differ, dust."""
    for pair in ("stETH/ETH", "USDC/USDT", "ETH/USD"):
        told = Tape(process, pair).block(TO, 120, ())
        assert 0 < len(inside(told)) < len(told)
        assert len(seconds(told)) < len(told)
        assert 0 < len(large(told)) < len(told)
        assert len({f(told) for *_, f in CATALOGUE}) >= 7
