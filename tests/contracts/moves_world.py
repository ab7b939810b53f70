"""A store whose token was just priced, moved by the first signer set, and read from the raw words of storage."""

from __future__ import annotations

from hypothesis import strategies as st

from oracle.sign.eip712 import batch_bytes
from tests.contracts.evm_process import LIMITS
from tests.contracts.set_models import WAD
from tests.contracts.store_words import LOW_32, PRICE
from tests.contracts.whole_set import BOTH, FIRST_SET, WholeSet, packed

GAP_S, STEP_BPS, WAIT_S = LIMITS[0].min_gap_s, LIMITS[0].step_bps, LIMITS[0].step_wait_s
WEAK = (0, 1)
"""Weight 5 of 9: the threshold, and less than the step threshold."""
STRONG = tuple(range(5))
GAPS_AT, HELD_AT, FIELD = 65_536, 131_072, 65_536
MARKET_HELD, RATE_HELD = 1 << 79, 1 << 78
HALT, KEPT_WATCH = 4, 8 | 2


def begun(index: int = BOTH, market: int = WAD, rate: int = WAD) -> WholeSet:
    """A set whose token was priced at a moment that is the present one; its gap is open."""
    made = WholeSet()
    made.evm.jump(1_000)
    assert not push(made, made.evm.now, packed(index, (market, rate)), STRONG)
    return made


def push(whole: WholeSet, at: int, items: bytes, who: tuple[int, ...] = WEAK) -> str:
    """Push by the first set; the error, which is the model's."""
    return whole.push(whole.sign(batch_bytes(1, at, items), FIRST_SET, who))


def round_of(
    whole: WholeSet, market: int, rate: int = WAD, status: int = 1, after_s: int = 0, who: tuple[int, ...] = WEAK
) -> int:
    """A round of the token with both prices after some seconds; its time."""
    whole.evm.jump(after_s)
    assert not push(whole, whole.evm.now, packed(BOTH, (market, rate), status), who)
    return whole.evm.now


def stored(whole: WholeSet, place: int) -> int:
    return int(whole.evm.evm.storage(whole.store, place))


def slot(whole: WholeSet, index: int = BOTH) -> int:
    return stored(whole, index)


def market(whole: WholeSet, index: int = BOTH) -> int:
    return slot(whole, index) >> 168


def rate(whole: WholeSet, index: int = BOTH) -> int:
    return slot(whole, index) >> 80 & PRICE


def status(whole: WholeSet) -> int:
    return slot(whole) >> 56 & 0xFF


def true_at(whole: WholeSet, which: int, index: int = BOTH) -> int:
    """When the price in the slot was true, from the words alone."""
    word = slot(whole, index)
    if word & MARKET_HELD >> which:
        return stored(whole, HELD_AT + which * FIELD + index) & LOW_32
    return (word & LOW_32) - (0 if which else word >> 40 & 0xFFFF)


def times(price: int, bps: int) -> int:
    return price * (10_000 + bps) // 10_000


PACES = st.sampled_from([1, 1, 2, GAP_S - 1, GAP_S, GAP_S + 1, 30, 61])


BPS = st.sampled_from([0, 1, -1, 250, 500, -500, 501, -501, 900, -4_000])


TURNS = st.tuples(PACES, st.sampled_from([1, 2, 3, 1, 2, 3, HALT, KEPT_WATCH]), BPS, BPS)
