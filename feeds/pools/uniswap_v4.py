"""A Uniswap v4 pool, read through StateView: what selling and buying a notional pays, and its depth.

Source: v4-core (PoolManager, PoolKey, PoolId, Hooks, LPFeeLibrary, ProtocolFeeLibrary) and v4-periphery 1.0.3 (StateView:
getSlot0, getLiquidity, getTickLiquidity). All pools live in one contract; a pool is the keccak-256 of its key: both
currencies (the native coin is the zero address there, 0xEeee...EEeE here), fee, tick spacing and hooks.

Hooks: what a hooks contract may do stands in the last 14 bits of its address. One that may change the amounts of a swap
(before- or afterSwapReturnDelta), and a pool whose fee its hook sets (fee 0x800000), is refused in the config unless
accept_hooks is written; then the quote is what the pool would do by itself at the fee it now states. Any hook called
before or after a swap may also refuse it, which cannot be seen from here.

The protocol's fee is taken in either direction beside the pool's own. A pool keeps no mean of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from eth_hash.auto import keccak

from feeds.chains.abi import address, selector, word
from feeds.decode import abi_words
from feeds.errors import Malformed, WrongSymbol
from feeds.pools import v3_book
from feeds.pools.gates import Gates, counted
from feeds.pools.v3_dialects import exactly
from feeds.pools.v3_math import FEE_ONE
from feeds.pools.v3_ticks import Ticks
from feeds.types import Call, Read, Reply

NATIVE = "0xEeeeeEeeeEeEeeEeEeEeeEEEeeeeEeeeeeeeEEeE"
DYNAMIC_FEE = 0x800000
_CHANGES_AMOUNTS = 1 << 3 | 1 << 2
"""Flags beforeSwapReturnDelta and afterSwapReturnDelta of a hooks address."""
_MOST_SPACING = 32_767
_MOST_PROTOCOL_FEE = 1_000
_FEE_BITS = 12
_SLOT0, _LIQUIDITY = selector("getSlot0(bytes32)"), selector("getLiquidity(bytes32)")
_TICK = selector("getTickLiquidity(bytes32,int24)")


@dataclass(frozen=True, slots=True, kw_only=True)
class UniswapV4:
    """One pool, read at size.

    Attributes:
        state_view: address of StateView on this chain.
        base: address of the currency that is priced; quote: of the one it is priced in; native: 0xEeee...EEeE.
        notional: base tokens that are sold and bought, a decimal text.
        fee: of the pool's key: millionths of the input, or 8388608 where the hook sets it.
        spacing: of the pool's key: ticks between those that can hold liquidity.
        hooks: of the pool's key: address of its hooks contract; empty for none.
        pool_id: the 32 bytes that the key must give; empty: not checked.
        accept_hooks: whether to price a pool whose hooks may change amounts or fee as if they did not.
        base_decimals: of the base token; quote_decimals: of the quote token.
        range_bps: how far from the price liquidity is read, at most 255 initialisable ticks to each side.
        min_depth: base tokens that must be needed to move the price by 1 %.
        max_slippage_bps: how far selling and buying the notional may lie apart, both fees included.
    """

    state_view: str
    base: str
    quote: str
    notional: str
    fee: int
    spacing: int
    hooks: str = ""
    pool_id: str = ""
    accept_hooks: bool = False
    base_decimals: int = 18
    quote_decimals: int = 18
    range_bps: int = 250
    min_depth: str = "0"
    max_slippage_bps: int = 100

    def __post_init__(self) -> None:
        """Check the config; ValueError says what to write."""
        address(self.state_view)
        v3_book.check(self.base, self.quote, self._gates, self.range_bps)
        if not (0 <= self.fee < FEE_ONE or self.fee == DYNAMIC_FEE):
            raise ValueError(
                f"fee = {self.fee}: write millionths, 500 for 0.05 %, or {DYNAMIC_FEE} if the hook sets it"
            )
        if not 0 < self.spacing <= _MOST_SPACING:
            raise ValueError(f"spacing = {self.spacing}: write the key's tick spacing, 1 to {_MOST_SPACING}")
        self._check_hooks()
        if self.pool_id and _raw(self.pool_id) != self.key_hash:
            raise ValueError(
                f"pool_id = {self.pool_id}: this key gives 0x{self.key_hash.hex()}: correct one of the two"
            )

    def read(self) -> Read:
        """Two phases: the pool's state, then the ticks around its price.

        Prices: bid rounded down, ask up, mid down.

        Raises:
            NoData: the pool is not initialised: the key is another pool's, or none's.
            Thin: the notional or 2 % leaves the ticks read, or the depth is below min_depth.
            Slippage: selling and buying lie further apart than max_slippage_bps.
            WrongSymbol: the pool charges another fee than its key says.
            FeedError: for replies that are not a StateView's.
        """
        slot0, liquidity = counted((yield _state_calls(self.state_view, self.key_hash)), 2)
        span = self._span(slot0, liquidity)
        replies = yield _tick_calls(self.state_view, self.key_hash, v3_book.asked(span))
        ticks = v3_book.filled(span, replies, 2)
        return v3_book.quote(ticks, self._gates, base_is_0=self._base_is_0)

    @property
    def _gates(self) -> Gates:
        return Gates(self.notional, self.min_depth, self.max_slippage_bps, self.base_decimals, self.quote_decimals)

    @property
    def _base_is_0(self) -> bool:
        return _currency(self.base) < _currency(self.quote)

    @property
    def key_hash(self) -> bytes:
        """The pool's id: the hash of its key."""
        return hash_of_key(self.base, self.quote, self.fee, self.spacing, self.hooks)

    def _check_hooks(self) -> None:
        flags = address(self.hooks)[-1] if self.hooks else 0
        if self.accept_hooks or not (flags & _CHANGES_AMOUNTS or self.fee == DYNAMIC_FEE):
            return
        raise ValueError(
            f"hooks = {self.hooks!r} may change the amounts or the fee of a swap, which is not foreseen here: "
            "write accept_hooks = true to price the pool as if they did not"
        )

    def _span(self, slot0: Reply, liquidity: Reply) -> Ticks:
        """Return the pool's state with the ticks to read, as yet without their liquidity."""
        data = exactly(slot0, 4)
        protocol, own = abi_words.uint_at(data, 2), abi_words.uint_at(data, 3)
        if abi_words.uint_at(data) and self.fee not in {own, DYNAMIC_FEE}:
            raise WrongSymbol("the pool charges another fee than its key", fee=str(own)[:20], expected=self.fee)
        protocols = protocol & ((1 << _FEE_BITS) - 1), protocol >> _FEE_BITS
        if max(protocols) > _MOST_PROTOCOL_FEE or own > FEE_ONE:
            raise Malformed("fee out of range", fee=str(own)[:20], protocol_fee=str(protocol)[:20])
        first, second = (p + own - p * own // FEE_ONE for p in protocols)
        return v3_book.span(
            abi_words.uint_at(data),
            abi_words.int_at(data, 1),
            abi_words.uint_at(abi_words.returned(liquidity)),
            (first, second),
            self.spacing,
            self.range_bps,
        )


def _currency(text: str) -> int:
    """Return a currency of a pool's key as a number; the native coin is 0."""
    raw = address(text)
    return 0 if raw == address(NATIVE) else int.from_bytes(raw, "big")


def _raw(text: str | bytes) -> bytes:
    try:
        return text if isinstance(text, bytes) else bytes.fromhex(text.removeprefix("0x"))
    except ValueError:
        return b""


@lru_cache(maxsize=256)
def hash_of_key(base: str, quote: str, fee: int, spacing: int, hooks: str) -> bytes:
    """A pool's id, 32 bytes: keccak-256 of its key, the lower currency first, each field a word.

    Args:
        base: address of a currency; native: 0xEeee...EEeE.
        quote: of the other one, in either order.
        fee: millionths of the input, or 8388608 where the hook sets it.
        spacing: ticks between those that can hold liquidity.
        hooks: address of the hooks contract; empty for none.

    Raises:
        ValueError: for what is no address.
    """
    currencies = sorted((_currency(base), _currency(quote)))
    hook = int.from_bytes(address(hooks), "big") if hooks else 0
    return bytes(keccak(b"".join(word(n) for n in (*currencies, fee, spacing, hook))))


@lru_cache(maxsize=256)
def _state_calls(state_view: str, pool_id: bytes) -> tuple[Call, ...]:
    to = address(state_view)
    return (Call(to=to, data=_SLOT0 + pool_id), Call(to=to, data=_LIQUIDITY + pool_id))


@lru_cache(maxsize=32)  # as of uniswap_v3
def _tick_calls(state_view: str, pool_id: bytes, ticks: range) -> tuple[Call, ...]:
    to = address(state_view)
    return tuple(Call(to=to, data=_TICK + pool_id + word(tick)) for tick in ticks)
