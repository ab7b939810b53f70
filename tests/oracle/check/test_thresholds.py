"""What an operator can price without some sources is what its rounds price; and what too few can price is refused."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from feeds.types import Kind, Observation
from oracle.check.thresholds import shortfalls, unpriced_feed_problems
from oracle.config.resolve import ResolvedConfig, resolve, subset
from oracle.config.sections import parse
from oracle.config.tables.operator_sections import OperatorSection
from oracle.model.state import FeedState
from oracle.round.rounds import Member, Rounds
from oracle.sign.eip712 import Domain
from oracle.sign.messages import SignerSet
from tests.oracle.oracle_build import T0, wad

RATE = {
    "type": "rate_call", "name": "rate", "kind": "redemption", "chain": "local", "contract": "0x" + "11" * 20,
    "function": "f()",
}  # fmt: skip
TABLE = {
    "chains": {"local": {"chain_id": 1, "endpoints": ["http://127.0.0.1:1"]}},
    "feeds": {
        "ETH/USD": {"sources": [{"type": "coinbase", "symbol": "ETH-USD"}, {"type": "kraken", "symbol": "ETH/USD"}]},
        "wX/ETH": {
            "mode": "min",
            "sources": [
                {"type": "coinbase", "symbol": "WX-ETH"},
                {"type": "kraken", "symbol": "WX/ETH"},
                {"type": "bitstamp", "name": "binance", "symbol": "wxusd", "pair": "wX/USD", "convert": "ETH/USD"},
                {"type": "okx", "symbol": "WX-ETH", "name": "second"},
                RATE,
            ],
        },
        "X/ETH": {"mode": "min", "share_of": "wX/ETH"},
        "wX/USD": {"mode": "min", "legs": ["wX/ETH", "ETH/USD"]},
        "wX/ETH#rate": {"mode": "redemption", "sources": [RATE]},
    },
}
WHOLE = resolve(parse(TABLE))
WORDS = ["coinbase", "kraken", "binance", "okx", "second", "rate", "chain:local", "nobody"]
PRICES = {"ETH/USD": "2000", "wX/USD": "2080", "wX/ETH": "1.04"}
left_out = st.lists(st.sampled_from(WORDS), max_size=4, unique=True)
KEYS = [bytes([n]) * 20 for n in (1, 2, 3)]


def asking_for(least: int) -> ResolvedConfig:
    """The same feeds, of which wX/ETH asks for so many groups."""
    own = replace(WHOLE.specs["wX/ETH"], min_groups=least)
    return replace(WHOLE, specs={**WHOLE.specs, "wX/ETH": own})


def priced(whole: ResolvedConfig, without: list[str]) -> set[str]:
    """Feeds with a price in a real round of such an operator, when all sources answer."""
    said = {
        f: [
            Observation(
                pair=s.pair, source=s.name, group=s.group, kind=s.kind, observed_at_ms=T0,
                price_wad=wad("1.05" if s.kind is Kind.REDEMPTION else PRICES[str(s.pair)]),
            )
            for s in spec.sources
        ]
        for f, spec in whole.specs.items()
    }  # fmt: skip
    specs = {f: subset(s, without) for f, s in whole.specs.items()}
    member = Member(name="a", specs=specs, states={f: FeedState() for f in specs})
    rounds = Rounds(whole.specs, [member])
    return {r.feed for r in rounds.finish(rounds.fold(T0 // 1_000, said, now_ms=T0), {}).records}


def test_whoever_leaves_nothing_out_can_price_all() -> None:
    assert priced(WHOLE, []) == set(WHOLE.specs)
    assert set(shortfalls(WHOLE, []).values()) == {""}


@given(left_out, st.integers(1, 4))
def test_an_operator_can_price_exactly_what_its_rounds_price(without: list[str], least: int) -> None:
    """The law: also through a conversion, a share token and a product."""
    whole = asking_for(least)
    assert {f for f, what in shortfalls(whole, without).items() if not what} == priced(whole, without)


@given(
    st.lists(left_out, min_size=3, max_size=3), st.lists(st.integers(1, 3), min_size=3, max_size=3), st.integers(1, 9)
)
def test_a_feed_is_refused_exactly_if_those_that_can_price_it_are_below_the_threshold(
    without: list[list[str]], weights: list[int], threshold: int
) -> None:
    here = [
        (OperatorSection(name=f"op{i}", keyfile="k", journal="j", without=tuple(w)), KEYS[i])
        for i, w in enumerate(without)
    ]
    signers = SignerSet(
        domain=Domain(chain_id=1, store=b"\x55" * 20), epoch=1, threshold=threshold, signers=tuple(KEYS), weights=tuple(weights)
    )  # fmt: skip
    able = [priced(WHOLE, w) for w in without]
    short = {f for f in WHOLE.pushed if sum(w for w, a in zip(weights, able, strict=True) if f in a) < threshold}
    assert {p.key for p in unpriced_feed_problems(WHOLE, "t", signers, here)} == {f'feeds."{f}"' for f in short}


def test_a_refusal_says_who_lacks_what() -> None:
    keys = ["coinbase", "kraken"], ["chain:local"], ["nobody"]
    here = [
        (OperatorSection(name=f"op{i}", keyfile="k", journal="j", without=tuple(w)), KEYS[i])
        for i, w in enumerate(keys)
    ]
    signers = SignerSet(
        domain=Domain(chain_id=1, store=b"\x55" * 20), epoch=1, threshold=2, signers=tuple(KEYS), weights=(1, 1, 1)
    )  # fmt: skip
    said = {p.key: p.text for p in unpriced_feed_problems(WHOLE, "t", signers, here)}
    assert said['feeds."wX/ETH"'].startswith(
        "the operators that can price it have weight 1, a push to t needs 2: it is never pushed. op0 is left with 1 of 2 groups"
        " (okx), op1 is left without a redemption rate:"
    )
    assert "op0 is left without wX/ETH, op1 is left without wX/ETH" in said['feeds."X/ETH"']
    assert set(said) == {'feeds."wX/ETH"', 'feeds."X/ETH"'}, "op0 has the rate, op1 the venues, op2 both"
