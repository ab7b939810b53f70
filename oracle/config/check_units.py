"""Whether a source's unit is what the config says: a ratio read as dollars is refused before anything runs."""

from __future__ import annotations

from collections.abc import Iterator

from feeds.catalog.records import Compares, Rate, Reference
from feeds.chains.abi import address
from feeds.registry import REFERENCES
from feeds.types import ChainAdapter, Kind, Pair
from oracle.config.sections import Config
from oracle.config.tables.catalog import FIAT, Catalog
from oracle.config.tables.feed_sections import SourceSection
from oracle.config.tables.schema import Problem

_CONTRACT_KEYS = ("feed", "contract", "proxy", "vault")
_VAULT_FUNCTION = "convertToAssets(uint256)"
_FLAG, _AMOUNT, _RATE = "flag_call", "amount_call", "rate_call"
_COUNTED = frozenset({Kind.SUPPLY, Kind.BACKING})
_RATE_TYPES = frozenset({"rate_call", "erc4626"})


def unit_problems(
    config: Config, where: str, own: Pair, source: SourceSection, adapter: ChainAdapter | None
) -> Iterator[Problem]:
    """What is wrong with the unit of one source.

    Args:
        config: the whole config, for the chain's id.
        where: the source's place in the config.
        own: the pair that the source states, as the config says.
        source: as written.
        adapter: as built; None for a venue.
    """
    if source.kind is Kind.REDEMPTION and own.quote in FIAT:
        yield Problem(f"{where}.pair", f"what a protocol owes is a ratio, not {own.quote}: use legs for {own}")
    if source.type in REFERENCES:
        yield from _reference_kind(where, source)
    if (source.type == _FLAG) is not (source.kind is Kind.OPEN):
        yield Problem(
            f"{where}.kind",
            'a flag_call says whether holders can redeem, and nothing else does: write kind = "open" with it',
        )
    yield from _amount_kind(where, source)
    led = getattr(adapter, "pair", None)
    if isinstance(led, Pair) and led != own:
        yield Problem(f"{where}.steps", f"the steps lead from {led.base} to {led.quote}, the source is about {own}")
    contract, chain = _contract(source), _chain(config, source)
    if adapter is None or contract is None or chain is None:
        return
    if source.type in REFERENCES:
        yield from _known_reference(config.catalog, where, own, source, config.catalog.references_at(chain, contract))
    elif source.type in _RATE_TYPES:
        function = str(source.params.get("function", _VAULT_FUNCTION))
        yield from _known_rate(config.catalog, where, own, chain, contract, function)


def _amount_kind(where: str, source: SourceSection) -> Iterator[Problem]:
    """Tokens are counted by what can say that there are none."""
    counts = source.kind in _COUNTED
    if source.type == _AMOUNT and not counts:
        yield Problem(f"{where}.kind", 'an amount_call counts tokens: write kind = "supply" or "backing" with it')
    elif source.type == _RATE and counts:
        text = "rate_call refuses 0, and an emptied lock box is one: write amount_call, with the same keys"
        yield Problem(f"{where}.type", text)


def _reference_kind(where: str, source: SourceSection) -> Iterator[Problem]:
    if source.kind is Kind.MARKET:
        text = (
            'another oracle never enters a market price: write kind = "reference", or "redemption_via_feed" for a rate'
        )
        yield Problem(f"{where}.kind", text)
    elif source.kind is Kind.REDEMPTION and source.group is None:
        text = 'a rate that a provider states depends on that provider: write group = "chainlink" for one of Chainlink'
        yield Problem(f"{where}.group", text)


def _contract(source: SourceSection) -> bytes | None:
    for key in _CONTRACT_KEYS:
        if isinstance(text := source.params.get(key), str):
            try:
                return address(text)
            except ValueError:
                return None
    return None


def _chain(config: Config, source: SourceSection) -> str | None:
    section = config.chains.get(source.chain or "")
    return None if section is None else config.catalog.chain_of(section.chain_id)


def _known_rate(
    catalog: Catalog, where: str, own: Pair, chain: str, contract: bytes, function: str
) -> Iterator[Problem]:
    known = [(s, r) for s, r in _readings(catalog) if _reads(r, chain, contract, function)]
    if known and not any(s == own.base and catalog.graph.at_par(r.unit, own.quote) for s, r in known):
        stated = " or ".join(sorted({f"{s}/{r.unit}" for s, r in known}))
        yield Problem(f"{where}.pair", f"{function} of this contract states {stated}, not {own}: use rate_path or legs")


def _readings(catalog: Catalog) -> Iterator[tuple[str, Rate]]:
    for token in catalog.tokens.values():
        yield from ((token.symbol, r) for r in ((token.rate,) if token.rate else ()) + token.second)


def _reads(rate: Rate, chain: str, contract: bytes, function: str) -> bool:
    return rate.chain == chain and rate.function == function and address(rate.contract or b"") == contract


def _known_reference(
    catalog: Catalog, where: str, own: Pair, source: SourceSection, known: tuple[Reference, ...]
) -> Iterator[Problem]:
    wanted = str(source.params.get("feed_id", "")).lower()
    known = tuple(r for r in known if r.feed_id is None or r.feed_id.lower() == wanted)
    if not known:
        return
    fits = [r for r in known if r.base == own.base and (r.quote == own.quote or _at_par(catalog, r, own))]
    if not fits:
        stated = " or ".join(f"{r.base}/{r.quote}" for r in known)
        yield Problem(f"{where}.pair", f"this feed states {stated}, not {own}: a ratio read as dollars is refused")
    elif source.kind is Kind.REDEMPTION and not any(r.kind is Compares.EXCHANGE_RATE for r in fits):
        yield Problem(f"{where}.kind", f"{fits[0].name} states a market price: it cannot stand in for a rate")


def _at_par(catalog: Catalog, reference: Reference, own: Pair) -> bool:
    """Whether a rate's quote is exactly one of ours (weETH/eETH is weETH/ETH); a market price is never read so."""
    rate = reference.kind is Compares.EXCHANGE_RATE and reference.quote is not None
    return rate and catalog.graph.at_par(reference.quote or "", own.quote)
