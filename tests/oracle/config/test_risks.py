"""Risk facts from catalogue and config: every field reaches a reader, an unknown is never a no, and no spec depends on them."""

from __future__ import annotations

import tomllib
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from feeds.catalog.records import Form, Rate, RateSource, Redemption, Token
from feeds.catalog.risk_facts import Donation, Pause, WayOut, WithdrawalTerms
from oracle.config.feed_risks import risks_of
from oracle.config.resolve import ResolvedConfig, resolve
from oracle.config.sections import load, parse
from oracle.config.tables.catalog import Catalog, shipped
from oracle.config.tables.schema import ConfigError
from oracle.config.token_risks import token_facts, token_profile
from oracle.model.canonical_json import digest
from oracle.model.risk import RiskCode, RiskFact

ROOT = Path(__file__).parents[3]
SOURCE = ("where@it was:published",)
ADDRESS = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"
BARE = Token(symbol="newETH", kind="LRT", protocol="New")
RATE = Rate(unit="ETH", chain="ethereum", contract=ADDRESS, function="getRate()")
READ_BY_OTHERS = {
    "symbol", "onchain_symbol", "decimals", "address", "rate_age_s", "cap_delay_days", "last_rate", "last_rate_on",
    "backing", "rail",
}  # fmt: skip
"""Fields that rules, bands, reads and the check use: where the shorthand or the check reads them, tests of those hold them."""


def with_token(token: Token) -> Catalog:
    known = shipped()
    return replace(known, tokens={**known.tokens, token.symbol: token})


def told(token: Token) -> tuple[Any, ...]:
    return token_facts(with_token(token), token.symbol), token_profile(token)


def facts_of(token: Token) -> dict[RiskCode, RiskFact]:
    return {RiskCode(f.code): f for f in token_facts(with_token(token), token.symbol)}


CHANGES: dict[str, Any] = {
    "kind": "LST", "protocol": "Another", "underlying": "ETH basket", "form": Form.REBASING, "rate_kept": RateSource.LIVE,
    "donation": Donation(movable=True, source=SOURCE), "pausable": Pause(possible=True, source=SOURCE),
    "cadence": "daily", "withdrawal": WithdrawalTerms(way=WayOut.QUEUE, source=SOURCE), "redemption": Redemption.CLOSED,
    "cap_percent": "9.68", "note": "a note", "testnet": True, "normal_bps": -9, "normal_on": "2024-07-01",
    "source": SOURCE, "rate": RATE, "second": (RATE,),
    "open": shipped().tokens["stETH"].open, "dead_why": "over", "dead_since": "2026-01-01", "dead_block": 7,
    "dead_source": SOURCE, "instead": ("another",), "doubtful": "never seen",
}  # fmt: skip
TOGETHER: dict[str, dict[str, Any]] = {
    "normal_bps": {"normal_on": "2024-07-02"},
    "normal_on": {"normal_bps": -8},
    "dead_why": {"dead_source": SOURCE},
    "dead_since": {"dead_why": "over", "dead_source": SOURCE},
    "dead_block": {"dead_why": "over", "dead_source": SOURCE},
    "dead_source": {"dead_why": "over"},
    "instead": {"dead_why": "over", "dead_source": SOURCE},
}


def test_no_field_of_a_token_is_left_unread() -> None:
    assert {f.name for f in fields(Token)} == set(CHANGES) | READ_BY_OTHERS


@pytest.mark.parametrize("name", CHANGES)
def test_every_described_fact_changes_what_a_reader_gets(name: str) -> None:
    beside = TOGETHER.get(name, {})
    before = {**beside, "dead_source": ("elsewhere",)} if "dead_source" in {name, *beside} else beside
    before = {"normal_bps": -8, "normal_on": "2024-07-02"} if name.startswith("normal") else before
    if name == "dead_why":
        before = {}
    assert told(replace(BARE, **{**before, **beside, name: CHANGES[name]})) != told(replace(BARE, **before))


def test_what_nobody_published_is_unknown_and_never_a_no() -> None:
    facts = facts_of(BARE)
    of_the_catalogue_itself = {RiskCode.TOKEN_DOUBTFUL}
    assert {c for c, f in facts.items() if f.raised is None} == set(facts) - of_the_catalogue_itself
    assert all(f.text.startswith("not known of newETH: ") for f in facts.values() if f.raised is None)
    assert all(f.source == () for f in facts.values() if f.raised is None)
    stranger = token_facts(shipped(), "nobodyETH")
    assert {f.raised for f in stranger} == {None}
    assert {f.code for f in stranger} == set(facts)
    profile = token_profile(BARE)
    assert (profile.form, profile.rate_kept, profile.way_out, profile.delay_settable) == (None, None, None, None)
    assert profile.redemption == "unknown"


def test_every_token_of_the_catalogue_answers_as_its_block_says() -> None:
    catalog = shipped()
    for symbol, token in catalog.tokens.items():
        facts = {f.code: f for f in token_facts(catalog, symbol)}
        said = {
            RiskCode.RATE_MOVABLE_BY_TRANSFER: None if token.donation is None else token.donation.movable,
            RiskCode.RATE_STORED: None if token.rate_kept is None else token.rate_kept is RateSource.STORED,
            RiskCode.REBASING: None if token.form is None else token.form is Form.REBASING,
            RiskCode.PAUSABLE: None if token.pausable is None else token.pausable.possible,
            RiskCode.WITHDRAWAL_WAITS: None if token.withdrawal is None else token.withdrawal.way is not WayOut.INSTANT,
            RiskCode.REDEMPTION_CLOSED: {"open": False, "closed": True, "unknown": None}[token.redemption.value],
        }
        assert {c: facts[c].raised for c in said} == said, symbol
        assert all(f.source for f in facts.values() if f.raised), symbol
    assert sum(t.donation is not None for t in catalog.tokens.values()) == 12
    assert sum(t.pausable is not None for t in catalog.tokens.values()) == 10
    assert sum(t.withdrawal is not None for t in catalog.tokens.values()) == 25


def test_par_is_a_risk_only_where_the_market_trades_it_apart() -> None:
    catalog = shipped()
    answers = {
        s: {f.code: f for f in token_facts(catalog, s)}[RiskCode.PAR_ASSUMED] for s in ("sfrxETH", "wstETH", "strETH")
    }
    assert {s: a.raised for s, a in answers.items()} == {"sfrxETH": True, "wstETH": False, "strETH": None}
    assert answers["sfrxETH"].text.startswith("one frxETH is taken as one ETH: ")


@pytest.mark.parametrize(
    ("way", "text"),
    [
        ({"way": WayOut.INSTANT}, "at once"),
        ({"way": WayOut.DELAY}, "after a delay"),
        ({"way": WayOut.DELAY, "least_days": 14}, "after a delay of at least 14 days"),
        ({"way": WayOut.DELAY, "most_days": 7}, "after a delay of at most 7 days"),
        (
            {"way": WayOut.DELAY, "least_days": 8, "most_days": 16, "settable": True},
            "after a delay of 8 to 16 days, which can be changed",
        ),
        ({"way": WayOut.QUEUE, "why": "slowly"}, "in a queue: slowly"),
    ],
)
def test_a_way_out_in_words(way: dict[str, Any], text: str) -> None:
    fact = facts_of(replace(BARE, withdrawal=WithdrawalTerms(source=SOURCE, **way)))[RiskCode.WITHDRAWAL_WAITS]
    assert fact.text == f"newETH is redeemed {text}"
    assert fact.raised is (way["way"] is not WayOut.INSTANT)


@pytest.mark.parametrize(
    ("fact", "says"),
    [
        ("donation = { movable = true }", "token[0].donation.source: is missing"),
        ("donation = { movable = true, source = [] }", "donation.source is empty: write where it was published"),
        ("donation = true", "token[0].donation: expected a table"),
        ('pausable = { possible = false, by = "x", source = ["s"] }', "what and by belong to possible = true"),
        ('withdrawal = "some days"', "token[0].withdrawal: expected a table"),
        ('withdrawal = { way = "soon", source = ["s"] }', "'soon' is not one of the values"),
        ('withdrawal = { way = "delay", least_days = 9, most_days = 8, source = ["s"] }', "the least first"),
        ('withdrawal = { way = "delay", least_days = 0, source = ["s"] }', "in whole days, 1 to 365"),
        ('withdrawal = { way = "instant", least_days = 1, source = ["s"] }', 'way = "instant" has no days'),
    ],
)
def test_a_fact_by_halves_is_refused_with_its_place(fact: str, says: str) -> None:
    block = f'[[token]]\nsymbol = "newETH"\nkind = "LRT"\nprotocol = "N"\n{fact}\n[feeds]\n'
    with pytest.raises(ConfigError) as caught:
        parse(tomllib.loads(block))
    assert says in str(caught.value)


# --- of feeds ---------------------------------------------------------------------------------------------------------


def default_config() -> ResolvedConfig:
    return resolve(load(ROOT / "config.toml"))


def test_every_feed_of_the_default_config_answers_and_every_yes_has_a_source() -> None:
    resolved = default_config()
    risks = risks_of(resolved)
    assert set(risks) == set(resolved.specs)
    for name, risk in risks.items():
        assert risk.facts, name
        keys = [(f.code, f.of) for f in risk.facts]
        assert len(keys) == len(set(keys)), name
        assert all(f.text and f.of for f in risk.facts), name
        assert all(f.source for f in risk.facts if f.raised), name
    assert {f.code for r in risks.values() for f in r.facts} == set(RiskCode)


def test_products_and_rebasing_tokens_have_the_answers_of_what_they_are_made_of() -> None:
    resolved = default_config()
    risks = risks_of(resolved)
    for name, spec in resolved.specs.items():
        below = {f for leg in (*spec.legs, *((spec.share_of,) if spec.share_of else ())) for f in risks[leg].facts}
        assert below <= set(risks[name].facts), name
        if spec.is_cross:
            assert below == set(risks[name].facts), name
            assert {t.token for t in risks[name].tokens} == {t.token for leg in spec.legs for t in risks[leg].tokens}
    assert {t.token for t in risks["stETH/USD"].tokens} == {"stETH", "wstETH"}
    assert RiskCode.REBASING in {f.code for f in risks["stETH/USD"].facts if f.raised}


TOKEN = f"""
[chains.main]
chain_id = 1
endpoints = ["http://127.0.0.1:1"]
[[token]]
symbol = "newETH"
kind = "LRT"
protocol = "New"
address.ethereum = "{ADDRESS}"
rate.unit = "ETH"
rate.chain = "ethereum"
rate.contract = "{ADDRESS}"
rate.function = "getRate()"
"""
FEED = """
[feeds."newETH/ETH"]
mode = "redemption"
reference_only = true
catalog = ["rate"]
"""


def read(text: str) -> ResolvedConfig:
    return resolve(parse(tomllib.loads(text)))


@pytest.mark.parametrize(
    "fact",
    [
        'donation = { movable = true, source = ["s"] }',
        'pausable = { possible = true, source = ["s"] }',
        'withdrawal = { way = "queue", source = ["s"] }',
        'form = "rebasing"',
        'rate_kept = "stored"',
        'note = "n"',
        'cadence = "daily"',
    ],
)
def test_descriptive_facts_change_the_risks_and_no_spec(fact: str) -> None:
    """What is signed cannot depend on them: the spec of the feed is the same to the byte."""
    plain, described = read(TOKEN + FEED), read(TOKEN + fact + "\n" + FEED)
    assert digest(plain.specs["newETH/ETH"]) == digest(described.specs["newETH/ETH"])
    assert risks_of(plain)["newETH/ETH"] != risks_of(described)["newETH/ETH"]


def answers(text: str, feed: str = "newETH/ETH") -> dict[RiskCode, bool | None]:
    return {RiskCode(f.code): f.raised for f in risks_of(read(text))[feed].facts}


def test_an_operator_s_own_token_answers_by_its_block() -> None:
    found = answers(TOKEN + FEED)
    assert found[RiskCode.RATE_MOVABLE_BY_TRANSFER] is None
    assert (
        answers(TOKEN + 'donation = { movable = false, source = ["s"] }\n' + FEED)[RiskCode.RATE_MOVABLE_BY_TRANSFER]
        is False
    )
    assert found[RiskCode.SINGLE_RATE_READING] is True
    assert found[RiskCode.RATE_BY_PROVIDER] is False
    assert found[RiskCode.BRIDGED] is False
    assert (found[RiskCode.RATE_GROWTH_UNCAPPED], found[RiskCode.RATE_AGE_UNWATCHED]) == (True, True)
    capped = answers(TOKEN + 'cap_percent = "9"\nrate_age_s = 90000\n' + FEED)
    assert (capped[RiskCode.RATE_GROWTH_UNCAPPED], capped[RiskCode.RATE_AGE_UNWATCHED]) == (False, False)


def test_a_rate_that_a_provider_states_on_another_chain() -> None:
    text = """
[chains.arbitrum]
chain_id = 42161
endpoints = ["http://127.0.0.1:1"]
[feeds."weETH/ETH@arbitrum"]
mode = "redemption"
reference_only = true
catalog = ["via chainlink"]
"""
    feed = "weETH/ETH@arbitrum"
    facts = {f.code: f for f in risks_of(read(text))[feed].facts}
    by = facts[RiskCode.RATE_BY_PROVIDER]
    assert by.raised is True
    assert "chainlink" in by.text
    assert any("config: " in s for s in by.source)
    assert any(not s.startswith("config: ") for s in by.source), "where the provider's feed was published too"
    assert facts[RiskCode.BRIDGED].raised is True
    assert "on arbitrum it is a copy: worth what the bridge holds on ethereum" in facts[RiskCode.BRIDGED].text
    assert facts[RiskCode.SINGLE_CHAIN].raised is True


def test_a_token_that_is_issued_elsewhere_is_a_copy_only_where_the_feed_names_another_chain() -> None:
    text = TOKEN.replace("ethereum", "sepolia").replace("chain_id = 1\n", "chain_id = 11155111\n")
    assert answers(text + FEED)[RiskCode.BRIDGED] is False
    at_home = FEED.replace("newETH/ETH", "newETH/ETH@sepolia")
    assert answers(text + at_home, "newETH/ETH@sepolia")[RiskCode.BRIDGED] is False
    away = FEED.replace("newETH/ETH", "newETH/ETH@base")
    assert answers(text + away, "newETH/ETH@base")[RiskCode.BRIDGED] is True


VENUES = """
[feeds."ETH/USD"]
accept_single_group = {accept}
min_groups = {least}
sources = [{{ type = "coinbase", symbol = "ETH-USD" }}, {{ type = "kraken", symbol = "ETH/USD" }}]
"""


@pytest.mark.parametrize(("accept", "least", "raised"), [("true", 1, True), ("true", 2, True), ("false", 2, False)])
def test_one_group_that_may_do_is_told(accept: str, least: int, *, raised: bool) -> None:
    found = answers(VENUES.format(accept=accept, least=least), "ETH/USD")
    assert found == {
        RiskCode.SINGLE_GROUP_ACCEPTED: raised,
        RiskCode.SINGLE_CHAIN: False,
        RiskCode.SOURCE_THIN: False,
        RiskCode.SOURCE_DOUBTFUL: False,
    }, "ether is no token: no more is asked"


SYMBOL = """
[[symbol]]
venue = "coinbase"
symbol = "NEWETH-ETH"
pair = "newETH/ETH"
{keys}
source = ["where@it was:published"]
"""


@pytest.mark.parametrize(
    ("keys", "thin", "doubtful"),
    [
        ("", False, False),
        ("thin = true", True, False),
        ('unconfirmed = "spelled by a rule"', False, True),
        ('doubtful = "was not seen"', False, True),
        (None, None, None),
    ],
)
def test_a_market_source_is_as_its_record_says_and_unknown_without_one(
    keys: str | None, *, thin: bool | None, doubtful: bool | None
) -> None:
    feed = """
[feeds."newETH/ETH"]
min_groups = 1
accept_single_group = true
sources = [{ type = "coinbase", symbol = "NEWETH-ETH" }]
"""
    text = TOKEN + ("" if keys is None else SYMBOL.format(keys=keys)) + feed
    facts = {f.code: f for f in risks_of(read(text))["newETH/ETH"].facts}
    assert (facts[RiskCode.SOURCE_THIN].raised, facts[RiskCode.SOURCE_DOUBTFUL].raised) == (thin, doubtful)
    for fact in (facts[RiskCode.SOURCE_THIN], facts[RiskCode.SOURCE_DOUBTFUL]):
        assert ("where@it was:published" in fact.source) is bool(fact.raised)
        assert fact.raised is not None or "coinbase" in fact.text
