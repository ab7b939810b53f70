"""The table of other oracles' feeds beside ours: every readable feed of the catalogue that is about a feed in the config."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from feeds.catalog.records import Compares, Reference
from feeds.errors import FeedError
from feeds.registry import RATES
from feeds.types import Kind, Quote, Read
from feeds.units import Wad, wad_mul_down
from oracle.check.values import ChainPrices
from oracle.config.resolve import ResolvedConfig
from oracle.config.tables.catalog import Catalog
from oracle.config.tables.shorthand_rates import reader
from oracle.model.spec import FeedSpec
from oracle.round.reference_divergence import Divergence, divergence

_USD = "USD"
_ETH = "ETH"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceComparison:
    """A provider's feed and the feed of ours that it is compared with."""

    feed: str
    reference: Reference
    against: Kind

    @property
    def name(self) -> str:
        """Of its read."""
        return f"reference|{self.feed}|{self.reference.name}"


def comparisons(catalog: Catalog, resolved: ResolvedConfig, chain: str) -> tuple[ReferenceComparison, ...]:
    """The providers' feeds of a chain, by the config's name of it, that can be compared with ours; ether in dollars among them."""
    named = catalog.chain_of(resolved.config.chains[chain].chain_id)
    usable = [r for r in catalog.references if r.chain == named and r.address is not None and not r.is_dead and r.quote]
    return tuple(
        c for spec in resolved.specs.values() for r in usable if (c := _compared(catalog, spec, r)) is not None
    )


def _compared(catalog: Catalog, spec: FeedSpec, reference: Reference) -> ReferenceComparison | None:
    if reference.base != spec.pair.base or "@" in spec.feed or "#" in spec.feed:
        return None
    quote, wanted = reference.quote or "", spec.pair.quote
    if reference.kind is Compares.MARKET and quote == wanted:
        return ReferenceComparison(feed=spec.feed, reference=reference, against=Kind.MARKET)
    if reference.kind is Compares.CAPPED_USD and quote == wanted:
        return ReferenceComparison(feed=spec.feed, reference=reference, against=Kind.REDEMPTION)
    if reference.kind is Compares.EXCHANGE_RATE and wanted != _USD and catalog.graph.at_par(quote, wanted):
        return ReferenceComparison(feed=spec.feed, reference=reference, against=Kind.REDEMPTION)
    return None


def reads_of(compared: tuple[ReferenceComparison, ...]) -> dict[str, Read]:
    """Their reads, by name."""
    return {c.name: _read(c.reference) for c in compared}


def _read(reference: Reference) -> Read:
    keys = reader(reference)
    kind = RATES[str(keys.pop("type"))]
    return kind(**keys).read()


def divergence_rows(
    resolved: ResolvedConfig,
    own: ChainPrices,
    compared: tuple[ReferenceComparison, ...],
    answers: Mapping[str, Quote | FeedError],
) -> Iterator[Divergence | tuple[ReferenceComparison, FeedError]]:
    """A row for each comparison: the drift, or why the provider's feed could not be read; none where we have no value.

    A feed in dollars is compared with our ratio times the same chain's price of ether in dollars by another oracle, for a
    chain alone knows no dollars.
    """
    ether = next((q.price_wad for c in compared if _is_ether(c) and isinstance(q := answers[c.name], Quote)), None)
    for comparison in compared:
        answer = answers[comparison.name]
        if isinstance(answer, FeedError):
            yield comparison, answer
            continue
        prices = own.market if comparison.against is Kind.MARKET else own.redemption
        value = _own(resolved.specs[comparison.feed], prices, ether)
        if value is not None:
            yield divergence(
                comparison.feed, comparison.reference.name, comparison.reference.provider, comparison.against,
                reference_wad=answer.price_wad, own_wad=value,
            )  # fmt: skip


def _is_ether(comparison: ReferenceComparison) -> bool:
    return comparison.reference.base == _ETH and comparison.reference.quote == _USD


def _own(spec: FeedSpec, prices: Mapping[str, Wad], ether: Wad | None) -> Wad | None:
    if not spec.is_cross:
        return prices.get(spec.feed)
    ratio = prices.get(spec.legs[0])
    return None if ratio is None or ether is None else wad_mul_down(ratio, ether)
