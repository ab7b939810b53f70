"""What a store holds, in the words of the API: own pushes with their transaction, others' without, crosses from legs."""

from __future__ import annotations

from dataclasses import replace

from feeds.units import WAD, Wad
from oracle.model.publication import PushRow, PushState
from oracle.model.types import Report
from oracle.push.onchain_view import OnchainView
from oracle.report.wire import encode_items
from tests.oracle.report.reports import report
from tests.oracle.round.round_world import SPECS

INDEXES = {"wdivETH/ETH": 0, "ETH/USD": 1}


def at(round_s: int, price: str) -> Report:
    return replace(report(price), round_time_s=round_s)


def row(round_s: int, why: str, **reports: Report) -> PushRow:
    return PushRow(
        id=round_s, target="t", chain_id=1, round_s=round_s, items=encode_items({int(k[1:]): r for k, r in reports.items()}),
        nonce=0, tx_hash=f"0x{round_s}", raw=b"", state=PushState.LANDED, made_ms=0, landed_ms=round_s * 1_000 + 7, why=why,
    )  # fmt: skip


def onchain_view() -> OnchainView:
    made = OnchainView("t", SPECS)
    made.set_indexes(INDEXES)
    return made


def test_own_pushes_have_their_transaction_and_others_none() -> None:
    store = {0: at(100, "1.04"), 1: at(100, "2000")}
    view = onchain_view()
    view.note_landed(row(100, "wdivETH/ETH: first; ETH/USD: status ok to watch", i0=store[0], i1=store[1]))
    shown = view.by_feed(store)
    assert (shown["ETH/USD"].tx_hash, shown["ETH/USD"].landed_at_ms) == ("0x100", 100_007)
    assert (shown["wdivETH/ETH"].why, shown["ETH/USD"].why) == ("first", "status ok to watch")
    assert view.by_feed(store) is shown, "made once for what was read"
    theirs = view.by_feed({0: store[0], 1: at(110, "2100")})
    assert theirs["wdivETH/ETH"] == shown["wdivETH/ETH"]
    assert (theirs["ETH/USD"].round_time_s, theirs["ETH/USD"].price_wad) == (110, 2_100 * WAD)
    assert (theirs["ETH/USD"].tx_hash, theirs["ETH/USD"].landed_at_ms, theirs["ETH/USD"].why) == (None, None, "")


def test_a_price_is_what_the_store_holds_and_not_what_was_sent() -> None:
    """The store kept its own price, because the new one was too far away, and took the time and the status."""
    view = onchain_view()
    view.note_landed(row(100, "", i1=at(100, "2400")))
    assert view.by_feed({1: at(100, "2000")})["ETH/USD"].price_wad == 2_000 * WAD


def test_a_cross_follows_the_leg_that_moved_last_and_needs_both() -> None:
    view = onchain_view()
    view.note_landed(row(100, "", i0=at(100, "1.04")))
    assert set(view.by_feed({0: at(100, "1.04")})) == {"wdivETH/ETH"}
    both = view.by_feed({0: at(100, "1.04"), 1: at(90, "2000")})["wdivETH/USD"]
    assert (both.round_time_s, both.price_wad, both.tx_hash) == (90, Wad(2_080 * WAD), "0x100")
    moved = view.by_feed({0: at(100, "1.04"), 1: at(110, "2100")})["wdivETH/USD"]
    assert (moved.round_time_s, moved.price_wad, moved.tx_hash) == (100, Wad(2_184 * WAD), None)


def test_what_a_reorganisation_brings_back_is_known_again_and_what_it_takes_is_gone() -> None:
    view = onchain_view()
    for round_s in (100, 110):
        view.note_landed(row(round_s, "", i1=at(round_s, "2000")))
    assert view.by_feed({1: at(110, "2000")})["ETH/USD"].tx_hash == "0x110"
    assert view.by_feed({1: at(100, "2000")})["ETH/USD"].tx_hash == "0x100"
    assert view.by_feed({}) == {}
    for round_s in range(120, 220, 10):
        view.note_landed(row(round_s, "", i1=at(round_s, "2000")))
    assert view.by_feed({1: at(100, "2000")})["ETH/USD"].tx_hash is None, "the memory is bounded"
