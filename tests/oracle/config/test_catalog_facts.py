"""What the catalogue knows of a token reaches the feed: rules, bands, and what a contract tells of redemption."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from feeds.errors import Closed, TimedOut
from feeds.types import Failure, Kind, Observation, Outcome, Pair
from feeds.units import WAD, Wad
from oracle.config.resolve import resolve
from oracle.config.sections import load, parse
from oracle.config.tables.catalog import Catalog
from oracle.config.tables.catalog import load as load_catalog
from oracle.config.tables.feed_sections import FeedSection
from oracle.config.tables.schema import ConfigError
from oracle.config.tables.shorthand_facts import rules_of
from oracle.model.canonical_json import dump
from oracle.model.canonical_json import parse as read_back
from oracle.model.spec import FeedSpec, Mode, SourceSpec
from oracle.model.state import FeedState
from oracle.model.status import Status, Why
from oracle.model.types import FeedRound
from oracle.round.step import as_leg, step
from tests.oracle.oracle_build import T0, outcomes, spec, wad

DEFAULT = Path(__file__).resolve().parent.parent.parent.parent / "config.toml"
CHAINS = {
    "main": {"chain_id": 1, "endpoints": ["http://127.0.0.1:1"]},
    "l2": {"chain_id": 8453, "endpoints": ["http://127.0.0.1:1"]},
}
PAIR = Pair(base="wdivETH", quote="ETH")
GATE = SourceSpec(name="open", pair=PAIR, kind=Kind.OPEN, group="chain:main", max_age_s=60)
GATED = replace(spec(), sources=(*spec().sources, GATE), mode=Mode.REDEMPTION_UNLESS_DEPEG)
NEW_TOKEN = """
[[token]]
symbol = "newETH"
kind = "LRT"
protocol = "New Protocol"
cap_percent = "9.68"
cap_delay_days = 7
rate_age_s = 259200
normal_bps = -30
normal_on = "2026-01-01"
redemption = "closed"
source = ["a test"]
rate.unit = "ETH"
rate.chain = "ethereum"
rate.contract = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"
rate.function = "getRate()"

[[token.open]]
chain = "ethereum"
contract = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"
function = "paused()"
means = "closed"
"""


def feed(name: str, *names: str, catalog: Catalog | None = None, **keys: Any) -> FeedSection:
    table = {"chains": CHAINS, "feeds": {name: {"reference_only": True, "catalog": list(names), **keys}}}
    return parse(table, catalog).feeds[name]


# --- the config


@pytest.mark.parametrize(
    ("token", "cap_bps", "slack_bps"),
    [
        ("wstETH", 968, 19), ("rETH", 930, 18), ("ETHx", 924, 18), ("weETH", 875, 17), ("osETH", 875, 17),
        ("cbETH", 812, 16), ("ezETH", 1_089, 42), ("rsETH", 983, 38),
    ],
)  # fmt: skip
def test_the_default_config_has_every_published_cap_without_typing_it(token: str, cap_bps: int, slack_bps: int) -> None:
    written = tomllib.loads(DEFAULT.read_text(encoding="utf-8"))["feeds"][f"{token}/ETH"]
    assert "rules" not in written
    section = load(DEFAULT).feeds[f"{token}/ETH"]
    assert (section.rules.growth_bps_year, section.rules.growth_slack_bps) == (cap_bps, slack_bps)
    assert section.rules.snapshot_days == 60
    assert resolve(load(DEFAULT)).specs[f"{token}/ETH"].rules.growth_bps_year == cap_bps


def test_the_default_config_has_cadences_discounts_and_closed_doors() -> None:
    made = load(DEFAULT).feeds
    assert {n: f.rules.cadence_s for n, f in made.items() if f.rules.cadence_s} == {
        "wstETH/ETH": 259_200, "rETH/ETH": 432_000, "weETH/ETH": 259_200, "ezETH/ETH": 172_800, "pufETH/ETH": 259_200,
        "osETH/ETH": 86_400, "ETHx/ETH": 604_800, "sfrxETH/ETH": 691_200,
    }  # fmt: skip
    assert {n: f.bands.normal_bps for n, f in made.items() if f.bands.normal_bps} == {
        "weETH/ETH": -9, "ezETH/ETH": -27, "rsETH/ETH": -73, "pufETH/ETH": -220, "rswETH/ETH": -129,
    }  # fmt: skip
    assert {n for n, f in made.items() if not f.rules.redemption_open} == {"cbETH/ETH", "wBETH/ETH"}
    told = {n: [s.name for s in f.sources if s.kind in (Kind.OPEN, Kind.SUPPLY, Kind.BACKING)] for n, f in made.items()}
    assert {n: names for n, names in told.items() if names} == {
        "wstETH/ETH": ["open", "open 2", "supply", "backing"], "weETH/ETH": ["open", "supply", "backing"],
        "ETHx/ETH": ["open"],
    }  # fmt: skip


def test_a_written_key_wins_and_the_others_stay() -> None:
    own = feed("pufETH/ETH", "rate", rules={"cadence_s": 7}, bands={"normal_bps": 0, "watch_bps": 90})
    assert (own.rules.cadence_s, own.bands.normal_bps, own.bands.watch_bps) == (7, 0, 90)
    capped = feed("ezETH/ETH", "rate", rules={"growth_bps_year": 500})
    assert (capped.rules.growth_bps_year, capped.rules.growth_slack_bps, capped.rules.cadence_s) == (500, 42, 172_800)


def test_a_published_cap_is_enough_for_the_mode_that_needs_one() -> None:
    capped = {"mode": "capped", "reference_only": True, "catalog": ["rate"]}
    assert resolve(parse({"chains": CHAINS, "feeds": {"rETH/ETH": capped}})).specs["rETH/ETH"].mode is Mode.CAPPED
    with pytest.raises(ConfigError, match="capped needs a cap"):
        resolve(parse({"chains": CHAINS, "feeds": {"swETH/ETH": capped}}))


def test_facts_come_with_a_rate_in_ether_and_with_nothing_else() -> None:
    assert feed("ezETH/ETH", "chainlink").rules.growth_bps_year == 0, "a reference is no rate"
    assert feed("cmETH/mETH", "rate").rules.growth_bps_year == 0
    assert feed("weETH/ETH@base", "via chainlink").rules.growth_bps_year == 875, "a provider's rate is one"
    assert feed("rsETH/ETH", "rate").rules.cadence_s == 0, "no cadence was published"


def test_what_a_rate_brings_can_be_named_by_itself_and_is_there_once() -> None:
    assert [s.name for s in feed("wstETH/ETH", "rate", "supply").sources].count("supply") == 1
    own = {"name": "open", "catalog": "open", "kind": "open", "max_age_s": 9}
    written = feed("weETH/ETH", "rate", sources=[own]).sources
    assert [(s.name, s.max_age_s) for s in written if s.kind is Kind.OPEN] == [("open", 9)], "what is written wins"
    (flag, other) = feed("stETH/ETH", "open").sources
    assert (flag.type, flag.kind, flag.params["function"], flag.params["means"]) == (
        "flag_call", Kind.OPEN, "isPaused()", "closed",
    )  # fmt: skip
    assert other.params["function"] == "isBunkerModeActive()"
    supply, backing = feed("weETH/ETH", "supply", "backing").sources
    assert (supply.params["function"], supply.params["contract"]) == (
        "totalSupply()", "0xCd5fE23C85820F7B72D0926FC9b05b43E359b7ee",
    )  # fmt: skip
    assert backing.params["args"] == ["0xCd5fE23C85820F7B72D0926FC9b05b43E359b7ee"]
    with pytest.raises(ConfigError, match="no contract is known that states it for rETH on ethereum"):
        feed("rETH/ETH", "open")


def test_supply_is_compared_with_backing_only_on_one_chain() -> None:
    names = [s.name for s in feed("weETH/ETH@base", "rate").sources]
    assert names == ["rate", "open"], "the L2's own supply is no part of what the main chain holds"


def test_one_block_is_enough_for_a_new_token() -> None:
    with_new = load_catalog(files("feeds") / "catalog", NEW_TOKEN)
    section = feed("newETH/ETH", "rate", catalog=with_new, mode="redemption")
    assert rules_of(with_new.tokens["newETH"]) == {
        "growth_bps_year": 968, "growth_slack_bps": 19, "cadence_s": 259_200, "redemption_open": False,
    }  # fmt: skip
    assert (section.bands.normal_bps, section.rules.redemption_open) == (-30, False)
    assert [s.name for s in section.sources] == ["rate", "open"]


def test_a_flag_is_of_its_own_kind() -> None:
    asked = {
        "type": "flag_call", "chain": "main", "contract": "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
        "function": "paused()", "means": "closed",
    }  # fmt: skip
    with pytest.raises(ConfigError, match='write kind = "open" with it'):
        resolve(parse({"chains": CHAINS, "feeds": {"rETH/ETH": {"reference_only": True, "sources": [asked]}}}))


# --- the round


def told(*, closed: bool, at_ms: int = T0) -> Outcome:
    if closed:
        return Failure(pair=PAIR, source="open", error=Closed("paused() answers yes"), failed_at_ms=at_ms)
    return Observation(
        pair=PAIR, source="open", group="chain:main", kind=Kind.OPEN, price_wad=Wad(WAD), observed_at_ms=at_ms
    )


def fold(feed_spec: FeedSpec, said: Sequence[Outcome | None]) -> tuple[list[FeedRound], FeedState]:
    """One round a minute; the market stands 1 % below the rate."""
    state, rounds = FeedState(), []
    for i, one in enumerate(said):
        at_ms = T0 + i * 60_000
        given = [*outcomes("1.0395", "1.05", at_ms), *([one] if one is not None else [])]
        result, state = step(feed_spec, state, given, {}, at_ms)
        assert isinstance(result, FeedRound)
        rounds.append(result)
    return rounds, state


def test_a_closed_door_moves_the_price_to_the_market_and_back_over_the_ramp() -> None:
    said = [told(closed=i in range(1, 41), at_ms=T0 + i * 60_000) for i in range(80)]
    rounds, _ = fold(GATED, said)
    shares = [r.verdict.ramp_ppm for r in rounds]
    assert shares[0] == 0
    assert shares[1] == 33_333, "one minute of thirty"
    assert shares[40] == 1_000_000
    assert shares[41] < shares[40]
    assert shares[79] == 0
    assert Why.CLOSED in {r.code for r in rounds[2].verdict.reasons}
    assert Why.CLOSED not in {r.code for r in rounds[50].verdict.reasons}


def test_a_door_that_is_closed_at_the_start_begins_at_the_market() -> None:
    rounds, _ = fold(GATED, [told(closed=True)])
    assert rounds[0].verdict.ramp_ppm == 1_000_000


def test_who_can_not_redeem_is_watched_and_no_more() -> None:
    rounds, _ = fold(
        replace(GATED, bands=replace(GATED.bands, watch_bps=300, watch_leave_bps=150, depeg_bps=600)),
        [told(closed=True, at_ms=T0 + i * 60_000) for i in range(9)],
    )
    assert rounds[-1].report.status is Status.WATCH
    assert [r.code for r in rounds[-1].verdict.reasons] == [Why.CLOSED]
    assert rounds[-1].verdict.widen_bps == 0, "the price itself is not in doubt"


@pytest.mark.parametrize("configured_open", [True, False])
def test_what_nobody_tells_is_as_configured(*, configured_open: bool) -> None:
    unread = Failure(pair=PAIR, source="open", error=TimedOut("no answer"), failed_at_ms=T0)
    own = replace(GATED, rules=replace(GATED.rules, redemption_open=configured_open))
    for silent in (unread, None):
        rounds, _ = fold(own, [silent])
        assert rounds[0].verdict.ramp_ppm == (0 if configured_open else 1_000_000)
        assert Why.CLOSED not in {r.code for r in rounds[0].verdict.reasons}


def test_a_contract_that_says_open_does_not_open_what_the_operator_closed() -> None:
    own = replace(GATED, rules=replace(GATED.rules, redemption_open=False))
    assert fold(own, [told(closed=False)])[0][0].verdict.ramp_ppm == 1_000_000


def test_another_sources_failure_closes_nothing() -> None:
    """Only a source of this kind is believed, whatever code another one fails with."""
    stray = Failure(pair=PAIR, source="rate", error=Closed("not asked"), failed_at_ms=T0)
    given = [*(o for o in outcomes("1.05", "1.05", T0) if o.source != "rate"), stray, told(closed=False)]
    result, _ = step(replace(GATED, has_redemption=False), FeedState(), given, {}, T0)
    assert isinstance(result, FeedRound)
    assert Why.CLOSED not in {r.code for r in result.verdict.reasons}


def test_the_door_is_an_input_of_the_round_that_is_stored_and_recomputed() -> None:
    rounds, _ = fold(GATED, [told(closed=True)])
    stored = read_back(FeedRound, dump(rounds[0]))
    (door,) = (o for o in stored.outcomes if o.source == "open")
    assert isinstance(door, Failure)
    assert isinstance(door.error, Closed)
    again, _ = step(GATED, FeedState(), stored.outcomes, {}, T0)
    assert dump(again) == dump(rounds[0])


def test_a_rebasing_token_is_closed_with_its_share_token() -> None:
    rounds, state = fold(GATED, [told(closed=True)])
    share = spec(feed="divETH/ETH", sources=(), share_of="wdivETH/ETH")
    leg = as_leg(GATED, rounds[0], state.rate, T0)
    derived, _ = step(share, FeedState(), [], {"wdivETH/ETH": leg}, T0)
    assert isinstance(derived, FeedRound)
    assert Why.CLOSED in {r.code for r in derived.verdict.reasons}
    assert derived.verdict.ramp_ppm == 1_000_000
    assert derived.report.redemption_wad == wad("1")
