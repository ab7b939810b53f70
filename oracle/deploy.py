"""Put a store, its feeds and their views on a chain, and read back what is there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import coincurve
from eth_account import Account
from hexbytes import HexBytes
from web3 import AsyncHTTPProvider, AsyncWeb3

import contracts
from oracle.types import FeedSpec, Mode

MODES: Mapping[Mode, int] = {Mode.MARKET: 0, Mode.REDEMPTION: 1, Mode.MIN: 2, Mode.MAX: 3}
"""FeedView's numbering of the modes."""
_USD_DECIMALS = 8
_DECIMALS = 18


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreSettings:
    """Who may sign, how many must, and how old a batch may be."""

    signers: tuple[bytes, ...]
    weights: tuple[int, ...]
    threshold: int
    max_push_age_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """Checksummed addresses: the store, and one view for each feed."""

    chain_id: int
    store: str
    views: Mapping[str, str]

    def toml(self) -> str:
        """The deployment as a TOML document."""
        lines = [f"chain_id = {self.chain_id}", f'store = "{self.store}"', "", "[views]"]
        return "\n".join([*lines, *(f'"{feed}" = "{view}"' for feed, view in self.views.items())]) + "\n"


def feed_id(feed: str) -> bytes:
    """The feed's name, left-aligned in 32 bytes."""
    return feed.encode("ascii").ljust(32, b"\0")


def decimals_of(spec: FeedSpec) -> int:
    """Decimals of a feed's view: 8 against USD, as lenders expect, else 18."""
    return _USD_DECIMALS if spec.pair.quote == "USD" else _DECIMALS


class Deployer:
    """Sends deployments and set-up calls one after the other, each awaited.

    Args:
        url: HTTP endpoint.
        key: pays and becomes the owner of the store.
    """

    def __init__(self, url: str, key: coincurve.PrivateKey) -> None:
        self._web3 = AsyncWeb3(AsyncHTTPProvider(url))
        self._account = Account.from_key(key.secret)

    async def deploy(self, settings: StoreSettings, specs: Sequence[FeedSpec]) -> Deployment:
        """Deploy the store, register every feed with a slot, deploy a view for each feed and cross."""
        signers = [AsyncWeb3.to_checksum_address("0x" + s.hex()) for s in settings.signers]
        store = await self.create(
            "PriceStore",
            self._account.address,
            settings.max_push_age_s,
            signers,
            list(settings.weights),
            settings.threshold,
        )
        views: dict[str, str] = {}
        for spec in specs:
            if spec.is_cross:
                legs = [views[leg] for leg in spec.legs]
                view = await self.create("CrossView", *legs, decimals_of(spec))
            else:
                await self.register(store.address, spec.feed, market=spec.has_market, redemption=spec.has_redemption)
                view = await self.create(
                    "FeedView", store.address, feed_id(spec.feed), MODES[spec.mode], decimals_of(spec), spec.heartbeat_s
                )
            views[spec.feed] = view.address
        return Deployment(chain_id=await self._web3.eth.chain_id, store=store.address, views=views)

    async def register(self, store: str, feed: str, *, market: bool, redemption: bool) -> None:
        """Register a feed in a store that the key owns."""
        contract = self._web3.eth.contract(address=cast("Any", store), abi=contracts.load("PriceStore").abi)
        await self.call(contract.functions.register(feed_id(feed), market, redemption))

    async def chain_id(self) -> int:
        """The chain that is deployed to."""
        return int(await self._web3.eth.chain_id)

    async def create(self, name: str, *args: Any) -> Any:
        """Deploy one of the project's contracts; returns it."""
        artifact = contracts.load(name)
        factory = self._web3.eth.contract(abi=artifact.abi, bytecode=artifact.bytecode)
        receipt = await self.call(factory.constructor(*args))
        return self._web3.eth.contract(address=receipt["contractAddress"], abi=artifact.abi)

    async def call(self, function: Any) -> Any:
        """Send one transaction and await its receipt; RuntimeError if it reverts."""
        sender = self._account.address
        fields: dict[str, Any] = {
            "from": sender,
            "nonce": await self._web3.eth.get_transaction_count(cast("Any", sender)),
        }
        signed = self._account.sign_transaction(await function.build_transaction(fields))
        sent = await self._web3.eth.send_raw_transaction(HexBytes(signed.raw_transaction))
        receipt = await self._web3.eth.wait_for_transaction_receipt(sent, poll_latency=0.02)
        if receipt["status"] != 1:
            raise RuntimeError(f"deployment transaction 0x{bytes(sent).hex()} reverted")
        return receipt

    async def close(self) -> None:
        """Close the connections."""
        await self._web3.provider.disconnect()


async def deploy(url: str, key: coincurve.PrivateKey, settings: StoreSettings, specs: Sequence[FeedSpec]) -> Deployment:
    """Deploy with a connection of its own."""
    deployer = Deployer(url, key)
    try:
        return await deployer.deploy(settings, specs)
    finally:
        await deployer.close()
