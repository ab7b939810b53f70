"""What a token of the catalogue is asked: its symbol, decimals and supply, its rates, and the contracts that speak of it. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

from feeds.catalog.rails import Rail
from feeds.catalog.rate_graph import RateStep, chains_of
from feeds.catalog.records import EXPECTED_DECIMALS, Rate, Redemption, Token, Unit
from feeds.chains.abi import address, calldata, checksummed
from feeds.decode import abi_words
from feeds.errors import Closed, FeedError
from feeds.registry import RATES
from feeds.types import Call, Read
from feeds.units import deviation_bps_away, wad_text
from oracle.check.catalog.findings import EntryFinding, changed, dead, fine
from oracle.check.catalog.questions import Asking, Question, refused, together
from oracle.check.contracts import text_of
from oracle.check.values import PART_BPS, bounds_of
from oracle.config.tables.catalog import Catalog
from oracle.config.tables.shorthand_facts import backing_of, flags_of, rails_of
from oracle.config.tables.shorthand_rates import step_text

_SHOWN = 6
_PLACE = frozenset({"name", "type", "kind", "chain", "max_age_s", "rail"})
"""Keys of a source that are not its adapter's."""


def token_questions(catalog: Catalog, chain: str, token: Token) -> Iterator[Question]:
    """Everything that a token has on one chain; nothing where it has nothing there."""
    where = token.address.get(chain)
    if where is not None:
        to, said = address(where), token.onchain_symbol or token.symbol
        decimals = EXPECTED_DECIMALS if token.decimals is None else token.decimals
        yield Question(what="token", contracts=(to,), ask=lambda _: _is_token(to, said, decimals))
    edges = [(name, r) for name, r in named_rates(token) if r.chain == chain]
    if edges:
        contracts = tuple(address(c) for _, r in edges for c in (r.contract, r.over_contract) if c)
        ask = partial(_rates, catalog, token, tuple(edges))
        yield Question(what="rate", contracts=tuple(dict.fromkeys(contracts)), ask=ask)
    for flag, source in zip(token.open, flags_of(token, str), strict=True):
        if flag.chain == chain:
            yield _of_source(source, address(flag.contract), partial(_flag, token, source["name"]))
    if token.backing is not None and token.backing.chain == chain:
        for source in backing_of(token, str):
            yield _of_source(source, address(token.backing.contract), partial(_amount, source["name"]))
    every = {c: c for c in token.address}
    for lock in (s for s in rails_of(token, chain, every) if s["kind"] == "backing"):
        rail = next(r for r in token.rail if r.name == lock["rail"])
        if rail.chain == chain:
            asked = _of_source(lock, address(lock["contract"]), partial(_locked, lock["name"], rail))
            yield replace(asked, contracts=(*asked.contracts, address(rail.lock)))


def unit_questions(catalog: Catalog, chain: str, unit: Unit) -> Iterator[Question]:
    """A unit with a contract on the chain, as wrapped ether has one; a vault's share says what it is a share of."""
    if (where := unit.address.get(chain)) is None:
        return
    to, decimals = address(where), EXPECTED_DECIMALS if unit.decimals is None else unit.decimals
    yield Question(what="token", contracts=(to,), ask=lambda _: _is_token(to, unit.symbol, decimals))
    inner = None if unit.wraps is None else catalog.address_of(unit.wraps, chain)
    if unit.wraps is not None and inner is not None:
        yield Question(what="asset", contracts=(to,), ask=partial(_wraps, to, unit.wraps, address(inner)))


def _wraps(to: bytes, symbol: str, inner: bytes, _: int) -> Asking:
    """The asset that a share of ERC-4626 is of."""
    (reply,) = yield (Call(to=to, data=calldata("asset()")),)
    held = abi_words.address_at(abi_words.returned(reply))
    if held != inner:
        return (
            changed("asset", f"is a share of {checksummed(held)}, the catalogue says {symbol} ({checksummed(inner)})"),
        )
    return (fine("asset", f"a share of {symbol}"),)


def named_rates(token: Token) -> Iterator[tuple[str, Rate]]:
    """A token's rates that a contract states, by the names of their sources."""
    edges = ((token.rate,) if token.rate is not None else ()) + token.second
    for i, edge in enumerate(edges, start=1 if token.rate is not None else 2):
        if edge.par is None:
            yield (f"rate {i}" if i > 1 else "rate"), edge


def _is_token(to: bytes, symbol: str, decimals: int) -> Asking:
    """Symbol, decimals and supply of a contract."""
    names = ("symbol()", "decimals()", "totalSupply()")
    said, counted, supply = yield tuple(Call(to=to, data=calldata(n)) for n in names)
    text, places = text_of(said), abi_words.uint_at(abi_words.returned(counted))
    findings = []
    if text != symbol:
        findings.append(changed("symbol", f"calls itself {text!r}, the catalogue says {symbol!r}"))
    if places != decimals:
        findings.append(changed("decimals", f"has {places} decimals, the catalogue counts with {decimals}"))
    if abi_words.uint_at(abi_words.returned(supply)) == 0:
        findings.append(dead("supply", "nobody holds any: its supply is 0"))
    return tuple(findings) or (fine("token", f"{text}, {places} decimals"),)


def _rates(catalog: Catalog, token: Token, edges: tuple[tuple[str, Rate], ...], block_ms: int) -> Asking:
    """Every rate on a chain: does it answer, is it believable in ether, does it agree with the first of them."""
    ways = [catalog.graph.path(token.symbol, first=edge) for _, edge in edges]
    own = [_path(RateStep(base=token.symbol, quote=edge.unit, rate=edge)) for _, edge in edges]
    whole = [_path(*way) if len(chains_of(way)) == 1 else None for way in ways]
    answers = yield from together([*own, *(w for w in whole if w is not None)])
    in_ether, rest = {}, iter(answers[len(own) :])
    for (name, _), way in zip(edges, whole, strict=True):
        in_ether[name] = next(rest) if way is not None else None
    findings: list[EntryFinding] = []
    first = next((v.price_wad for v in in_ether.values() if v is not None and not isinstance(v, FeedError)), None)
    for (name, edge), answer in zip(edges, answers, strict=False):
        if isinstance(answer, FeedError):
            findings.append(refused(name, answer, f"{edge.function} of {edge.contract}"))
            continue
        findings.append(fine(name, f"{wad_text(answer.price_wad, _SHOWN)} {edge.unit}"))
        value = in_ether[name]
        if value is None or isinstance(value, FeedError) or first is None:
            continue
        low, high = bounds_of(catalog, token.symbol, block_ms)
        if not low <= value.price_wad <= high:
            shown = wad_text(value.price_wad, _SHOWN)
            text = f"{shown} ETH lies outside {wad_text(low, _SHOWN)} to {wad_text(high, _SHOWN)}, the range expected"
            findings.append(changed(name, text))
        if abs(apart := deviation_bps_away(value.price_wad, first)) > PART_BPS:
            findings.append(changed(name, f"lies {apart} bps from the first rate, {wad_text(first, _SHOWN)} ETH"))
    return tuple(findings)


def _path(*steps: RateStep) -> Read:
    adapter: Any = RATES["rate_path"]
    read: Read = adapter(steps=tuple(step_text(s) for s in steps)).read()
    return read


def _of_source(source: dict[str, Any], contract: bytes, ask: Callable[[Read], Asking]) -> Question:
    """A question that reads a source as the config would."""
    adapter: Any = RATES[source["type"]]
    keys = {k: tuple(v) if isinstance(v, list) else v for k, v in source.items() if k not in _PLACE}
    return Question(what=source["name"], contracts=(contract,), ask=lambda _: ask(adapter(**keys).read()))


def _flag(token: Token, name: str, read: Read) -> Asking:
    try:
        yield from read
    except Closed as e:
        told = f"says that holders cannot redeem now: {e.detail}"
        return (changed(name, told) if token.redemption is Redemption.OPEN else fine(name, told),)
    return (fine(name, "says that holders can redeem"),)


def _locked(name: str, rail: Rail, read: Read) -> Asking:
    """What a lock box holds: a rail whose lock box is empty is a wrong address, or worse."""
    quote = yield from read
    if not quote.price_wad:
        return (
            changed(
                name, f"{rail.lock} holds none: a wrong address, or nothing is locked for what is beyond {rail.bridge}"
            ),
        )
    return (fine(name, f"{wad_text(quote.price_wad, 0)} tokens"),)


def _amount(name: str, read: Read) -> Asking:
    quote = yield from read
    return (fine(name, f"{wad_text(quote.price_wad, 0)} tokens"),)
