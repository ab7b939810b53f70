"""Deploy a store, its feeds and their views, verified; a second run finds everything there and sends nothing."""

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
from feeds.secret_values import filled
from oracle.chain.store_abi import calldata
from oracle.deploy.create2 import PROXY, PROXY_CODE, DeployError, PlannedContract, plan_contract, salt_of, verify_code
from oracle.deploy.deployment_file import SALT, Deployment
from oracle.deploy.store_settings import StoreSettings, constructor_args, table_of
from oracle.deploy.views import feed_id, views_for
from oracle.model.spec import FeedSpec

_PATIENCE_S = 120.0
_POLL_S = 0.2
_CLASS_SHIFT = 13
"""An index is its class and its number in it, see StoreFeeds."""


def directory_contract() -> PlannedContract:
    """The OperatorDirectory: of no store and no settings, so it is at one address on every chain, whatever salts a store."""
    return plan_contract("the directory", "OperatorDirectory", (), salt=salt_of("lrt-oracle directory"))


class Deployer:
    """Sends deployments and set-up calls one after the other, each awaited.

    Args:
        url: HTTP endpoint.
        key: pays and becomes the owner of the store.
        patience_s: for a transaction to land.

    Attributes:
        sent: transactions so far.
    """

    def __init__(self, url: str, key: coincurve.PrivateKey, *, patience_s: float = _PATIENCE_S) -> None:
        self._web3 = AsyncWeb3(AsyncHTTPProvider(filled(url).text))
        self._account = Account.from_key(key.secret)
        self.sent = 0
        self._patience_s = patience_s

    async def deploy(self, settings: StoreSettings, specs: Sequence[FeedSpec], *, salt: str = SALT) -> Deployment:
        """Deploy the store, register every feed with a slot, deploy a view for each feed and cross; what is there stays.

        Then the registry and the directory if the settings have them, and last the offer of the ownership.

        Raises:
            DeployError: no deployment proxy on the chain, another contract at an address, a feed registered otherwise,
                or not registered in a store that belongs to somebody else by now.
        """
        before = self.sent
        await self._await_pending()
        await self._check_proxy()
        store, views = self.plan_contracts(settings, specs, salt=salt)
        await self.ensure(store)
        await self._register_missing(checksummed(store.address), [s for s in specs if not s.is_cross], settings)
        for view in views.values():
            await self.ensure(view)
        registry = self._registry(settings, store, salt, await self.chain_id())
        if registry is not None:
            await self.ensure(registry)
        if settings.directory:
            await self.ensure(directory_contract())
        await self._name_set_owner(checksummed(store.address), settings)
        await self._offer_ownership(checksummed(store.address), settings)
        return replace(await self.plan(settings, specs, salt=salt), sent=self.sent - before)

    async def plan(self, settings: StoreSettings, specs: Sequence[FeedSpec], *, salt: str = SALT) -> Deployment:
        """What `deploy` will have made: known before anything is sent."""
        store, views = self.plan_contracts(settings, specs, salt=salt)
        chain_id = await self.chain_id()
        registry = self._registry(settings, store, salt, chain_id)
        return Deployment(
            chain_id=chain_id,
            store=checksummed(store.address),
            views={feed: checksummed(view.address) for feed, view in views.items()},
            salt=salt,
            deployer=str(self._account.address),
            registry=None if registry is None else checksummed(registry.address),
            directory=checksummed(directory_contract().address) if settings.directory else None,
            settings=table_of(settings),
        )

    def plan_contracts(
        self, settings: StoreSettings, specs: Sequence[FeedSpec], *, salt: str = SALT
    ) -> tuple[PlannedContract, dict[str, PlannedContract]]:
        """The store and the views by feed, with their addresses; known before anything is sent."""
        salted = salt_of(salt)
        store = plan_contract("the store", "PriceStore", constructor_args(settings, self._account.address), salt=salted)
        return store, views_for(store, specs, salt=salted)

    def _registry(
        self, settings: StoreSettings, store: PlannedContract, salt: str, chain_id: int
    ) -> PlannedContract | None:
        """The registry over the store, on the store's own chain; None where the settings have none."""
        registry = settings.registry
        if registry is None:
            return None
        owner = settings.owner or bytes.fromhex(self._account.address[2:])
        parties = (
            registry.curator or owner, registry.arbiter or owner, registry.treasury, registry.slasher or bytes(20),
        )  # fmt: skip
        terms = (store.address, chain_id, *parties, registry.unbonding_s, registry.dispute_s)
        args = [registry.token, terms, registry.longest_s]
        return plan_contract("the registry", "OperatorRegistry", args, salt=salt_of(salt))

    async def ensure(self, planned: PlannedContract) -> bool:
        """Deploy a contract unless it is there, and verify its code; whether a transaction was needed."""
        address = checksummed(planned.address)
        code = bytes(await self._web3.eth.get_code(cast("Any", address)))
        missing = not code
        if missing:
            await self.transact(_RawCall(self._web3, PROXY, planned.calldata))
            code = bytes(await self._web3.eth.get_code(cast("Any", address)))
            if not code:
                raise DeployError(
                    f"{planned.label} is not at {address} after its deployment: is this a usual EVM chain?"
                )
        verify_code(planned, code)
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
        """Register the feeds that are not, in order; those that are must have the prices and the class that the config says."""
        functions = self.functions(store)
        count = await functions.count().call()
        known = {bytes(feed): int(i) for feed, i in [await functions.feedAt(at).call() for at in range(count)]}
        owner = str(await functions.owner().call())
        for spec in specs:
            index, feed_class = known.get(feed_id(spec.feed)), settings.class_of.get(spec.feed, 0)
            if index is None:
                args = (feed_id(spec.feed), spec.has_market, spec.has_redemption, feed_class)
                if owner != self._account.address:
                    raise DeployError(
                        f"{spec.feed} is not registered, and the store is {owner}'s: let it call {store} with"
                        f" 0x{calldata('register', args)[0].hex()} (register), then run this again"
                    )
                await self.transact(functions.register(*args))
            elif tuple(await functions.presence(index).call()) != (spec.has_market, spec.has_redemption):
                raise DeployError(
                    f"{spec.feed} is registered with other prices than the config gives it, and for good: use another"
                    " feed id (#variant), or another --salt"
                )
            elif index >> _CLASS_SHIFT != feed_class:
                raise DeployError(
                    f"{spec.feed} is registered in class {index >> _CLASS_SHIFT}, the settings say {feed_class}: a class is for"
                    " good, use another feed id (#variant), or another --salt"
                )

    async def _name_set_owner(self, store: str, settings: StoreSettings) -> None:
        """Name the set owner, while the store is this key's."""
        functions = self.functions(store)
        if settings.set_owner is None or str(await functions.owner().call()) != self._account.address:
            return
        to = checksummed(settings.set_owner)
        if str(await functions.setOwner().call()) != to:
            await self.transact(functions.setSetOwner(to))

    async def _offer_ownership(self, store: str, settings: StoreSettings) -> None:
        """Offer the ownership, once; it passes when the other side accepts."""
        functions = self.functions(store)
        if settings.owner is None or str(await functions.owner().call()) != self._account.address:
            return
        to = checksummed(settings.owner)
        if to not in (self._account.address, str(await functions.pendingOwner().call())):
            await self.transact(functions.transferOwnership(to))

    async def register(self, store: str, feed: str, *, market: bool, redemption: bool) -> None:
        """Register a feed in a store that the key owns."""
        await self.transact(self.functions(store).register(feed_id(feed), market, redemption, 0))

    def functions(self, store: str) -> Any:
        """The functions of a store, to be called or sent."""
        return self._web3.eth.contract(address=cast("Any", store), abi=contracts.load("PriceStore").abi).functions

    def contract(self, abi: Any, address: str) -> Any:
        """A contract that is there, to be called."""
        return self._web3.eth.contract(address=cast("Any", checksummed(bytes.fromhex(address[2:]))), abi=abi)

    async def chain_id(self) -> int:
        """The chain that is deployed to."""
        return int(await self._web3.eth.chain_id)

    async def create(self, name: str, *args: Any) -> Any:
        """Deploy one of the project's contracts; returns it."""
        artifact = contracts.load(name)
        factory = self._web3.eth.contract(abi=artifact.abi, bytecode=artifact.bytecode)
        receipt = await self.transact(factory.constructor(*args))
        return self._web3.eth.contract(address=receipt["contractAddress"], abi=artifact.abi)

    async def transact(self, function: Any) -> Any:
        """Send one transaction and await its receipt; DeployError if it reverts, is not taken, or does not land."""
        try:
            receipt = await self._send(function)
        except TimeExhausted:
            raise DeployError(
                f"a transaction of {self._account.address} has waited {self._patience_s} s: run this again when it is in"
                " the chain, or raise its fee from a wallet"
            ) from None
        except Web3RPCError as e:
            held = await self._web3.eth.get_balance(cast("Any", self._account.address))
            raise DeployError(
                f"the endpoint refuses a transaction of {self._account.address}, which holds {held} wei: {_node_message(e)}"
            ) from None
        except ContractLogicError as e:
            raise DeployError(
                f"the chain refuses a transaction of {self._account.address} before it is sent ({str(e.message)[:200]}):"
                " a contract does not take these settings"
            ) from None
        if receipt["status"] != 1:
            raise DeployError(f"deployment transaction 0x{bytes(receipt['transactionHash']).hex()} reverted")
        return receipt

    async def _send(self, function: Any) -> Any:
        sender = self._account.address
        fields: dict[str, Any] = {
            "from": sender,
            "nonce": await self._web3.eth.get_transaction_count(cast("Any", sender)),
        }
        signed = self._account.sign_transaction(await function.build_transaction(fields))
        sent = await self._web3.eth.send_raw_transaction(HexBytes(signed.raw_transaction))
        self.sent += 1
        return await self._web3.eth.wait_for_transaction_receipt(sent, timeout=self._patience_s, poll_latency=0.02)

    async def _await_pending(self) -> None:
        """Wait for the transactions of an earlier run: what they make is then found, and not sent once more.

        Raises:
            DeployError: one of them does not land.
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
            await asyncio.sleep(_POLL_S)
            waited_s += _POLL_S

    async def close(self) -> None:
        """Close the connections."""
        await self._web3.provider.disconnect()


@dataclass(frozen=True, slots=True)
class _RawCall:
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


def _node_message(error: Web3RPCError) -> str:
    """The node's own words."""
    body: Any = (error.rpc_response or {}).get("error") or {}
    return str(body.get("message", error))[:200]
