"""Deploy a store, its feeds and their views, and what decides who signs, verified; a second run sends nothing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, cast

import contracts
from feeds.chains.abi import checksummed
from oracle.chain.store_abi import call_of, calldata
from oracle.config.tables.stake_sections import StakeSection
from oracle.deploy.create2 import PROXY, PROXY_CODE, DeployError, PlannedContract, plan_contract, salt_of, verify_code
from oracle.deploy.deployment_file import SALT, Deployment
from oracle.deploy.rehearsal import DeployStep, rehearse
from oracle.deploy.sending import DeployWallet, RawCall
from oracle.deploy.stake_checks import check_chain, connecting, taking_over
from oracle.deploy.stake_contracts import StakePlan, StakeSite, plan_stake
from oracle.deploy.store_settings import StoreSettings, constructor_args, table_of
from oracle.deploy.views import feed_id, views_for
from oracle.model.spec import FeedSpec

_CLASS_SHIFT = 13
"""An index is its class and its number in it, see StoreFeeds."""


def directory_contract() -> PlannedContract:
    """The OperatorDirectory: of no store and no settings, so it is at one address on every chain, whatever salts a store."""
    return plan_contract("the directory", "OperatorDirectory", (), salt=salt_of("lrt-oracle directory"))


class Deployer(DeployWallet):
    """Sends deployments and set-up calls one after the other, each awaited. The key becomes the first owner of the store."""

    async def deploy(self, settings: StoreSettings, specs: Sequence[FeedSpec], *, salt: str = SALT) -> Deployment:
        """Deploy the store, register every feed with a slot, deploy a view for each feed and cross; what is there stays.

        Then the directory and the contracts of stake if the settings have them, and last the ownership: offered to the owner, or
        handed to the set. With stake all of it is rehearsed first, where the node can do that.

        Raises:
            DeployError: no deployment proxy on the chain, another contract at an address, a feed registered otherwise,
                or not registered in a store that belongs to somebody else by now; with stake also, before anything is sent,
                what `steps` and `rehearse` refuse.
        """
        before = self.sent
        await self.await_pending()
        left = await self.steps(settings, specs, salt=salt)
        if settings.stake is not None:
            await rehearse(self.web3, self.sender, left)
        for number, step in enumerate(left, 1):
            label = f"{number} of {len(left)}, {step.label}"
            if step.made is not None:
                await self.ensure(step.made, label)
            else:
                await self.transact(RawCall(self.web3, step.to, step.data, label))
        return replace(await self.plan(settings, specs, salt=salt), sent=self.sent - before)

    async def steps(self, settings: StoreSettings, specs: Sequence[FeedSpec], *, salt: str = SALT) -> list[DeployStep]:
        """What is left to send, in order; what is there is verified. DeployError as `deploy`."""
        await self._check_proxy()
        store, views = self.plan_contracts(settings, specs, salt=salt)
        stake = await self._stake_plan(settings, salt)
        left = await self._missing([store])
        is_new, where = bool(left), checksummed(store.address)
        left += await self._registering(where, [s for s in specs if not s.is_cross], settings, stake, is_new=is_new)
        left += await self._missing(views.values())
        left += await self._missing([directory_contract()] if settings.directory else [])
        if settings.stake is not None and stake is not None:
            missing = await self._missing(stake.contracts.values())
            if missing:
                await check_chain(self.web3, settings.stake, settings)
            left += missing
            left += await connecting(self.web3, stake)
            return left + await taking_over(self.web3, stake, self.functions(where), self.sender, where)
        return left + await self._owning(where, settings, is_new=is_new)

    async def plan(self, settings: StoreSettings, specs: Sequence[FeedSpec], *, salt: str = SALT) -> Deployment:
        """What `deploy` will have made: known before anything is sent."""
        store, views = self.plan_contracts(settings, specs, salt=salt)
        stake = await self._stake_plan(settings, salt)
        return Deployment(
            chain_id=await self.chain_id(),
            store=checksummed(store.address),
            views={feed: checksummed(view.address) for feed, view in views.items()},
            salt=salt,
            deployer=self.sender,
            stake={} if stake is None else {n: checksummed(c.address) for n, c in stake.contracts.items()},
            directory=checksummed(directory_contract().address) if settings.directory else None,
            settings=table_of(settings),
        )

    def plan_contracts(
        self, settings: StoreSettings, specs: Sequence[FeedSpec], *, salt: str = SALT
    ) -> tuple[PlannedContract, dict[str, PlannedContract]]:
        """The store and the views by feed, with their addresses; known before anything is sent."""
        salted = salt_of(salt)
        store = plan_contract("the store", "PriceStore", constructor_args(settings, self.sender), salt=salted)
        return store, views_for(store, specs, salt=salted)

    def stake_contracts(
        self, stake: StakeSection, settings: StoreSettings, chain_id: int, *, salt: str = SALT
    ) -> StakePlan:
        """The contracts that decide who signs for the store, with their addresses; known before anything is sent."""
        store, _ = self.plan_contracts(settings, (), salt=salt)
        return plan_stake(
            stake,
            StakeSite(
                store=store,
                times=settings,
                maker=self.sender,
                timelock=settings.owner or bytes.fromhex(self.sender[2:]),
                directory=directory_contract().address if settings.directory else bytes(20),
                chain_id=chain_id,
                salt=salt,
            ),
        )

    async def ensure(self, planned: PlannedContract, label: str = "") -> bool:
        """Deploy a contract unless it is there, and verify its code; whether a transaction was needed.

        Args:
            planned: the contract.
            label: of the transaction; default: what the contract is for.
        """
        address = checksummed(planned.address)
        code = bytes(await self.web3.eth.get_code(cast("Any", address)))
        missing = not code
        if missing:
            await self.transact(RawCall(self.web3, PROXY, planned.calldata, label or planned.label))
            code = bytes(await self.web3.eth.get_code(cast("Any", address)))
            if not code:
                raise DeployError(
                    f"{planned.label} is not at {address} after its deployment: is this a usual EVM chain?"
                )
        verify_code(planned, code)
        return missing

    async def _check_proxy(self) -> None:
        code = bytes(await self.web3.eth.get_code(cast("Any", checksummed(PROXY))))
        if code != PROXY_CODE:
            what = "holds other code" if code else "is missing"
            raise DeployError(
                f"the deployment proxy {checksummed(PROXY)} {what} on this chain: put it there first, as"
                " github.com/Arachnid/deterministic-deployment-proxy says"
            )

    async def _missing(self, planned: Iterable[PlannedContract]) -> list[DeployStep]:
        """Those that are not there; the others' code is verified."""
        left = []
        for one in planned:
            code = bytes(await self.web3.eth.get_code(cast("Any", checksummed(one.address))))
            if code:
                verify_code(one, code)
            else:
                left.append(DeployStep.making(one))
        return left

    async def _registering(
        self, store: str, specs: Sequence[FeedSpec], settings: StoreSettings, stake: StakePlan | None, *, is_new: bool
    ) -> list[DeployStep]:
        """Register the feeds that are not, in order; those that are must have the prices and the class that the config says."""
        functions, known, owner = self.functions(store), dict[bytes, int](), self.sender
        if not is_new:
            count = await functions.count().call()
            known = {bytes(feed): int(i) for feed, i in [await functions.feedAt(at).call() for at in range(count)]}
            owner = str(await functions.owner().call())
        left = []
        for spec in specs:
            index, feed_class = known.get(feed_id(spec.feed)), settings.class_of.get(spec.feed, 0)
            if index is None:
                data, _ = calldata("register", (feed_id(spec.feed), spec.has_market, spec.has_redemption, feed_class))
                if owner != self.sender:
                    raise DeployError(
                        f"{spec.feed} is not registered, and the store is {_whose(owner, store, data, settings, stake)}"
                        " (register), then run this again"
                    )
                left.append(DeployStep(label=f"feed {spec.feed}", to=bytes.fromhex(store[2:]), data=data))
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
        return left

    async def _owning(self, store: str, settings: StoreSettings, *, is_new: bool) -> list[DeployStep]:
        """Name the set owner and offer the ownership, once, while the store is this key's; it passes when the other side accepts."""
        functions, to = self.functions(store), bytes.fromhex(store[2:])
        owner, named, pending = self.sender, "", ""
        if not is_new:
            owner, named, pending = [
                str(await f().call()) for f in (functions.owner, functions.setOwner, functions.pendingOwner)
            ]
        left: list[DeployStep] = []
        if owner != self.sender:
            return left
        if settings.set_owner is not None and checksummed(settings.set_owner) != named:
            left.append(
                DeployStep(label="the set owner is named", to=to, data=calldata("setSetOwner", [settings.set_owner])[0])
            )
        if settings.owner is not None and checksummed(settings.owner) not in (self.sender, pending):
            data, _ = calldata("transferOwnership", [settings.owner])
            left.append(DeployStep(label="the store is offered to its owner", to=to, data=data))
        return left

    async def register(self, store: str, feed: str, *, market: bool, redemption: bool) -> None:
        """Register a feed in a store that the key owns."""
        await self.transact(self.functions(store).register(feed_id(feed), market, redemption, 0))

    def functions(self, store: str) -> Any:
        """The functions of a store, to be called or sent."""
        return self.web3.eth.contract(address=cast("Any", store), abi=contracts.load("PriceStore").abi).functions

    def contract(self, abi: Any, address: str) -> Any:
        """A contract that is there, to be called."""
        return self.web3.eth.contract(address=cast("Any", checksummed(bytes.fromhex(address[2:]))), abi=abi)

    async def chain_id(self) -> int:
        """The chain that is deployed to."""
        return int(await self.web3.eth.chain_id)

    async def create(self, name: str, *args: Any) -> Any:
        """Deploy one of the project's contracts; returns it."""
        artifact = contracts.load(name)
        factory = self.web3.eth.contract(abi=artifact.abi, bytecode=artifact.bytecode)
        receipt = await self.transact(factory.constructor(*args))
        return self.web3.eth.contract(address=receipt["contractAddress"], abi=artifact.abi)

    async def _stake_plan(self, settings: StoreSettings, salt: str) -> StakePlan | None:
        if settings.stake is None:
            return None
        return self.stake_contracts(settings.stake, settings, await self.chain_id(), salt=salt)


def _whose(owner: str, store: str, data: bytes, settings: StoreSettings, stake: StakePlan | None) -> str:
    """Whose a store is, and what must be called with which data for a call of it."""
    if stake is None or owner != checksummed(stake.at("set")):
        return f"{owner}'s: let it call {store} with 0x{data.hex()}"
    timelock = "its timelock" if settings.owner is None else f"its timelock {checksummed(settings.owner)}"
    governed, _ = call_of("StakedSet", "govern", [data])
    return f"the set's: let {timelock} call {owner} with 0x{governed.hex()}"
