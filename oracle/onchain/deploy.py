"""Put a store, its feeds and their views on a chain, verified; a second run finds everything there and sends nothing."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import coincurve
from eth_account import Account
from hexbytes import HexBytes
from web3 import AsyncHTTPProvider, AsyncWeb3

import contracts
from oracle.onchain.place import PROXY, PROXY_CODE, DeployError, Placement, placement, salt_of, verify
from oracle.types import FeedSpec, Mode

MODES: Mapping[Mode, int] = {Mode.MARKET: 0, Mode.REDEMPTION: 1, Mode.MIN: 2, Mode.MAX: 3}
"""FeedView's numbering of the modes."""
_USD_DECIMALS = 8
_DECIMALS = 18
SALT = "lrt-oracle"
"""The word that salts addresses; another one gives a second deployment on the same chain."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreSettings:
    """Who may sign, how many must, how old a batch may be, and how far and how often a price may move.

    Attributes:
        step_threshold: weight with which a price may move by any step; 0: half of what is missing to all, rounded up.
        guardian: may pause; None for the owner alone.
        rotation_delay_s: from a change of signers to the moment from which it counts.
        overlap_s: for which the signers before are still taken then.
        min_gap_s: between two writes of a feed, unless its status gets worse.
        step_bps: a price further away waits, unless step_threshold signed it.
        step_wait_s: until it has stood for so long.
    """

    signers: tuple[bytes, ...]
    weights: tuple[int, ...]
    threshold: int
    max_push_age_s: int
    step_threshold: int = 0
    guardian: bytes | None = None
    rotation_delay_s: int = 0
    overlap_s: int = 0
    min_gap_s: int = 1
    step_bps: int = 1_000
    step_wait_s: int = 600

    @property
    def strong(self) -> int:
        """The weight with which a price may move by any step."""
        return self.step_threshold or self.threshold + (sum(self.weights) - self.threshold + 1) // 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """Checksummed addresses: the store, and one view for each feed. ``sent``: transactions that this run needed."""

    chain_id: int
    store: str
    views: Mapping[str, str]
    salt: str = SALT
    sent: int = field(default=0, compare=False)

    def toml(self) -> str:
        """The deployment as a TOML document."""
        lines = [f"chain_id = {self.chain_id}", f'store = "{self.store}"', f'salt = "{self.salt}"', "", "[views]"]
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
        self._sent = 0

    async def deploy(self, settings: StoreSettings, specs: Sequence[FeedSpec], *, salt: str = SALT) -> Deployment:
        """Put the store, register every feed with a slot, put a view for each feed and cross; what is there stays.

        Raises:
            DeployError: no deployment proxy on the chain, another contract at an address, a feed registered otherwise.
        """
        before = self._sent
        await self._check_proxy()
        store, views = self.placements(settings, specs, salt=salt)
        await self.put(store)
        await self._register_missing(_checksummed(store.address), [s for s in specs if not s.is_cross])
        for view in views.values():
            await self.put(view)
        return Deployment(
            chain_id=await self.chain_id(),
            store=_checksummed(store.address),
            views={feed: _checksummed(view.address) for feed, view in views.items()},
            salt=salt,
            sent=self._sent - before,
        )

    def placements(
        self, settings: StoreSettings, specs: Sequence[FeedSpec], *, salt: str = SALT
    ) -> tuple[Placement, dict[str, Placement]]:
        """The store and the views by feed, with their addresses; known before anything is sent."""
        salted = salt_of(salt)
        store = placement("the store", "PriceStore", self._store_args(settings), salt=salted)
        views: dict[str, Placement] = {}
        for spec in specs:
            if spec.is_cross:
                name, args = "CrossView", [*(views[leg].address for leg in spec.legs), decimals_of(spec)]
            else:
                mode, decimals = MODES[spec.mode], decimals_of(spec)
                name, args = "FeedView", [store.address, feed_id(spec.feed), mode, decimals, spec.heartbeat_s]
            views[spec.feed] = placement(f"the view of {spec.feed}", name, args, salt=salted)
        return store, views

    def _store_args(self, settings: StoreSettings) -> list[Any]:
        """The store's constructor arguments; the deploying key becomes the owner."""
        guardian = settings.guardian or bytes(20)
        delays = (settings.rotation_delay_s, settings.overlap_s)
        return [
            (self._account.address, guardian, settings.max_push_age_s, *delays),
            [(settings.min_gap_s, settings.step_bps, settings.step_wait_s)],
            list(settings.signers),
            list(settings.weights),
            settings.threshold,
            settings.strong,
        ]

    async def put(self, one: Placement) -> bool:
        """Put a contract at its address and verify its code; whether a transaction was needed."""
        address = _checksummed(one.address)
        code = bytes(await self._web3.eth.get_code(cast("Any", address)))
        missing = not code
        if missing:
            await self.call(_Raw(self._web3, PROXY, one.calldata))
            code = bytes(await self._web3.eth.get_code(cast("Any", address)))
            if not code:
                raise DeployError(f"{one.label} is not at {address} after its deployment: is this a usual EVM chain?")
        verify(one, code)
        return missing

    async def _check_proxy(self) -> None:
        code = bytes(await self._web3.eth.get_code(cast("Any", _checksummed(PROXY))))
        if code != PROXY_CODE:
            what = "holds other code" if code else "is missing"
            raise DeployError(
                f"the deployment proxy {_checksummed(PROXY)} {what} on this chain: put it there first, as"
                " github.com/Arachnid/deterministic-deployment-proxy says"
            )

    async def _register_missing(self, store: str, specs: Sequence[FeedSpec]) -> None:
        """Register what is not, in order; a feed that is registered must have the prices that the config says."""
        functions = self._web3.eth.contract(address=cast("Any", store), abi=contracts.load("PriceStore").abi).functions
        count = await functions.count().call()
        known = {bytes(feed): int(i) for feed, i in [await functions.feedAt(at).call() for at in range(count)]}
        for spec in specs:
            index = known.get(feed_id(spec.feed))
            if index is None:
                await self.register(store, spec.feed, market=spec.has_market, redemption=spec.has_redemption)
            elif tuple(await functions.presence(index).call()) != (spec.has_market, spec.has_redemption):
                raise DeployError(
                    f"{spec.feed} is registered with other prices than the config gives it, and for good: use another"
                    " feed id (#variant), or another --salt"
                )

    async def register(self, store: str, feed: str, *, market: bool, redemption: bool) -> None:
        """Register a feed in a store that the key owns."""
        contract = self._web3.eth.contract(address=cast("Any", store), abi=contracts.load("PriceStore").abi)
        await self.call(contract.functions.register(feed_id(feed), market, redemption, 0))

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
        """Send one transaction and await its receipt; DeployError if it reverts."""
        sender = self._account.address
        fields: dict[str, Any] = {
            "from": sender,
            "nonce": await self._web3.eth.get_transaction_count(cast("Any", sender)),
        }
        signed = self._account.sign_transaction(await function.build_transaction(fields))
        sent = await self._web3.eth.send_raw_transaction(HexBytes(signed.raw_transaction))
        self._sent += 1
        receipt = await self._web3.eth.wait_for_transaction_receipt(sent, poll_latency=0.02)
        if receipt["status"] != 1:
            raise DeployError(f"deployment transaction 0x{bytes(sent).hex()} reverted")
        return receipt

    async def close(self) -> None:
        """Close the connections."""
        await self._web3.provider.disconnect()


@dataclass(frozen=True, slots=True)
class _Raw:
    """A call with calldata of its own, in the form of web3's contract functions."""

    web3: Any
    to: bytes
    data: bytes

    async def build_transaction(self, fields: Mapping[str, Any]) -> Any:
        """Fill in gas, fees and chain."""
        body = {**fields, "to": _checksummed(self.to), "data": "0x" + self.data.hex(), "value": 0}
        history = await self.web3.eth.fee_history(1, "latest", [50])
        tip = history["reward"][0][0] or 1
        body |= {"maxPriorityFeePerGas": tip, "maxFeePerGas": 2 * history["baseFeePerGas"][-1] + tip, "type": 2}
        gas = await self.web3.eth.estimate_gas(body)
        return {**body, "gas": gas, "chainId": await self.web3.eth.chain_id}


def _checksummed(address: bytes) -> str:
    return str(AsyncWeb3.to_checksum_address("0x" + address.hex()))


async def deploy(
    url: str, key: coincurve.PrivateKey, settings: StoreSettings, specs: Sequence[FeedSpec], *, salt: str = SALT
) -> Deployment:
    """Deploy with a connection of its own."""
    deployer = Deployer(url, key)
    try:
        return await deployer.deploy(settings, specs, salt=salt)
    finally:
        await deployer.close()


def record(done: Deployment, path: Path) -> None:
    """Write the deployment to its file.

    Raises:
        DeployError: the file knows another store of this chain: other settings give other addresses.
    """
    if path.is_file():
        held = tomllib.loads(path.read_text(encoding="utf-8"))
        if (held.get("chain_id"), held.get("store")) != (done.chain_id, done.store):
            raise DeployError(
                f"{path} holds store {held.get('store')} on chain {held.get('chain_id')}, these settings give"
                f" {done.store} on chain {done.chain_id}: use the same settings, or another --out"
            )
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(".new")
    fresh.write_text(done.toml(), encoding="utf-8")
    fresh.replace(path)
