from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import coincurve

from feeds.units import WAD
from oracle.config.resolve import subset
from oracle.model.state import FeedState
from oracle.model.status import Status
from oracle.round.live import Live
from oracle.round.rounds import Rounds
from oracle.round.seat import SignerSeat
from oracle.sign.eip712 import Domain, address_of
from oracle.sign.messages import SignerSet
from oracle.sign.operator import Operator
from oracle.sign.sign_journal import SignJournal
from tests.oracle.oracle_build import T0, spec, wad
from tests.oracle.round.round_world import ETH_USD, SPECS, member, observed


def test_a_round_without_operators_publishes_the_own_view_unsigned() -> None:
    rounds = Rounds(SPECS, [member()], None)
    done = rounds.run(T0 // 1_000, observed(), now_ms=T0)
    records = {r.feed: r for r in done.records}
    assert records["wdivETH/USD"].price_wad == wad("2080")
    assert records["wdivETH/USD"].legs == ("wdivETH/ETH", "ETH/USD")
    assert all(r.signed_at_ms is None and r.operators == ("local",) for r in done.records)
    assert {k.spec.feed for k in done.feeds} == {"wdivETH/ETH", "ETH/USD"}


def test_states_are_taken_over_only_once_the_round_is_stored() -> None:
    rounds = Rounds(SPECS, [member()], None)
    done = rounds.run(T0 // 1_000, observed(), now_ms=T0)
    assert rounds.members[0].states["ETH/USD"] == FeedState()
    rounds.commit(done)
    assert rounds.members[0].states["ETH/USD"] != FeedState()


def test_one_feed_that_abstains_takes_only_what_needs_it_along() -> None:
    rounds = Rounds(SPECS, [member()], None)
    given = observed()
    given["ETH/USD"] = []
    done = rounds.run(T0 // 1_000, given, now_ms=T0)
    assert [r.feed for r in done.records] == ["wdivETH/ETH"]
    assert set(done.abstained) == {"ETH/USD"}


def test_a_halt_repeats_the_observed_time_of_the_last_price() -> None:
    rounds = Rounds({"ETH/USD": ETH_USD}, [member({"ETH/USD": ETH_USD})], None)
    rounds.commit(first := rounds.run(T0 // 1_000, observed(), now_ms=T0))
    for i in range(1, 15):
        done = rounds.run(T0 // 1_000 + i, {}, now_ms=T0 + i * 1_000)
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
    done = rounds.run(T0 // 1_000, held, now_ms=T0)
    live = Live(SPECS, rounds.members[0].states.__getitem__, lambda feed, *_: held[feed])
    live.refresh(set(held), T0)
    for record in done.records:
        now = live.get(record.feed)
        assert now is not None
        assert now.price_wad == record.price_wad
        assert now.report == record.report
    assert WAD == 10**18


def seated(tmp_path: Path, mute_ms: int) -> Rounds:
    key = coincurve.PrivateKey(b"\5" * 32)
    journal = SignJournal(tmp_path / "j.db", address_of(key), now_ms=T0, mute_ms=mute_ms)
    domain = Domain(chain_id=1, store=bytes(20))
    signers = SignerSet(domain=domain, epoch=1, signers=(address_of(key),), weights=(1,), threshold=1)
    own = member()
    own.signer = Operator("local", key, journal, bound_bps=100)
    return Rounds(SPECS, [own], SignerSeat(target="t", signers=signers, indexes={"wdivETH/ETH": 0, "ETH/USD": 1}))


def test_with_a_bad_clock_or_a_lost_journal_prices_are_published_unsigned(tmp_path: Path) -> None:
    for mute_ms, may_sign, signed in ((0, True, True), (0, False, False), (61_000, True, False)):
        folder = tmp_path / f"{mute_ms}{may_sign}"
        folder.mkdir()
        rounds = seated(folder, mute_ms)
        done = rounds.run(T0 // 1_000, observed(), now_ms=T0, may_sign=may_sign)
        assert len(done.records) == 3
        assert bool(done.values) is signed
        assert all((r.signed_at_ms is not None) is signed for r in done.records)


def test_a_signer_set_without_the_operators_mutes_them_there_and_nowhere_else(tmp_path: Path) -> None:
    """What is published is agreed at the first target, in the order they are expected in, where the threshold is reached."""
    key = coincurve.PrivateKey(b"\5" * 32)
    own = member()
    own.signer = Operator(
        "local", key, SignJournal(tmp_path / "j.db", address_of(key), now_ms=T0, mute_ms=0), bound_bps=100
    )
    rounds = Rounds(SPECS, [own], None)
    for name in ("first", "second"):
        rounds.reserve_seat(name)

    def take(target: str, *signers: bytes) -> None:
        domain = Domain(chain_id=1, store=target.encode().ljust(20))
        made = SignerSet(domain=domain, epoch=1, signers=signers, weights=(1,) * len(signers), threshold=1)
        rounds.take_seat(SignerSeat(target=target, signers=made, indexes={"ETH/USD": 7}))

    def signed_for(second: int) -> list[str]:
        now_ms = T0 + second * 1_000
        done = rounds.run(now_ms // 1_000, observed(now_ms), now_ms=now_ms)
        rounds.commit(done)
        assert bool(done.values) is bool(done.agreements)
        assert all((r.signed_at_ms is not None) is bool(done.values) for r in done.records if r.feed == "ETH/USD")
        return [a.target for a in done.agreements]

    assert signed_for(0) == []
    take("second", b"\1" * 20, address_of(key))
    assert signed_for(1) == ["second"]
    take("first", address_of(key))
    assert signed_for(2) == ["first"]
    take("first", b"\1" * 20)
    assert signed_for(3) == ["second"]
    take("second", b"\1" * 20)
    assert signed_for(4) == []
