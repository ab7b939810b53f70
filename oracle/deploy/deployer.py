"""Put a store, its feeds and their views on a chain, verified; a second run finds everything there and sends nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import coincurve
from eth_account import Account
from hexbytes import HexBytes
from web3 import AsyncHTTPProvider, AsyncWeb3
from web3.exceptions import ContractLogicError, TimeExhausted, Web3RPCError

import contracts
from feeds.chains.abi import checksummed
from oracle.chain.store_abi import calldata
from oracle.deploy.create2 import PROXY, PROXY_CODE, DeployError, Placement, placement, salt_of, verify
from oracle.deploy.deployment_file import SALT, Deployment
from oracle.deploy.store_settings import StoreSettings, table_of
from oracle.deploy.views import feed_id, views_of
from oracle.model.spec import FeedSpec

_PATIENCE_S = 120.0
_LOOK_S = 0.2
_CLASS_SHIFT = 13
"""An index is its class and its number in it, see StoreFeeds."""


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
        self._patience_s = _PATIENCE_S

    async def deploy(self, settings: StoreSettings, specs: Sequence[FeedSpec], *, salt: str = SALT) -> Deployment:
        """Put the store, register every feed with a slot, put a view for each feed and cross; what is there stays.

        Then the registry if there is to be one, and last the offer of the ownership.

        Raises:
            DeployError: no deployment proxy on the chain, another contract at an address, a feed registered otherwise,
                or not registered in a store that is another's by now.
        """
        before = self._sent
        await self._settle()
        await self._check_proxy()
        store, views = self.placements(settings, specs, salt=salt)
        await self.put(store)
        await self._register_missing(checksummed(store.address), [s for s in specs if not s.is_cross], settings)
        for view in views.values():
            await self.put(view)
        registry = self._registry(settings, store, salt, await self.chain_id())
        if registry is not None:
            await self.put(registry)
        await self._appoint(checksummed(store.address), settings)
        await self._hand_over(checksummed(store.address), settings)
        return replace(await self.planned(settings, specs, salt=salt), sent=self._sent - before)

    async def planned(self, settings: StoreSettings, specs: Sequence[FeedSpec], *, salt: str = SALT) -> Deployment:
        """What `deploy` will have made: known before anything is sent."""
        store, views = self.placements(settings, specs, salt=salt)
        chain_id = await self.chain_id()
        registry = self._registry(settings, store, salt, chain_id)
        return Deployment(
            chain_id=chain_id,
            store=checksummed(store.address),
            views={feed: checksummed(view.address) for feed, view in views.items()},
            salt=salt,
            deployer=str(self._account.address),
            registry=None if registry is None else checksummed(registry.address),
            settings=table_of(settings),
        )

    def placements(
        self, settings: StoreSettings, specs: Sequence[FeedSpec], *, salt: str = SALT
    ) -> tuple[Placement, dict[str, Placement]]:
        """The store and the views by feed, with their addresses; known before anything is sent."""
        salted = salt_of(salt)
        store = placement("the store", "PriceStore", self._store_args(settings), salt=salted)
        return store, views_of(store, specs, salt=salted)

    def _store_args(self, settings: StoreSettings) -> list[Any]:
        """The store's constructor arguments; the deploying key becomes the owner."""
        guardian = settings.guardian or bytes(20)
        delays = (settings.rotation_delay_s, settings.overlap_s)
        return [
            (self._account.address, guardian, settings.max_push_age_s, *delays),
            [(c.min_gap_s, c.step_bps, c.step_wait_s) for c in settings.classes],
            list(settings.signers),
            list(settings.weights),
            settings.threshold,
            settings.strong,
        ]

    def _registry(self, settings: StoreSettings, store: Placement, salt: str, chain_id: int) -> Placement | None:
        """The registry over the store, on the store's own chain; None where the settings have none."""
        one = settings.registry
        if one is None:
            return None
        owner = settings.owner or bytes.fromhex(self._account.address[2:])
        parties = (one.curator or owner, one.arbiter or owner, one.treasury, one.slasher or bytes(20))
        terms = (store.address, chain_id, *parties, one.unbonding_s, one.dispute_s)
        return placement("the registry", "OperatorRegistry", [one.token, terms, one.longest_s], salt=salt_of(salt))

    async def put(self, one: Placement) -> bool:
        """Put a contract at its address and verify its code; whether a transaction was needed."""
        address = checksummed(one.address)
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
        code = bytes(await self._web3.eth.get_code(cast("Any", checksummed(PROXY))))
        if code != PROXY_CODE:
            what = "holds other code" if code else "is missing"
            raise DeployError(
                f"the deployment proxy {checksummed(PROXY)} {what} on this chain: put it there first, as"
                " github.com/Arachnid/deterministic-deployment-proxy says"
            )

    async def _register_missing(self, store: str, specs: Sequence[FeedSpec], settings: StoreSettings) -> None:
        """Register what is not, in order; what is registered must have the prices and the class that the config says."""
        functions = self.functions(store)
        count = await functions.count().call()
        known = {bytes(feed): int(i) for feed, i in [await functions.feedAt(at).call() for at in range(count)]}
        owner = str(await functions.owner().call())
        for spec in specs:
            index, kind = known.get(feed_id(spec.feed)), settings.class_of.get(spec.feed, 0)
            if index is None:
                args = (feed_id(spec.feed), spec.has_market, spec.has_redemption, kind)
                if owner != self._account.address:
                    raise DeployError(
                        f"{spec.feed} is not registered, and the store is {owner}'s: let it call {store} with"
                        f" 0x{calldata('register', args)[0].hex()} (register), then run this again"
                    )
                await self.call(functions.register(*args))
            elif tuple(await functions.presence(index).call()) != (spec.has_market, spec.has_redemption):
                raise DeployError(
                    f"{spec.feed} is registered with other prices than the config gives it, and for good: use another"
                    " feed id (#variant), or another --salt"
                )
            elif index >> _CLASS_SHIFT != kind:
                raise DeployError(
                    f"{spec.feed} is registered in class {index >> _CLASS_SHIFT}, the settings say {kind}: a class is for"
                    " good, use another feed id (#variant), or another --salt"
                )

    async def _appoint(self, store: str, settings: StoreSettings) -> None:
        """Name the set owner, while the store is this key's."""
        functions = self.functions(store)
        if settings.set_owner is None or str(await functions.owner().call()) != self._account.address:
            return
        to = checksummed(settings.set_owner)
        if str(await functions.setOwner().call()) != to:
            await self.call(functions.setSetOwner(to))

    async def _hand_over(self, store: str, settings: StoreSettings) -> None:
        """Offer the ownership, once; it passes when the other side accepts."""
        functions = self.functions(store)
        if settings.owner is None or str(await functions.owner().call()) != self._account.address:
            return
        to = checksummed(settings.owner)
        if to not in (self._account.address, str(await functions.pendingOwner().call())):
            await self.call(functions.transferOwnership(to))

    async def register(self, store: str, feed: str, *, market: bool, redemption: bool) -> None:
        """Register a feed in a store that the key owns."""
        await self.call(self.functions(store).register(feed_id(feed), market, redemption, 0))

    def functions(self, store: str) -> Any:
        """The functions of a store, to be called or sent."""
        return self._web3.eth.contract(address=cast("Any", store), abi=contracts.load("PriceStore").abi).functions

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
        """Send one transaction and await its receipt; DeployError if it reverts, is not taken, or does not land."""
        try:
            receipt = await self._call(function)
        except TimeExhausted:
            raise DeployError(
                f"a transaction of {self._account.address} has waited {self._patience_s} s: run this again when it is in"
                " the chain, or raise its fee from a wallet"
            ) from None
        except Web3RPCError as e:
            held = await self._web3.eth.get_balance(cast("Any", self._account.address))
            raise DeployError(
                f"the endpoint refuses a transaction of {self._account.address}, which holds {held} wei: {_said(e)}"
            ) from None
        except ContractLogicError as e:
            raise DeployError(
                f"the chain refuses a transaction of {self._account.address} before it is sent ({str(e.message)[:200]}):"
                " a contract does not take these settings"
            ) from None
        if receipt["status"] != 1:
            raise DeployError(f"deployment transaction 0x{bytes(receipt['transactionHash']).hex()} reverted")
        return receipt

    async def _call(self, function: Any) -> Any:
        sender = self._account.address
        fields: dict[str, Any] = {
            "from": sender,
            "nonce": await self._web3.eth.get_transaction_count(cast("Any", sender)),
        }
        signed = self._account.sign_transaction(await function.build_transaction(fields))
        sent = await self._web3.eth.send_raw_transaction(HexBytes(signed.raw_transaction))
        self._sent += 1
        return await self._web3.eth.wait_for_transaction_receipt(sent, timeout=self._patience_s, poll_latency=0.02)

    async def _settle(self) -> None:
        """Wait for what an earlier run left waiting: what it makes is then found, and not sent once more.

        Raises:
            DeployError: it does not land.
        """
        sender, waited_s = cast("Any", self._account.address), 0.0
        while True:
            mined = int(await self._web3.eth.get_transaction_count(sender))
            known = int(await self._web3.eth.get_transaction_count(sender, "pending"))
            if known <= mined:
                return
            if waited_s >= self._patience_s:
                raise DeployError(
                    f"{known - mined} transactions of {sender} wait from nonce {mined} on, of an earlier run or of"
                    " another program: run this again when they are in the chain, or raise the fee from a wallet"
                )
            await asyncio.sleep(_LOOK_S)
            waited_s += _LOOK_S

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
        body = {**fields, "to": checksummed(self.to), "data": "0x" + self.data.hex(), "value": 0}
        history = await self.web3.eth.fee_history(1, "latest", [50])
        paid = [
            tip for block in history.get("reward") or [] for tip in block
        ]  # a node that just moved on may know none
        tip = max(paid, default=0) or 1
        body |= {"maxPriorityFeePerGas": tip, "maxFeePerGas": 2 * history["baseFeePerGas"][-1] + tip, "type": 2}
        gas = await self.web3.eth.estimate_gas(body)
        return {**body, "gas": gas, "chainId": await self.web3.eth.chain_id}


def _said(error: Web3RPCError) -> str:
    """The node's own words."""
    said: Any = (error.rpc_response or {}).get("error") or {}
    return str(said.get("message", error))[:200]
