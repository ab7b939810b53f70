"""Independent groups: what a source depends on, and that no feed counts one such thing as two.

The law: a group is what can fail or be moved together. So sources that depend on one exchange, one party behind a host, one
chain or one pool are in one group, however they are read and whatever they are called. The file may merge groups that the
program takes for two; it can never make two of one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from feeds.catalog.exchanges import exchange_at, exchange_of, is_exchange
from feeds.exchanges.json_http import JsonVenue
from feeds.registry import EXCHANGES
from feeds.streams.ccxt_bridge import CcxtSource
from feeds.types import ChainAdapter, Kind
from oracle.config.sections import Config
from oracle.config.tables.feed_sections import SourceSection
from oracle.config.tables.providers import domain_of, party_domain, plain_host
from oracle.config.tables.schema import Problem
from oracle.model.spec import SourceSpec
from oracle.model.suggest import nearest

_CONTRACT_KEYS = ("pool_id", "pool", "contract", "vault")
"""Keys that name what is read, the narrowest first: many pools share a vault."""
_ADDRESS_BYTES = 20
_CHAIN = "chain:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Dependence:
    """What one source of a feed depends on, beside the group that it is in.

    Attributes:
        where: the source's place in the config.
        spec: the source.
        natural: the group that it is in unless the file merges it into another.
        written: the group that the file states; None for none.
        contract: the pool or contract that it reads, with the chain's id; None for a venue.
    """

    where: str
    spec: SourceSpec
    natural: str
    written: str | None = None
    contract: tuple[int, bytes] | None = None

    @property
    def counted_as(self) -> str:
        """The group that it counts in once it has its average."""
        return self.spec.name if self.spec.average_s else self.spec.group


def natural_group(config: Config, source: SourceSection, pull: JsonVenue | CcxtSource | None) -> str:
    """The group of a source whose file says nothing of it: the exchange, the party behind a host, or the chain."""
    if isinstance(pull, CcxtSource):
        return exchange_of(pull.exchange)
    if pull is not None:
        return party_at(pull.source.url)
    if source.type in EXCHANGES:
        return exchange_behind(config, source.type)
    return f"{_CHAIN}{first_name_of(config, source.chain)}"


def exchange_behind(config: Config, venue: str) -> str:
    """The exchange whose book a venue reads: its own, unless its section leads to another one that speaks its language."""
    section = config.venues.get(venue)
    urls = () if section is None else (section.ws_url, section.rest_url)
    return next((e for url in urls if url and (e := exchange_at_address(url))), exchange_of(venue))


def exchange_at_address(url: str) -> str | None:
    """The exchange whose API is at an address; None for any other: a proxy, a test."""
    return exchange_at(domain_of(plain_host(url)))


def party_at(url: str) -> str:
    """Who answers at an address: the exchange whose API is there, else the party by its first registrable domain."""
    domain = domain_of(plain_host(url))
    return exchange_at(domain) or _adapters_at().get(domain) or party_domain(domain)


@cache
def _adapters_at() -> Mapping[str, str]:
    """Exchanges by the domains that their adapters ask, for one that the table does not hold."""
    return {domain_of(plain_host(u)): exchange_of(n) for n, e in EXCHANGES.items() for u in (e.ws_url, e.rest_url)}


def group_of(written: str | None, natural: str) -> str:
    """The group that a source is in: as the file says it, an exchange under its one name."""
    if written is None:
        return natural
    return exchange_of(written) if is_exchange(written) or written.lower() in EXCHANGES else written


def first_name_of(config: Config, chain: str | None) -> str | None:
    """The name of a chain in the config: the first one of those that have its id, for one chain is one."""
    section = config.chains.get(chain or "")
    if section is None:
        return chain
    return next(n for n, s in config.chains.items() if s.chain_id == section.chain_id)


def contract_of(config: Config, source: SourceSection, adapter: ChainAdapter | None) -> tuple[int, bytes] | None:
    """The pool that an adapter reads, or its contract, with the chain's id; None for a venue.

    A pool that is one of many in one contract is known by its id. Balancer's ids begin with the pool's address.
    """
    section = config.chains.get(source.chain or "")
    if adapter is None or section is None:
        return None
    if isinstance(key_hash := getattr(adapter, "key_hash", None), bytes):
        return section.chain_id, key_hash
    named = next((text for k in _CONTRACT_KEYS if isinstance(text := getattr(adapter, k, ""), str) and text), None)
    return None if named is None else (section.chain_id, bytes.fromhex(named.removeprefix("0x"))[:_ADDRESS_BYTES])


def group_problems(sources: Sequence[Dependence]) -> Iterator[Problem]:
    """What of a feed's sources would count one thing as two groups."""
    market = [s for s in sources if s.spec.kind is Kind.MARKET]
    yield from _split_problems(market)
    yield from _rename_problems(market)
    yield from _contract_problems(market)


def _split_problems(market: Sequence[Dependence]) -> Iterator[Problem]:
    """Sources of one natural group stay together."""
    first: dict[str, Dependence] = {}
    for source in market:
        before = first.setdefault(source.natural, source)
        if before.spec.group != source.spec.group:
            text = (
                f"{before.spec.name} and {source.spec.name} both depend on {source.natural} and cannot be two groups:"
                f' leave group out, or write group = "{before.spec.group}" for both'
            )
            yield Problem(f"{source.where}.group", text)


def _rename_problems(market: Sequence[Dependence]) -> Iterator[Problem]:
    """A written group joins what is apart: one that joins nothing only gives a thing another name."""
    for source in market:
        if source.written is None or source.spec.group == source.natural:
            continue
        joined = {s.natural for s in market if s.spec.group == source.spec.group}
        if len(joined) < 2:  # noqa: PLR2004 - itself and another
            text = (
                f"it depends on {source.natural}, which is its group: leave group out; a group is written to count several"
                " sources as one"
            )
            yield Problem(f"{source.where}.group", text)


def _contract_problems(market: Sequence[Dependence]) -> Iterator[Problem]:
    """A pool counts once, under whatever name and adapter it is read."""
    first: dict[tuple[int, bytes], Dependence] = {}
    for source in market:
        if source.contract is None:
            continue
        before = first.setdefault(source.contract, source)
        if before is not source and before.counted_as != source.counted_as:
            text = f"{before.spec.name} and {source.spec.name} read one pool and would count as two groups: leave one of them out"
            yield Problem(source.where, text)


def without_problems(config: Config, specs: Sequence[SourceSpec]) -> Iterator[Problem]:
    """Names in an operator's ``without`` that leave nothing out: misspelt, or an exchange under another of its names.

    An exchange that no feed reads may be named: the operator will not use it once one does.
    """
    known = {name for s in specs for name in (s.name, s.group)}
    for operator in config.operators:
        for name in operator.without:
            if name not in known and (exchange_of(name) != name or not (is_exchange(name) or name in EXCHANGES)):
                text = f"{name!r} is no source or group of a feed; {group_hint(name, {*known, *EXCHANGES})}"
                yield Problem(f"operators.{operator.name}.without", text)


def group_hint(name: str, known: Collection[str]) -> str:
    """What to write for a group that is not there."""
    group = exchange_of(name)
    return f"it is called {group} here" if group != name and group in known else nearest(name, known)
