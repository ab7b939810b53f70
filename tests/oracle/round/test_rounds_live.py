from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import coincurve
import pytest

from feeds.units import WAD
from oracle.config.resolve import subset
from oracle.model.state import FeedState
from oracle.model.status import Status
from oracle.round.live import Live
from oracle.round.rounds import Rounds
from oracle.round.seat import HomeStore, SignerSeat
from oracle.sign.eip712 import Domain, address_of
from oracle.sign.messages import SignerSet
from oracle.sign.operator import Operator
from oracle.sign.sign_journal import SignJournal
from tests.oracle.network.agreement_world import agreed_round, agreements_here
from tests.oracle.oracle_build import T0, spec, wad
from tests.oracle.round.round_world import ETH_USD, SPECS, member, observed, own_round


def test_a_round_without_operators_publishes_the_own_view_unsigned() -> None:
    rounds = Rounds(SPECS, [member()], None)
    done = own_round(rounds, T0 // 1_000, observed(), now_ms=T0)
    records = {r.feed: r for r in done.records}
    assert records["wdivETH/USD"].price_wad == wad("2080")
    assert records["wdivETH/USD"].legs == ("wdivETH/ETH", "ETH/USD")
    assert all(r.signed_at_ms is None and r.operators == ("local",) for r in done.records)
    assert {k.spec.feed for k in done.feeds} == {"wdivETH/ETH", "ETH/USD"}


def test_states_are_taken_over_only_once_the_round_is_stored() -> None:
    rounds = Rounds(SPECS, [member()], None)
    done = own_round(rounds, T0 // 1_000, observed(), now_ms=T0)
    assert rounds.members[0].states["ETH/USD"] == FeedState()
    rounds.commit(done)
    assert rounds.members[0].states["ETH/USD"] != FeedState()


def test_one_feed_that_abstains_takes_only_what_needs_it_along() -> None:
    rounds = Rounds(SPECS, [member()], None)
    given = observed()
    given["ETH/USD"] = []
    done = own_round(rounds, T0 // 1_000, given, now_ms=T0)
    assert [r.feed for r in done.records] == ["wdivETH/ETH"]
    assert set(done.abstained) == {"ETH/USD"}


def test_a_halt_repeats_the_observed_time_of_the_last_price() -> None:
    rounds = Rounds({"ETH/USD": ETH_USD}, [member({"ETH/USD": ETH_USD})], None)
    rounds.commit(first := own_round(rounds, T0 // 1_000, observed(), now_ms=T0))
    for i in range(1, 15):
        done = own_round(rounds, T0 // 1_000 + i, {}, now_ms=T0 + i * 1_000)
        rounds.commit(done)
    (halted,) = done.records
    assert halted.report.status is Status.HALT
    assert halted.observed_at_ms == first.records[0].observed_at_ms
    assert halted.report.market_age_s == 14


def test_a_subset_leaves_out_by_name_and_by_group() -> None:
    left = subset(spec(), ("coinbase", "chain:local"))
    assert [s.name for s in left.sources] == ["kraken", "binance"]


def test_the_live_lane_follows_ticks_and_their_dependents_and_keeps_no_state() -> None:
    held = observed()
    state = FeedState()
    live = Live(SPECS, lambda _: state, lambda feed, *_: held[feed])
    fresh = live.refresh({"wdivETH/ETH", "ETH/USD"}, T0)
    assert [r.feed for r in fresh] == ["wdivETH/ETH", "ETH/USD", "wdivETH/USD"]
    assert not any(r.final for r in fresh)
    held["ETH/USD"] = [replace(o, price_wad=wad("2100")) for o in held["ETH/USD"]]  # type: ignore[arg-type]
    assert [r.feed for r in live.refresh({"ETH/USD"}, T0)] == ["ETH/USD", "wdivETH/USD"]
    cross = live.get("wdivETH/USD")
    assert cross is not None
    assert cross.price_wad == wad("2184")
    held["ETH/USD"] = []
    assert live.refresh({"ETH/USD"}, T0) == ()
    assert live.get("wdivETH/USD") is None
    assert state == FeedState()


def test_live_and_final_agree_on_the_same_words() -> None:
    held = observed()
    rounds = Rounds(SPECS, [member()], None)
    done = own_round(rounds, T0 // 1_000, held, now_ms=T0)
    live = Live(SPECS, rounds.members[0].states.__getitem__, lambda feed, *_: held[feed])
    live.refresh(set(held), T0)
    for record in done.records:
        now = live.get(record.feed)
        assert now is not None
        assert now.price_wad == record.price_wad
        assert now.report == record.report
    assert WAD == 10**18


INDEXES = {"wdivETH/ETH": 0, "ETH/USD": 1}
KEY = coincurve.PrivateKey(b"\5" * 32)


def home_of(*feeds: str, networked: bool = False) -> HomeStore:
    return HomeStore(target="first", feeds=frozenset(feeds or INDEXES), networked=networked)


def keyed(folder: Path, home: HomeStore, *, mute_ms: int = 0) -> tuple[Rounds, Operator]:
    """A process with one operator that has its key here, and no seat yet."""
    journal = SignJournal(folder / "j.db", address_of(KEY), now_ms=T0, mute_ms=mute_ms, newborn=not mute_ms)
    own = member()
    own.signer = operator = Operator("local", KEY, journal, bound_bps=100)
    return Rounds(SPECS, [own], home), operator


def seat(target: str, *signers: bytes, indexes: dict[str, int] = INDEXES, weights: tuple[int, ...] = ()) -> SignerSeat:
    domain = Domain(chain_id=1, store=target.encode().ljust(20))
    made = SignerSet(domain=domain, epoch=1, signers=signers, weights=weights or (1,) * len(signers), threshold=1)
    return SignerSeat(target=target, signers=made, indexes=indexes)


@pytest.mark.parametrize(("mute_ms", "clock_ok"), [(0, True), (0, False), (61_000, True)])
async def test_with_a_bad_clock_or_a_lost_journal_no_final_record_is_published(
    tmp_path: Path, mute_ms: int, clock_ok: bool
) -> None:
    rounds, operator = keyed(tmp_path, home_of(), mute_ms=mute_ms)
    rounds.take_seat(seat("first", operator.address))
    agreements = agreements_here([operator], now_ms=lambda: T0, clock_ok=lambda: clock_ok)
    done = await agreed_round(rounds, agreements, T0 // 1_000, observed())
    if clock_ok and not mute_ms:
        assert [r.feed for r in done.records] == ["wdivETH/ETH", "ETH/USD", "wdivETH/USD"]
        for record in done.records:
            assert record.signed_at_ms == T0
            assert record.seal is not None
            assert (record.seal.target, record.seal.weight, record.seal.missing) == ("first", 1, ())
        assert (len(done.agreements), done.unsealed) == (1, "")
        return
    assert (done.records, done.agreements, done.transitions) == ((), (), ())
    assert done.mute == {"local"}
    assert done.unsealed.startswith("values of weight 0, 1 are needed: local: ")
    assert ("clock is off" if not clock_ok else "its journal was missing or restored") in done.unsealed
    rounds.commit(done)
    assert rounds.members[0].states["ETH/USD"] != FeedState(), "what it saw is remembered all the same"
    assert rounds.published("ETH/USD") is None


async def test_beside_what_is_signed_the_own_view_of_the_other_feeds_is_published(tmp_path: Path) -> None:
    """A cross of both is nobody's agreed price; an unsealed round takes only the signed feeds along."""
    rounds, operator = keyed(tmp_path, home_of("wdivETH/ETH"))
    rounds.take_seat(seat("first", operator.address, indexes={"wdivETH/ETH": 0}))
    agreements = agreements_here([operator], now_ms=lambda: T0)
    done = await agreed_round(rounds, agreements, T0 // 1_000, observed())
    seals = {r.feed: r.seal is not None for r in done.records}
    assert seals == {"wdivETH/ETH": True, "ETH/USD": False, "wdivETH/USD": False}
    assert [r.signed_at_ms is not None for r in done.records] == list(seals.values())
    rounds.commit(done)
    blind = agreements_here([operator], now_ms=lambda: T0, clock_ok=lambda: False)
    later = await agreed_round(rounds, blind, T0 // 1_000 + 1, observed(T0 + 1_000))
    assert [(r.feed, r.seal) for r in later.records] == [("ETH/USD", None)]


async def test_what_is_published_is_what_the_home_store_s_operators_seal_whichever_connects_first(
    tmp_path: Path,
) -> None:
    rounds, operator = keyed(tmp_path, home_of())
    agreements = agreements_here([operator], now_ms=lambda: T0)

    async def sealed_at(second: int) -> tuple[list[str], list[str], str]:
        """Targets that sealed the round, the one behind each record, and why there is none."""
        done = await agreed_round(rounds, agreements, T0 // 1_000 + second, observed(T0 + second * 1_000))
        rounds.commit(done)
        behind = ["own view" if r.seal is None else r.seal.target for r in done.records]
        return [a.target for a in done.agreements], behind, done.unsealed

    waiting = "target first is not connected: who signs there is not known"
    assert await sealed_at(0) == ([], [], waiting)
    rounds.take_seat(seat("second", b"\1" * 20, operator.address))
    assert await sealed_at(1) == (["second"], [], waiting), "the other store is pushed to, and publishes nothing"
    rounds.take_seat(seat("first", operator.address))
    targets, behind, _ = await sealed_at(2)
    assert (sorted(targets), behind) == (["first", "second"], ["first"] * 3)
    rounds.take_seat(seat("first", b"\1" * 20))
    assert await sealed_at(3) == (["second"], ["own view"] * 3, ""), "a store that knows nobody here mutes them there"
    rounds.take_seat(seat("second", b"\1" * 20))
    assert await sealed_at(4) == ([], ["own view"] * 3, "")


async def test_an_operator_without_weight_is_a_stranger(tmp_path: Path) -> None:
    rounds, operator = keyed(tmp_path, home_of())
    rounds.take_seat(seat("first", b"\1" * 20, operator.address, weights=(1, 0)))
    folded = rounds.fold(T0 // 1_000, observed(), now_ms=T0)
    assert (folded.asks, folded.home) == ({}, None)


async def test_among_others_an_operator_without_a_seat_follows_what_they_seal(tmp_path: Path) -> None:
    rounds, _ = keyed(tmp_path, home_of(networked=True))
    rounds.take_seat(seat("first", b"\1" * 20))
    rounds.take_seat(seat("second", b"\1" * 20))
    folded = rounds.fold(T0 // 1_000, observed(), now_ms=T0)
    assert list(folded.asks) == ["first"], "the home store's rounds are followed, no other's"
    assert folded.home == "first"


async def test_among_others_an_operator_without_a_seat_publishes_nothing_and_says_so(tmp_path: Path) -> None:
    rounds, operator = keyed(tmp_path, home_of(networked=True))
    rounds.take_seat(seat("first", b"\1" * 20))
    done = await agreed_round(rounds, agreements_here([operator], now_ms=lambda: T0), T0 // 1_000, observed())
    assert done.records == ()
    assert (
        done.unsealed
        == "no operator here has a seat in the signer set of target first, epoch 1: have its owner add one"
    )


async def test_a_new_signer_set_takes_over_at_its_round(tmp_path: Path) -> None:
    """A rotation in the middle of a run: rounds before are the old set's, whenever they are made; no round is lost."""
    rounds, operator = keyed(tmp_path, home_of())
    before = seat("first", operator.address)
    after = replace(before.signers, epoch=2, signers=(b"\1" * 20, operator.address), weights=(1, 3), threshold=3)
    rounds.take_seat(replace(before, after=after, from_s=T0 // 1_000 + 2))
    agreements = agreements_here([operator], now_ms=lambda: T0)
    epochs = []
    for second in range(4):
        done = await agreed_round(rounds, agreements, T0 // 1_000 + second, observed(T0 + second * 1_000))
        rounds.commit(done)
        assert len(done.records) == 3
        epochs.append([(r.seal.epoch, r.seal.weight, r.seal.total) for r in done.records if r.seal is not None])
    assert epochs == [[(1, 1, 1)] * 3] * 2 + [[(2, 3, 4)] * 3] * 2


async def test_after_the_end_of_a_set_nobody_agrees_until_the_next_one_begins(tmp_path: Path) -> None:
    """No round is made of it, nothing is published unsigned in its place, and the reason is told."""
    rounds, operator = keyed(tmp_path, home_of(networked=True))
    first_s = T0 // 1_000
    ending = seat("first", operator.address)
    ending = replace(ending, signers=replace(ending.signers, expires_s=first_s + 1))
    after = replace(ending.signers, epoch=2, expires_s=None)
    rounds.take_seat(replace(ending, after=after, from_s=first_s + 3))
    agreements = agreements_here([operator], now_ms=lambda: T0)
    epochs: list[list[int]] = []
    for second in range(4):
        done = await agreed_round(rounds, agreements, first_s + second, observed(T0 + second * 1_000))
        rounds.commit(done)
        epochs.append([r.seal.epoch for r in done.records if r.seal is not None])
        told = f"target first: the signer set of epoch 1 expired at {first_s + 1} (Unix s): "
        assert done.unsealed.startswith(told) is not bool(done.records)
        assert (done.outcomes == {}) is not bool(done.records)
    assert epochs == [[1] * 3, [], [], [2] * 3]


async def test_a_round_that_others_sealed_is_published_as_they_did_once(tmp_path: Path) -> None:
    """Learned later, of a round that came to nothing here: the same reports, and of a round that is known nothing anew."""
    rounds, operator = keyed(tmp_path, home_of(networked=True))
    rounds.take_seat(seat("first", operator.address))
    agreements = agreements_here([operator], now_ms=lambda: T0)
    folded = rounds.fold(T0 // 1_000, observed(), now_ms=T0)
    outcome = await agreements.agree(folded.asks["first"])
    missed = rounds.finish(folded, {})
    assert missed.records == ()
    rounds.commit(missed)
    learned = rounds.learn(outcome, T0 + 5_000)
    assert learned is not None
    assert [(r.feed, r.report) for r in learned.records][:2] == list(outcome.reports.items())
    assert [r.feed for r in learned.records] == ["wdivETH/ETH", "ETH/USD", "wdivETH/USD"]
    assert all(r.seal is not None and r.computed_at_ms == T0 + 5_000 for r in learned.records)
    rounds.commit(learned)
    assert rounds.learn(outcome, T0 + 6_000) is None
    assert rounds.published("ETH/USD") is not None
