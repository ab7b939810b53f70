"""What a lender must know of each feed beside its price, as far as catalogue and config say it. Descriptive: no spec depends on it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from feeds.catalog.homes import home_of
from feeds.catalog.records import CatalogPool, Symbol, Token
from feeds.registry import REFERENCES
from feeds.types import Kind
from oracle.config.resolve import ResolvedConfig
from oracle.config.source_plans import SourcePlan
from oracle.config.tables.catalog import Catalog
from oracle.config.tables.feed_sections import FeedSection
from oracle.config.token_risks import token_facts, token_profile, unique
from oracle.model.risk import FeedRisk, RiskCode, RiskFact
from oracle.model.spec import FeedSpec, rails_of

_MAINNET = "ethereum"


def risks_of(resolved: ResolvedConfig) -> dict[str, FeedRisk]:
    """The risk of every feed. A product has the facts of its legs; a rebasing token its own and those of its share token."""
    made: dict[str, FeedRisk] = {}
    for name, spec in resolved.specs.items():
        below = [made[f] for f in (*spec.legs, *((spec.share_of,) if spec.share_of else ()))]
        own = _Feed(
            catalog=resolved.config.catalog,
            spec=spec,
            section=resolved.config.feeds[name],
            plans=tuple(p for p in resolved.sources if p.feed == name),
        )
        tokens = {p.token: p for risk in below for p in risk.tokens}
        if own.token is not None and not spec.is_cross:
            tokens = {own.token.symbol: token_profile(own.token)} | tokens
        made[name] = FeedRisk(
            facts=unique(fact for facts in (own.facts(), *(r.facts for r in below)) for fact in facts),
            tokens=tuple(tokens.values()),
            chains={p.spec.name: p.chain for p in own.plans},
        )
    return made


@dataclass(frozen=True, slots=True, kw_only=True)
class _Feed:
    """A feed with its own sources, and what is known of its base."""

    catalog: Catalog
    spec: FeedSpec
    section: FeedSection
    plans: tuple[SourcePlan, ...]

    @property
    def token(self) -> Token | None:
        """The token that it is about; None for a unit, as ETH, or one that the catalogue lacks."""
        return self.catalog.tokens.get(self.spec.pair.base)

    @property
    def chain(self) -> str:
        """The chain after @ in its name; "" without one: the token where it is issued."""
        return self.spec.feed.split("#", maxsplit=1)[0].partition("@")[2]

    def facts(self) -> Iterator[RiskFact]:
        """Its own; those of its legs come from these."""
        if self.spec.is_cross:
            return
        if self.token is not None or self.spec.has_redemption:
            yield from token_facts(self.catalog, self.spec.pair.base)
            yield self._bridged()
            yield self._rails_unwatched()
        if self.spec.sources and self.spec.has_redemption:
            yield from self._rate_facts()
        if self.spec.sources and self.spec.has_market:
            yield from self._source_facts()
        if self.spec.sources:
            yield self._single_group()
            yield self._single_chain()

    def _bridged(self) -> RiskFact:
        token, chain = self.token, self.chain
        home = None if token is None else home_of(token)
        if token is None or home is None:
            return self._fact(
                RiskCode.BRIDGED, None, f"not known of {self.spec.pair.base}: the chain that it is issued on", ()
            )
        away = bool(chain) and chain != home
        text = (
            f"on {chain} it is a copy: worth what the bridge holds on {home}, which "
            + ("is read as its rail" if rails_of(self.spec) else "nothing here reads")
            if away
            else f"the feed is of the token on {home}, where it is issued"
        )
        return self._fact(RiskCode.BRIDGED, away, text, token.source)

    def _rails_unwatched(self) -> RiskFact:
        """Whether both sides of the token's bridges are read; of a token without a copy that is recorded nothing is known."""
        token, read = self.token, rails_of(self.spec)
        known = {} if token is None else {r.name: r for r in token.rail}
        if read:
            names = {p.spec.name for p in self.plans}
            left = {n: [c for c in known[n].beyond if f"{n} on {c}" not in names] for n in read if n in known}
            more = [n for n in read if n in known and known[n].partial]
            text = f"what is locked is compared with what exists beyond: {', '.join(read)}"
            text += "".join(f"; {n} on {', '.join(chains)} is not counted" for n, chains in left.items() if chains)
            text += f"; {', '.join(more)} leads to further chains that are not counted" if more else ""
            return self._fact(RiskCode.RAILS_UNWATCHED, raised=False, text=text, source=self._key("sources"))
        home = None if token is None else home_of(token)
        copies = [] if token is None else [c for c in token.address if c != home]
        if not copies:
            text = f"not known of {self.spec.pair.base}: whether copies of it exist on other chains"
            return self._fact(RiskCode.RAILS_UNWATCHED, None, text, ())
        text = f"copies on {', '.join(copies)} are not compared with what is locked for them"
        text += "; the catalogue has both sides under the name rails" if known else ""
        return self._fact(RiskCode.RAILS_UNWATCHED, raised=True, text=text, source=self._key("sources"))

    def _rate_facts(self) -> Iterator[RiskFact]:
        readings = [p for p in self.plans if p.spec.kind is Kind.REDEMPTION]
        yield self._by_provider(readings)
        count = len(readings)
        text = (
            f"{count} readings of the rate are compared"
            if count > 1
            else f"{readings[0].spec.name} alone states the rate"
        )
        if count == 1 and self.token is not None and self.token.second:
            text += f"; the catalogue has {len(self.token.second)} more under the name second"
        yield self._fact(RiskCode.SINGLE_RATE_READING, count == 1, text, self._key("sources"))
        rules = self.spec.rules
        cap = (
            f"the rate may grow by {rules.growth_bps_year} bps a year"
            if rules.growth_bps_year
            else "nothing caps its growth"
        )
        yield self._fact(
            RiskCode.RATE_GROWTH_UNCAPPED, not rules.growth_bps_year, cap, self._key("rules.growth_bps_year")
        )
        age = (
            f"watched once it stands still for {rules.cadence_s} s"
            if rules.cadence_s
            else "a rate that stands still is not noticed"
        )
        yield self._fact(RiskCode.RATE_AGE_UNWATCHED, not rules.cadence_s, age, self._key("rules.cadence_s"))
        kinds = {p.spec.kind for p in self.plans if p.spec.rail is None}
        backed = {Kind.SUPPLY, Kind.BACKING} <= kinds
        text = (
            "supply is compared with what stands behind it"
            if backed
            else "nothing counts what stands behind the supply"
        )
        yield self._fact(RiskCode.BACKING_UNWATCHED, not backed, text, self._key("sources"))

    def _by_provider(self, readings: list[SourcePlan]) -> RiskFact:
        stated = [p for p in readings if p.chain is None or self._type_of(p) in REFERENCES]
        if not stated:
            text = "the rate is read from the protocol's own contracts"
            return self._fact(RiskCode.RATE_BY_PROVIDER, raised=False, text=text, source=self._key("sources"))
        names = sorted(p.spec.name for p in stated)
        alone = len(stated) == len(readings)
        text = f"the rate is what {', '.join(names)} states" + (
            ", not the protocol's own contract" if alone else ", beside the protocol's own contracts"
        )
        published = [s for r in self.catalog.references if r.name in names for s in r.source]
        source = (*self._key("sources"), *dict.fromkeys(published))
        return self._fact(RiskCode.RATE_BY_PROVIDER, alone, text, source)

    def _source_facts(self) -> Iterator[RiskFact]:
        """What the catalogue says of the market sources; of one that it does not have nothing is known."""
        records = {p.spec.name: self._record_of(p) for p in self.plans if p.spec.kind is Kind.MARKET}
        thin = {
            n: "trades too little for a price by itself" for n, r in records.items() if isinstance(r, Symbol) and r.thin
        }
        doubts = {
            n: text for n, r in records.items() if r is not None and (text := r.doubtful or r.unconfirmed or r.end)
        }
        strangers = [n for n, r in records.items() if r is None]
        for code, found, asked in (
            (RiskCode.SOURCE_THIN, thin, "trade too little"),
            (RiskCode.SOURCE_DOUBTFUL, doubts, "are confirmed and live"),
        ):
            if found:
                text = "; ".join(f"{name}: {why}" for name, why in found.items())
                sources = [s for name in found for s in getattr(records[name], "source", ())]
                yield self._fact(code, raised=True, text=text, source=(*self._key("sources"), *dict.fromkeys(sources)))
            elif strangers:
                text = f"not known of {self.spec.feed}: whether {', '.join(strangers)} {asked}, which the catalogue does not have"
                yield self._fact(code, raised=None, text=text, source=())
            else:
                text = "the catalogue marks none of its market sources"
                yield self._fact(code, raised=False, text=text, source=self._key("sources"))

    def _record_of(self, plan: SourcePlan) -> Symbol | CatalogPool | None:
        """The catalogue's record of a market source: a venue's symbol, or a pool by its name."""
        if plan.venue is not None:
            return next((s for s in self.catalog.symbols if (s.venue, s.symbol) == (plan.venue, plan.symbol)), None)
        return next(
            (p for p in self.catalog.pools if (p.name, p.chain) == (plan.spec.name, self.chain or _MAINNET)), None
        )

    def _type_of(self, plan: SourcePlan) -> str:
        """The adapter's name; a source without a name of its own is called by it and its chain."""
        by_name = {s.name: s.type for s in self.section.sources if s.name is not None}
        return by_name.get(plan.spec.name, plan.spec.name.partition(":")[0])

    def _single_group(self) -> RiskFact:
        accepted = self.spec.accept_single_group or (self.spec.has_market and self.spec.min_groups < 2)  # noqa: PLR2004 - one is single
        text = (
            "a price of one independent group is accepted"
            if accepted
            else f"a market price needs {self.spec.min_groups} independent groups"
            if self.spec.has_market
            else "it has no market price: groups do not apply"
        )
        key = "accept_single_group" if self.spec.accept_single_group else "min_groups"
        return self._fact(RiskCode.SINGLE_GROUP_ACCEPTED, accepted, text, self._key(key))

    def _single_chain(self) -> RiskFact:
        kind = Kind.MARKET if self.spec.has_market else Kind.REDEMPTION
        chains = {p.chain for p in self.plans if p.spec.kind is kind}
        single = len(chains) == 1 and None not in chains
        venues = "venues" if None in chains else ""
        named = sorted(c for c in chains if c is not None)
        text = (
            f"every {kind.value} source is read on {named[0]}: what stops or rewrites that chain takes them all"
            if single
            else f"its {kind.value} sources are {', '.join(filter(None, (venues, *named)))}"
        )
        return self._fact(RiskCode.SINGLE_CHAIN, single, text, self._key("sources"))

    def _fact(self, code: RiskCode, raised: bool | None, text: str, source: tuple[str, ...]) -> RiskFact:
        return RiskFact(code=code, of=self.spec.feed, raised=raised, text=text, source=source)

    def _key(self, key: str) -> tuple[str, ...]:
        """The key of the config that decides it."""
        return (f'config: feeds."{self.spec.feed}".{key}',)
