"""The rate of a vault after ERC-4626: assets that one share redeems for."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from feeds.chains.abi import address, calldata
from feeds.decode import abi_words, values
from feeds.errors import NotPositive, OutOfRange, WrongSymbol
from feeds.types import Call, Quote, Read
from feeds.units import WAD

_MOST_DECIMALS = 36


@dataclass(frozen=True, slots=True, kw_only=True)
class Erc4626:
    """``convertToAssets(10**share_decimals)`` of a vault, in whole assets for one whole share, rounded down.

    Attributes:
        vault: address of the vault, which is also its share token.
        asset: address the vault must name as its asset; empty accepts any.
        share_decimals: decimals of the share token.
        asset_decimals: decimals of the asset.
    """

    vault: str
    asset: str = ""
    share_decimals: int = 18
    asset_decimals: int = 18

    def __post_init__(self) -> None:
        """Check the config; ValueError says what to write."""
        address(self.vault)
        if self.asset:
            address(self.asset)
        for key, value in (("share_decimals", self.share_decimals), ("asset_decimals", self.asset_decimals)):
            if not 0 <= value <= _MOST_DECIMALS:
                raise ValueError(f"{key} = {value}: write the token's decimals, 0 to {_MOST_DECIMALS}")

    def read(self) -> Read:
        """One phase: the conversion of one share, and the asset where one is configured.

        Raises:
            NotPositive: a share redeems for nothing.
            OutOfRange: for an amount that is out of range.
            WrongSymbol: the vault holds another asset.
        """
        converted, *rest = yield _calls(self.vault, self.share_decimals, bool(self.asset))
        if rest and abi_words.address_at(abi_words.returned(rest[0])) != address(self.asset):
            raise WrongSymbol("the vault's asset is another one", asset=abi_words.returned(rest[0])[12:32].hex())
        assets = abi_words.uint_at(abi_words.returned(converted))
        if assets == 0:
            raise NotPositive("a share redeems for nothing")
        wad = assets * WAD // 10**self.asset_decimals
        if wad == 0:
            raise OutOfRange("rate rounds to zero: check asset_decimals", assets=str(assets))
        return Quote(price_wad=values.bounded_price(wad))


@lru_cache(maxsize=1024)
def _calls(vault: str, share_decimals: int, check_asset: bool) -> tuple[Call, ...]:
    to = address(vault)
    convert = Call(to=to, data=calldata("convertToAssets(uint256)", (10**share_decimals,)))
    return (convert, Call(to=to, data=calldata("asset()"))) if check_asset else (convert,)
