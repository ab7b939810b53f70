"""Whether tokens, pools and other oracles' feeds are what the config means: what they say of themselves."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from feeds.catalog.records import EXPECTED_DECIMALS, CatalogPool
from feeds.chains.abi import address, calldata, checksummed
from feeds.decode import abi_words
from feeds.errors import FeedError, Malformed
from feeds.rates.chainlink import Chainlink
from feeds.types import Call, Pair, Reply
from oracle.config.resolve import ResolvedConfig
from oracle.config.source_plans import SourcePlan
from oracle.config.tables.catalog import Catalog
from oracle.config.tables.schema import Problem
from oracle.config.tables.shorthand_pools import NATIVE

_WORD = 32
_MOST_TEXT = 64
_CURVE = "curve"
_NATIVE = address(NATIVE)
_SORTED = frozenset({"uniswap_v2", "uniswap_v3", "pancakeswap_v3", "slipstream", "velodrome_v2"})
CallReader: TypeAlias = Callable[[Sequence[Call]], Awaitable[Mapping[Call, Reply]]]
"""Asks a chain for the raw answers of calls, all at one block."""


def where_of(source: SourcePlan) -> str:
    """Where a source stands in the config."""
    return f'feeds."{source.feed}".{source.spec.name}'


# --- tokens and pools --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Coin:
    """A token that a source trades: which one the config means, and the decimals that the source counts with."""

    where: str
    chain: str | None
    token: bytes
    means: str
    decimals: int

    @property
    def calls(self) -> tuple[Call, Call]:
        """Ask for symbol and decimals."""
        return Call(to=self.token, data=calldata("symbol()")), Call(to=self.token, data=calldata("decimals()"))


def _coins(catalog: Catalog, resolved: ResolvedConfig, sources: Sequence[SourcePlan]) -> Iterator[_Coin]:
    for source in sources:
        chain = catalog.chain_of(resolved.config.chains[source.chain or ""].chain_id)
        for key, means in (("base", source.spec.pair.base), ("quote", source.spec.pair.quote)):
            text = getattr(source.adapter, key, None)
            if isinstance(text, str | bytes) and text and address(text) != _NATIVE:
                decimals = getattr(source.adapter, f"{key}_decimals", EXPECTED_DECIMALS)
                yield _Coin(where=where_of(source), chain=chain, token=address(text), means=means, decimals=decimals)


async def check_coins(
    ask: CallReader, catalog: Catalog, resolved: ResolvedConfig, sources: Sequence[SourcePlan]
) -> list[Problem]:
    """Symbol and decimals of every token that the sources trade, and the coins of every pool of the catalogue."""
    coins = list(_coins(catalog, resolved, sources))
    pools = dict(_pools(catalog, resolved, sources))
    calls = [c for coin in coins for c in coin.calls] + [c for p in pools.values() for c in _order_calls(p)]
    replies = await ask(calls)
    problems = [p for coin in coins for p in _check_coin(catalog, coin, replies)]
    return problems + [p for where, pool in pools.items() for p in _check_order(catalog, where, pool, replies)]


def _check_coin(catalog: Catalog, coin: _Coin, replies: Mapping[Call, Reply]) -> Iterator[Problem]:
    ask_symbol, ask_decimals = coin.calls
    try:
        said, decimals = text_of(replies[ask_symbol]), abi_words.uint_at(abi_words.returned(replies[ask_decimals]))
    except FeedError as e:
        yield Problem(coin.where, f"{checksummed(coin.token)} does not answer as a token: {e}")
        return
    if decimals != coin.decimals:
        text = f"{said} has {decimals} decimals, the source counts with {coin.decimals}"
        yield Problem(coin.where, f"{text}: write base_decimals or quote_decimals")
    known = catalog.symbol_at(coin.chain, coin.token) if coin.chain is not None else None
    expected = known or coin.means
    if said != expected and not _wrapped(catalog, said, expected):
        yield Problem(coin.where, f"{checksummed(coin.token)} calls itself {said!r}, the config means {expected!r}")


def _wrapped(catalog: Catalog, said: str, expected: str) -> bool:
    unit = catalog.units.get(said)
    return unit is not None and unit.par == expected


def text_of(reply: Reply) -> str:
    """A string that a contract answers, or a word of text (old tokens); Malformed for anything else."""
    data = abi_words.returned(reply)
    if len(data) == _WORD:
        raw = data.rstrip(b"\0")
    else:
        start = abi_words.uint_at(data)
        length = abi_words.uint_at(data, start // _WORD) if start % _WORD == 0 and start < len(data) else _MOST_TEXT + 1
        if length > _MOST_TEXT or start + _WORD + length > len(data):
            raise Malformed("no text", bytes=len(data))
        raw = data[start + _WORD : start + _WORD + length]
    try:
        return raw.decode("ascii")
    except UnicodeDecodeError:
        raise Malformed("no ASCII text", starts=raw[:8].hex()) from None


def _pools(
    catalog: Catalog, resolved: ResolvedConfig, sources: Sequence[SourcePlan]
) -> Iterator[tuple[str, CatalogPool]]:
    for source in sources:
        chain = catalog.chain_of(resolved.config.chains[source.chain or ""].chain_id)
        text = getattr(source.adapter, "pool", None)
        if chain is not None and isinstance(text, str | bytes) and text:
            pool = catalog.pool_at(chain, address(text))
            if pool is not None:
                yield where_of(source), pool


def _order_calls(pool: CatalogPool) -> tuple[Call, ...]:
    """Ask a pool for its coins in its own order; nothing where its kind has no such function."""
    to = address(pool.address or "")
    if pool.family in _SORTED:
        return Call(to=to, data=calldata("token0()")), Call(to=to, data=calldata("token1()"))
    if pool.family.startswith(_CURVE):
        return tuple(Call(to=to, data=calldata("coins(uint256)", (i,))) for i in range(len(pool.coins)))
    return ()


def _check_order(catalog: Catalog, where: str, pool: CatalogPool, replies: Mapping[Call, Reply]) -> Iterator[Problem]:
    for call, symbol in zip(_order_calls(pool), pool.coins, strict=False):
        expected = catalog.address_of(symbol, pool.chain)
        if expected is None:
            continue
        try:
            held = abi_words.address_at(abi_words.returned(replies[call]))
        except FeedError as e:
            yield Problem(where, f"{pool.name} does not name its coins: {e}")
            return
        if held != address(expected):
            text = f"{pool.name} holds {checksummed(held)} where the catalogue has {symbol} ({expected})"
            yield Problem(where, f"{text}: wrong coin order or wrong pool")


# --- other oracles -------------------------------------------------------------------------------------------------------


async def check_descriptions(ask: CallReader, catalog: Catalog, sources: Sequence[SourcePlan]) -> list[Problem]:
    """A feed that says its pair must say ours: a ratio read as dollars is refused."""
    feeds = [(s, s.adapter) for s in sources if isinstance(s.adapter, Chainlink)]
    asks = {s: Call(to=address(a.feed), data=calldata("description()")) for s, a in feeds}
    replies = await ask(list(asks.values()))
    problems = []
    for source, call in asks.items():
        try:
            said = text_of(replies[call])
        except FeedError:
            continue  # not every provider describes its feeds
        if (stated := stated_pair(said)) is not None and not same_unit(catalog, stated, source.spec.pair):
            text = f"the feed calls itself {said!r}, the source is about {source.spec.pair}"
            problems.append(Problem(where_of(source), f"{text}: a ratio read as dollars is refused"))
    return problems


def stated_pair(text: str) -> Pair | None:
    """The pair in a description such as ``CBETH / ETH``; None where it has none."""
    base, slash, quote = text.partition("/")
    words = (base.split() or [""])[-1], (quote.split() or [""])[0]
    try:
        return Pair.parse("/".join(words)) if slash else None
    except ValueError:
        return None


def same_unit(catalog: Catalog, stated: Pair, own: Pair) -> bool:
    """Whether a stated pair is counted in our quote, or in what is exactly one of it."""
    if stated.quote.upper() == own.quote.upper():
        return True
    known = {s.upper(): s for s in (*catalog.tokens, *catalog.units)}
    quote = known.get(stated.quote.upper())
    return quote is not None and catalog.graph.at_par(quote, own.quote)
