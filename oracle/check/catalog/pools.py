"""What a pool of the catalogue is asked: its coins in their order, fee, reserves, whether it is paused. One function a family. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import TypeAlias

from feeds.catalog.records import POOL_SHARE, CatalogPool
from feeds.chains.abi import address, calldata, checksummed
from feeds.decode import abi_words
from feeds.errors import FeedError, Malformed, Reverted
from feeds.types import Call, Reply
from oracle.check.catalog.findings import EntryFinding, changed, dead, fine
from oracle.check.catalog.questions import Asking, Question
from oracle.check.contracts import text_of
from oracle.config.tables.catalog import Catalog
from oracle.config.tables.shorthand_pools import NATIVE

_NATIVE = address(NATIVE)
_ZERO = bytes(20)
_WAD_A_MILLIONTH = 10**12
_MOST_TOKENS = 8
_FLUID_WORDS, _FLUID_RESERVES = 26, 22
Facts: TypeAlias = Callable[[Catalog, CatalogPool], Asking]


def pool_questions(catalog: Catalog, pool: CatalogPool) -> Iterator[Question]:
    """What a pool says of itself, by its family; nothing where its family, or where it is, is unknown."""
    facts = FACTS.get(pool.family)
    if facts is None or not pool.is_placed:
        return
    contracts = tuple(address(c) for c in (pool.address, pool.vault, pool.resolver) if c is not None)
    yield Question(what="facts", contracts=contracts, ask=lambda _: facts(catalog, pool))


# --- coins -------------------------------------------------------------------------------------------------------------


def expected_coins(catalog: Catalog, pool: CatalogPool) -> list[tuple[str, bytes | None]]:
    """The coins that the catalogue lists, with their addresses where it has them; the pool's own share is left out."""
    own = [c for c in pool.coins if c != POOL_SHARE]
    return [(c, _NATIVE if c == "ETH" else _raw(catalog.address_of(c, pool.chain))) for c in own]


def _raw(text: str | None) -> bytes | None:
    return None if text is None else address(text)


def _coins(catalog: Catalog, pool: CatalogPool, held: Sequence[bytes]) -> Asking:
    """The coins that a pool holds against those listed; one that the catalogue has no address of is asked its name."""
    theirs, ours = _paired(catalog, pool, held)
    strange = [b for (_, a), b in zip(ours, theirs, strict=False) if a is None]
    calls = tuple(Call(to=c, data=calldata("symbol()")) for c in strange)
    replies = (yield calls) if calls else ()
    return tuple(_compared(theirs, ours, dict(zip(strange, replies, strict=True))))


def _paired(
    catalog: Catalog, pool: CatalogPool, held: Sequence[bytes]
) -> tuple[list[bytes], list[tuple[str, bytes | None]]]:
    """The coins held and the coins listed in one form: no own share, ether wrapped where the pool wraps it."""
    theirs = [_NATIVE if c == _ZERO else c for c in held if c != _raw(pool.address)]
    wrapped = _raw(catalog.address_of("WETH", pool.chain))
    listed = expected_coins(catalog, pool)
    return theirs, [(s, wrapped if a == _NATIVE and wrapped in theirs else a) for s, a in listed]


def _compared(
    theirs: Sequence[bytes], ours: Sequence[tuple[str, bytes | None]], names: Mapping[bytes, Reply]
) -> Iterator[EntryFinding]:
    """What is wrong with the coins; fine where nothing is."""
    if len(theirs) != len(ours):
        named = ", ".join(checksummed(c) for c in theirs)
        yield changed("coins", f"holds {len(theirs)} coins ({named}), the catalogue lists {len(ours)}")
        return
    wrong = [(s, a, b) for (s, a), b in zip(ours, theirs, strict=True) if a is not None and a != b]
    if wrong and {a for _, a, _ in wrong} == {b for _, _, b in wrong}:
        symbols = {a: s for s, a in ours}
        order = ", ".join(symbols.get(b, checksummed(b)) for b in theirs)
        yield changed("coins", f"holds its coins in another order: {order}")
    else:
        for symbol, listed, there in wrong:
            text = f"holds {checksummed(there)} where the catalogue has {symbol} ({checksummed(listed)})"
            yield changed("coins", text)
    for (symbol, listed_at), there in zip(ours, theirs, strict=True):
        if listed_at is None:
            yield _named(symbol, there, names.get(there))
    if not wrong:
        yield fine("coins", f"holds {', '.join(s for s, _ in ours)}")


def _named(symbol: str, where: bytes, reply: Reply | None) -> EntryFinding:
    """A coin whose address is not in the catalogue: by its name it is what is listed, or another one."""
    known = f"{symbol} is {checksummed(where)} here, which the catalogue does not have"
    if reply is None:
        return fine("coins", known)
    try:
        said = text_of(reply)
    except FeedError as e:
        return dead("coins", f"its coin {symbol} at {checksummed(where)} does not answer as a token: {e}")
    if said != symbol:
        return changed("coins", f"holds {said} ({checksummed(where)}) where the catalogue has {symbol}")
    return fine("coins", known)


def _addresses(replies: Sequence[Reply]) -> list[bytes]:
    return [abi_words.address_at(abi_words.returned(r)) for r in replies]


def _calls(to: str | None, *functions: str) -> tuple[Call, ...]:
    return tuple(Call(to=address(to or ""), data=calldata(f)) for f in functions)


def _number(reply: Reply) -> int | None:
    """The number that a call answers; None where the contract has no such function."""
    return None if isinstance(reply, Reverted) else abi_words.uint_at(abi_words.returned(reply))


def _fee(pool: CatalogPool, millionths: int | None) -> Iterator[EntryFinding]:
    if millionths is None or pool.fee_millionths is None:
        return
    if millionths != pool.fee_millionths:
        yield changed("fee", f"charges {millionths} millionths, the catalogue says {pool.fee_millionths}")
    else:
        yield fine("fee", f"{millionths} millionths")


# --- families ------------------------------------------------------------------------------------------------------------


def _concentrated(catalog: Catalog, pool: CatalogPool) -> Asking:
    """Uniswap v3 and its forks."""
    names = ("token0()", "token1()", "liquidity()", "fee()", "tickSpacing()")
    token0, token1, liquidity, fee, spacing = yield _calls(pool.address, *names)
    coins = yield from _coins(catalog, pool, _addresses((token0, token1)))
    findings = [*coins, *_fee(pool, _number(fee)), fine("spacing", f"tick spacing {_number(spacing)}")]
    if abi_words.uint_at(abi_words.returned(liquidity)) == 0:
        findings.append(dead("reserves", "drained: there is no liquidity at its price"))
    return tuple(findings)


def _constant_product(catalog: Catalog, pool: CatalogPool) -> Asking:
    """Uniswap v2 and its forks."""
    token0, token1, reserves = yield _calls(pool.address, "token0()", "token1()", "getReserves()")
    coins = yield from _coins(catalog, pool, _addresses((token0, token1)))
    data = abi_words.returned(reserves, words=2)
    return (*coins, *_drained([abi_words.uint_at(data), abi_words.uint_at(data, 1)]))


def _drained(reserves: Sequence[int]) -> Iterator[EntryFinding]:
    if not reserves or min(reserves) == 0:
        yield dead("reserves", "drained: it holds nothing of a coin")


def _curve(catalog: Catalog, pool: CatalogPool) -> Asking:
    """Every pool of Curve: coin by coin, and none after the last one listed."""
    count, to = len(pool.coins), address(pool.address or "")
    places = range(count + 1)
    replies = yield (
        *(Call(to=to, data=calldata("coins(uint256)", (i,))) for i in places),
        *(Call(to=to, data=calldata("balances(uint256)", (i,))) for i in places[:-1]),
        Call(to=to, data=calldata("is_killed()")),
    )
    coins, balances, killed = replies[: count + 1], replies[count + 1 : -1], replies[-1]
    held = _addresses(coins[:-1])
    if not isinstance(coins[-1], FeedError) and (more := _addresses(coins[-1:])) != [_ZERO]:
        held += more
    findings = yield from _coins(catalog, pool, held)
    stopped = () if isinstance(killed, FeedError) or not _number_of(killed) else (dead("paused", "it is killed"),)
    return (*findings, *_drained([abi_words.uint_at(abi_words.returned(b)) for b in balances]), *stopped)


def _number_of(reply: bytes) -> int:
    """The number in an answer; 0 where a contract answers nothing at all."""
    return abi_words.uint_at(reply) if reply else 0


def _balancer_v2(catalog: Catalog, pool: CatalogPool) -> Asking:
    """Every pool in the Vault of version 2; one whose id is not listed is asked for it first."""
    names = ("getPoolId()", "getVault()", "getPausedState()", "inRecoveryMode()", "getSwapFeePercentage()")
    pool_id, vault, paused, recovery, fee = yield _calls(pool.address, *names)
    findings = list(_stopped(abi_words.returned(paused), recovery))
    stated = "0x" + abi_words.returned(pool_id)[:32].hex()
    if pool.pool_id is not None and stated != pool.pool_id.lower():
        findings.append(changed("pool_id", f"its id is {stated}, the catalogue says {pool.pool_id}"))
    elif pool.pool_id is None:
        findings.append(changed("pool_id", f"its id is {stated}, which the catalogue does not have"))
    at = _addresses((vault,))[0]
    if pool.vault is not None and at != address(pool.vault):
        findings.append(changed("vault", f"its vault is {checksummed(at)}, the catalogue says {pool.vault}"))
    findings += _fee(pool, None if (charged := _number(fee)) is None else charged // _WAD_A_MILLIONTH)
    (listed,) = yield (Call(to=at, data=calldata("getPoolTokens(bytes32)", (stated,))),)
    return (*findings, *_listed(catalog, pool, listed, 1))


def _listed(catalog: Catalog, pool: CatalogPool, reply: Reply, balances_word: int) -> Iterator[EntryFinding]:
    """Coins and balances as a Vault lists them, sorted by address."""
    data = abi_words.returned(reply, words=balances_word + 1)
    tokens = [n.to_bytes(20, "big") for n in abi_words.uints_at(data, 0, most=_MOST_TOKENS)]
    balances = abi_words.uints_at(data, balances_word, most=_MOST_TOKENS)
    if len(tokens) != len(balances):
        raise Malformed("the Vault lists different numbers of tokens and balances", tokens=len(tokens))
    own = _raw(pool.address)
    yield from _drained([b for t, b in zip(tokens, balances, strict=True) if t != own])
    yield from _compared(*_paired(catalog, pool, tokens), {})


def _stopped(paused: bytes, recovery: Reply) -> Iterator[EntryFinding]:
    """What stops a pool of Balancer; pools without a recovery mode have no such view."""
    if abi_words.uint_at(paused):
        yield dead("paused", "it is paused")
    if not isinstance(recovery, Reverted) and abi_words.uint_at(abi_words.returned(recovery)):
        yield dead("paused", "it is in recovery mode: only exits are meant to happen")


def _balancer_v3(catalog: Catalog, pool: CatalogPool) -> Asking:
    """Every pool in the Vault of version 3, which answers for them."""
    vault, of = address(pool.vault or ""), (pool.address or "",)
    names = (
        "isPoolPaused(address)",
        "isPoolInRecoveryMode(address)",
        "getPoolTokens(address)",
        "getCurrentLiveBalances(address)",
    )
    own = tuple(Call(to=vault, data=calldata(n, of)) for n in names)
    paused, recovery, tokens, balances, whole = yield (*own, Call(to=vault, data=calldata("isVaultPaused()")))
    findings = list(_stopped(abi_words.returned(paused), recovery))
    if abi_words.uint_at(abi_words.returned(whole)):
        findings.append(dead("paused", "the Vault is paused"))
    held = [
        n.to_bytes(20, "big") for n in abi_words.uints_at(abi_words.returned(tokens, words=2), 0, most=_MOST_TOKENS)
    ]
    coins = yield from _coins(catalog, pool, held)
    live = abi_words.uints_at(abi_words.returned(balances, words=2), 0, most=_MOST_TOKENS)
    return (*findings, *coins, *_drained(live))


def _fluid(catalog: Catalog, pool: CatalogPool) -> Asking:
    """A pool of Fluid, by its resolver, which answers zeros where anything inside it fails."""
    of = calldata("getPoolReserves(address)", (pool.address or "",))
    (reply,) = yield (Call(to=address(pool.resolver or ""), data=of),)
    data = abi_words.returned(reply, words=_FLUID_WORDS)
    coins = yield from _coins(catalog, pool, [abi_words.address_at(data, i) for i in (1, 2)])
    start = len(data) // 32 - _FLUID_RESERVES
    real = [abi_words.uint_at(data, start + i) for i in (0, 1, 6, 7)]
    gone = () if any(real) else (dead("reserves", "drained: neither collateral nor debt is there"),)
    return (*coins, *_fee(pool, abi_words.uint_at(data, 3)), *gone)


def _maverick(catalog: Catalog, pool: CatalogPool) -> Asking:
    """A pool of Maverick."""
    token_a, token_b, spacing = yield _calls(pool.address, "tokenA()", "tokenB()", "tickSpacing()")
    coins = yield from _coins(catalog, pool, _addresses((token_a, token_b)))
    return (*coins, fine("spacing", f"bin width {_number(spacing)}"))


def _uniswap_v4(catalog: Catalog, pool: CatalogPool) -> Asking:
    """A pool of Uniswap v4 by its id, through StateView; its coins are hashed into the id."""
    del catalog
    of, view = (pool.pool_id or "",), address(pool.resolver or "")
    names = ("getSlot0(bytes32)", "getLiquidity(bytes32)")
    slot0, liquidity = yield tuple(Call(to=view, data=calldata(n, of)) for n in names)
    data = abi_words.returned(slot0, words=4)
    if abi_words.uint_at(data) == 0:
        return (dead("reserves", "no pool has this id: it was never initialised"),)
    gone = () if abi_words.uint_at(abi_words.returned(liquidity)) else ("drained: there is no liquidity at its price",)
    return (*_fee(pool, abi_words.uint_at(data, 3)), *(dead("reserves", text) for text in gone))


FACTS: Mapping[str, Facts] = MappingProxyType({
    "uniswap_v3": _concentrated,
    "pancakeswap_v3": _concentrated,
    "slipstream": _concentrated,
    "uniswap_v2": _constant_product,
    "velodrome_v2": _constant_product,
    "curve_plain": _curve,
    "curve_steth_ng": _curve,
    "curve_ng": _curve,
    "curve_crypto": _curve,
    "balancer_stable": _balancer_v2,
    "balancer_meta": _balancer_v2,
    "gyro_eclp": _balancer_v2,
    "balancer_v3": _balancer_v3,
    "fluid": _fluid,
    "maverick_v1": _maverick,
    "uniswap_v4": _uniswap_v4,
})  # fmt: skip
"""What each family is asked; a law holds it against the families of the catalogue."""
