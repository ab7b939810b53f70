"""A share of an ERC-4626 vault that a pool holds in place of the vault's asset: what it is worth, and whether it is paid out. Pure.

Source: EIP-4626 (asset, convertToAssets, maxRedeem). A lending vault owes more than it holds: while all is lent out a share
is worth less than ``convertToAssets`` says, so the pool's shares must be redeemable for as much as is traded.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from feeds.chains.abi import address, calldata
from feeds.decode import abi_words
from feeds.errors import Malformed, NotPositive, Thin, WrongSymbol
from feeds.types import Call, Reply
from feeds.units import mul_div_down, mul_div_up

_MOST_BITS = 128


@dataclass(frozen=True, slots=True)
class ShareRate:
    """``assets`` smallest units of the asset for ``shares`` of the share; ``redeemable``: shares that are paid out now, None for any.

    A coin that is no share is worth itself.
    """

    assets: int = 1
    shares: int = 1
    redeemable: int | None = None

    def assets_down(self, shares: int) -> int:
        """What so many shares are worth, rounded down."""
        return mul_div_down(shares, self.assets, self.shares)

    def assets_up(self, shares: int) -> int:
        """The same, rounded up."""
        return mul_div_up(shares, self.assets, self.shares)

    def shares_down(self, assets: int) -> int:
        """Shares that so many assets make, rounded down."""
        return mul_div_down(assets, self.shares, self.assets)

    def shares_up(self, assets: int) -> int:
        """Shares that are needed for so many assets, rounded up."""
        return mul_div_up(assets, self.shares, self.assets)

    def check_paid(self, shares: int) -> None:
        """Thin where the vault does not pay out so many shares now."""
        if self.redeemable is not None and shares > self.redeemable:
            raise Thin(
                "the vault behind a share does not pay the notional out now", redeemable=str(self.redeemable)[:40]
            )


@lru_cache(maxsize=256)
def share_calls(share: str, asset: str, decimals: int, holder: str) -> tuple[Call, ...]:
    """The three questions about a share that this holder has; none where ``asset`` is empty, for a coin that is no share."""
    if not asset:
        return ()
    to = address(share)
    return (
        Call(to=to, data=calldata("asset()")),
        Call(to=to, data=calldata("convertToAssets(uint256)", (10**decimals,))),
        Call(to=to, data=calldata("maxRedeem(address)", (holder,))),
    )


def share_rate(replies: tuple[Reply, ...], asset: str, decimals: int) -> ShareRate:
    """The answers to ``share_calls``; ``decimals`` of share and asset alike.

    Raises:
        WrongSymbol: the vault holds another asset.
        NotPositive: a share is worth nothing.
        FeedError: for replies that are not such a vault's.
    """
    if not replies:
        return ShareRate()
    held, worth, most = (abi_words.returned(r) for r in replies)
    if abi_words.address_at(held) != address(asset):
        raise WrongSymbol("the vault's asset is another one", asset=held[12:32].hex())
    assets = abi_words.uint_at(worth)
    if assets == 0:
        raise NotPositive("a share is worth nothing")
    if assets >> _MOST_BITS:
        raise Malformed("a share is worth more than there is", assets=str(assets)[:40])
    return ShareRate(assets, 10**decimals, abi_words.uint_at(most))
