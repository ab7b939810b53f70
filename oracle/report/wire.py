"""Wire: a report's 30-byte item and its 256-bit slot. The mirror of PriceStore.sol.

Item, big endian: index 2 | market 11 | redemption 11 | spread_bps 2 | status 1 | market_age_s 2 | redemption_age_h 1.
The status byte is reason class 4 | status only 1 | state 3.
Slot: the item's 28 bytes after the index, then round_time in the low 32 bits. There the bit of "status only" is the one of a
pause, and the two above the spread's 14 say whose prices are held (docs/adr/0004).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from types import MappingProxyType

from feeds.units import Bps, Wad
from oracle.model.status import Status, Why
from oracle.model.types import Report

ITEM_BYTES = 30
MAX_PRICE = (1 << 88) - 1
MAX_U16 = (1 << 16) - 1
MAX_SPREAD_BPS = (1 << 14) - 1
MAX_U8 = (1 << 8) - 1
_LOW = 0x0F
_STATE = 0x07
_STATUS_ONLY = 0x08


def encode_item(index: int, report: Report) -> bytes:
    """The 30 bytes of one feed in a batch."""
    return b"".join(
        (
            index.to_bytes(2, "big"),
            report.market_wad.to_bytes(11, "big"),
            report.redemption_wad.to_bytes(11, "big"),
            report.spread_bps.to_bytes(2, "big"),
            (report.why.klass << 4 | report.status_only << 3 | report.status).to_bytes(1, "big"),
            report.market_age_s.to_bytes(2, "big"),
            report.redemption_age_h.to_bytes(1, "big"),
        )
    )


def decode_item(item: bytes, round_time_s: int) -> tuple[int, Report]:
    """Read 30 bytes back into (index, report); ValueError if they are not an item."""
    if len(item) != ITEM_BYTES:
        raise ValueError(f"an item has {ITEM_BYTES} bytes, not {len(item)}")
    report = decode_slot(int.from_bytes(item[2:], "big") << 32 | round_time_s)
    return int.from_bytes(item[:2], "big"), replace(report, status_only=bool(item[26] & _STATUS_ONLY))


def encode_items(reports: Mapping[int, Report]) -> bytes:
    """Items of several feeds, ascending by index."""
    return b"".join(encode_item(index, reports[index]) for index in sorted(reports))


def split_items(items: bytes) -> dict[int, bytes]:
    """Items by feed index, not decoded; ValueError if the length is wrong or a feed is listed twice."""
    if len(items) % ITEM_BYTES:
        raise ValueError(f"{len(items)} bytes are not a whole number of {ITEM_BYTES}-byte items")
    parts = [items[i : i + ITEM_BYTES] for i in range(0, len(items), ITEM_BYTES)]
    by_index = {int.from_bytes(p[:2], "big"): p for p in parts}
    if len(by_index) != len(parts):
        raise ValueError("a feed is listed twice in the items")
    return by_index


@lru_cache(maxsize=64)
def decode_items(items: bytes, round_time_s: int) -> Mapping[int, Report]:
    """Reports by feed index; ValueError as `split_items`, and for a state that does not exist.

    Pure, and kept: the same bytes are decoded once, no matter who asks.
    """
    return MappingProxyType({index: decode_item(item, round_time_s)[1] for index, item in split_items(items).items()})


def encode_slot(report: Report) -> int:
    """The 256-bit word that the store keeps of a report whose prices it takes."""
    return int.from_bytes(encode_item(0, replace(report, status_only=False))[2:], "big") << 32 | report.round_time_s


def decode_slot(word: int) -> Report:
    """Read the store's word; ValueError for a state that does not exist."""
    return Report(
        market_wad=Wad(word >> 168),
        redemption_wad=Wad(word >> 80 & MAX_PRICE),
        spread_bps=Bps(word >> 64 & MAX_SPREAD_BPS),
        status=Status(word >> 56 & _STATE),
        why=Why(word >> 60 & _LOW),
        round_time_s=word & 0xFFFFFFFF,
        market_age_s=word >> 40 & MAX_U16,
        redemption_age_h=word >> 32 & MAX_U8,
    )
