"""What the store holds of a feed beside its slot: where in its storage, and how the words read. Pure.

docs/contracts.md has the layout.
"""

from __future__ import annotations

from oracle.chain.store_rules import Gap, HeldPrice, HeldWords, opened_by
from oracle.report.wire import decode_slot

_LOW_32 = 0xFFFFFFFF
_LOW_88 = (1 << 88) - 1
_GAPS = 65_536  # storage place of the first gap: behind the slots
_HELD = (131_072, 196_608)  # of the first held market price and the first held redemption rate
_HELD_BITS = (1 << 79, 1 << 78)


def places(index: int) -> tuple[int, ...]:
    """Storage places of a feed's slot, gap, held market price and held redemption rate."""
    return (index, _GAPS + index, *(first + index for first in _HELD))


def read_words(slot: int, gap: int, *held: int) -> HeldWords:
    """Read the words at :func:`places`."""
    prices = [_held_price(word) if slot & bit else None for word, bit in zip(held, _HELD_BITS, strict=True)]
    return HeldWords(market=prices[0], redemption=prices[1], gap=_gap(slot, gap))


def is_empty(slot: int) -> bool:
    """Whether nothing was pushed into the slot yet: it has no round."""
    return not slot & _LOW_32


def _held_price(word: int) -> HeldPrice:
    """From its word: price 88 | above 1 | 71 unused | priceAt 32 | since 32 | trueAt 32."""
    return HeldPrice(
        true_at_s=word & _LOW_32,
        since_s=word >> 32 & _LOW_32,
        price_at_s=word >> 64 & _LOW_32,
        above=bool(word >> 167 & 1),
        price_wad=word >> 168,
    )


def _gap(slot: int, word: int) -> Gap | None:
    """The gap that holds for a token, over or not.

    The one in its word (market 88 | redemption 88 | 16 unused | openedAt 32 | last 32) if that is of the last write, else the
    one that the last write opened, if it took a price.
    """
    if is_empty(slot):
        return None
    if word & _LOW_32 == slot & _LOW_32:
        return Gap(opened_s=word >> 32 & _LOW_32, market_wad=word >> 168, redemption_wad=word >> 80 & _LOW_88)
    prices = (slot >> 168, slot >> 80 & _LOW_88)
    took = any(price and not slot & bit for price, bit in zip(prices, _HELD_BITS, strict=True))
    return opened_by(decode_slot(slot)) if took else None
