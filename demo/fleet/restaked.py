"""The story of stake over a fleet: weights follow it, who signs two things loses some of it, who signs is paid.

Every step is sent by whoever it is up to: by a restaker, by an operator's process, or by anybody. How it ended is read from the chain
(`demo.fleet.restaked_summary`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from eth_abi.abi import encode
from eth_account.signers.local import LocalAccount

import contracts
from demo.fleet.behaviours import LATE_EPOCH
from demo.fleet.epoch_report import recomputed_report
from demo.fleet.fleet import Fleet
from demo.world import npm
from demo.world.chain import ZERO_ADDRESS
from demo.world.restaking import ETHER, GAS_MOST, MORE, Restaking, deposit
from feeds.chains.abi import checksummed
from feeds.errors import LrtOracleError
from oracle.rewards.report import EpochRewards
from oracle.stake.claim_tree import CommissionTree

LIAR, FINDER, RAISED = 1, 2, 3
"""Numbers of operators: who signs two things, who proves it, who gets more stake."""
DELAY_S = 75
"""From a freeze to its set: operators sign to arm it as soon as they see it, again each 30 s, and until 30 s before it begins."""
REPORT_S = 25
"""So long operators take to agree on a report, to post it and to have it paid."""
LONGEST_EPOCH_S = 2 * 3_600 + DELAY_S
PATIENCE_S = 240.0
FIRST_EPOCH = LATE_EPOCH
"""The first that stake has decided on, as the store was made with an epoch of its own; and the one of the lie."""
POT = 10 * ETHER
_POLL_S = 0.5
_MINED_S = 2
"""What a node shows of transactions that wait is in a block then."""
_CLAIM_GAS = 3_000_000


class NotTold(LrtOracleError, RuntimeError):
    """A step of the story did not come to pass in good time: which."""


class RestakedStory:
    """The steps, over a fleet whose store is owned by stake."""

    def __init__(self, fleet: Fleet, say: Callable[[str], None]) -> None:
        self.fleet, self.say, self.made = fleet, say, restaking_of(fleet)
        self.people = self.made.vaults.people
        self.names = list(fleet.operators)
        self.store = fleet.chain.contract(contracts.load("PriceStore").abi, fleet.deployment.store)

    async def tell(self) -> None:
        """All of it, from the first deposit to the last claim."""
        await self.more_stake()
        await self.send(self.people.anybody, self.made.rewards, "fund", FIRST_EPOCH, ZERO_ADDRESS, POT, value_wei=POT)
        self.say(f"anybody funds epoch {FIRST_EPOCH} with {POT // ETHER} ether")
        await self.freeze(FIRST_EPOCH)
        await self.in_force(FIRST_EPOCH)
        await self.lie()
        case = await self.proven()
        await self.freeze(FIRST_EPOCH + 1)
        await self.carried_out(case)
        await self.in_force(FIRST_EPOCH + 1)
        await self.paid(await self.reported())

    # --- who signs ---------------------------------------------------------------------------------------------------

    async def more_stake(self) -> None:
        """It counts from the second freeze on."""
        own, who = self.made.vaults.own, self.people.own_restaker
        await deposit(self.fleet.chain, self.fleet.world, own, who, MORE)
        self.say(f"a restaker deposits {MORE // ETHER} wdivETH more behind {self.names[RAISED]}")

    async def freeze(self, epoch: int) -> None:
        """Anybody observes candidates and has stakes frozen as soon as that is due; operators arm the set by themselves."""
        due = await self.fleet.chain.call(self.made.set, "nextRotateAt")
        await self.passes(due)
        candidates = await self.fleet.chain.call(self.made.set, "candidates")
        await self.send(self.people.anybody, self.made.set, "observeAndRotate", candidates, gas=GAS_MOST)
        keys, _, weights = await self.fleet.chain.call(self.made.set, "membersOf", epoch)
        names = [self.fleet.names[bytes.fromhex(key[2:])] for key in keys]
        shares = ", ".join(f"{n} {100 * w // sum(weights)} %" for n, w in zip(names, weights, strict=True))
        self.say(f"anybody has stakes frozen for epoch {epoch}: {shares}")
        await self.armed()

    async def armed(self) -> None:
        """Operators arm the newest set by themselves."""
        _, active_at = await self.fleet.chain.call(self.store, "nextSigners")

        async def there() -> bool:
            return bool(await self.fleet.chain.call(self.store, "armed"))

        await self.until("operators have armed their set", there, DELAY_S)
        self.say(f"operators have armed it by themselves: they sign from {active_at} on")

    async def epoch(self) -> int:
        """That is in force."""
        return int((await self.fleet.chain.call(self.store, "signerSet"))[0])

    async def in_force(self, epoch: int) -> None:
        """Wait for the set of an epoch."""

        async def there() -> bool:
            return await self.epoch() >= epoch

        await self.until(f"epoch {epoch} is in force", there)
        self.say(f"epoch {epoch} is in force")

    # --- who lies ----------------------------------------------------------------------------------------------------

    async def lie(self) -> None:
        """An operator was honest so far. It goes on without a stop: one that is away makes everybody else indispensable."""
        self.say(f"{self.names[LIAR]} signs each round from now on, and other items of it too")

    async def proven(self) -> bytes:
        """Another operator's watch proves it, by itself; the case."""
        operator = self.people.operators[LIAR].address

        async def there() -> bool:
            return bool(any(await self.fleet.chain.call(self.made.penalties, "caseIn", operator, FIRST_EPOCH)))

        await self.until("the lie is proven", there)
        await self.passes(await self.fleet.chain.block_time_s() + _MINED_S)
        case: bytes = await self.fleet.chain.call(self.made.penalties, "caseIn", operator, FIRST_EPOCH)
        told = await self.case(case)
        self.say(
            f"it was proven: {self.names[LIAR]} is jailed, cut from its sets, and may lose {told[4] * 100 // ETHER} %"
        )
        return case

    async def case(self, case: bytes) -> Any:
        """As the contract has it."""
        return await self.fleet.chain.call(self.made.penalties, "caseOf", case)

    async def carried_out(self, case: bytes) -> None:
        """The dispute passes; anybody has the stake taken."""
        await self.passes((await self.case(case))[2])
        await self.send(self.people.anybody, self.made.penalties, "carryOut", case, gas=GAS_MOST)
        self.say("nobody gave it back within the dispute: anybody has the stake taken")

    # --- who is paid -------------------------------------------------------------------------------------------------

    async def reported(self) -> EpochRewards:
        """Members agree on what the epoch owes, by themselves, and one of them posts it."""

        async def there() -> bool:
            return any((await self.fleet.chain.call(self.made.rewards, "reportOf", FIRST_EPOCH))[0])

        await self.until(f"operators have posted what epoch {FIRST_EPOCH} owes", there)
        await self.passes(await self.fleet.chain.block_time_s() + _MINED_S)
        return await self.recomputed()

    async def recomputed(self) -> EpochRewards:
        """What was posted is what follows from its grounds."""
        found = await recomputed_report(self.fleet, self.made.rewards.address, FIRST_EPOCH)
        if found is None or found.computed is None or found.faults:
            why = "; ".join(found.faults) if found is not None else "it is not there"
            raise NotTold(f"the report that was posted does not recompute: {why}")
        words = len(found.computed.grounds.grounds.words)
        self.say(
            f"operators agreed by themselves on what epoch {FIRST_EPOCH} owes, by the words of {words}: one has posted it"
        )
        return found.computed

    async def paid(self, report: EpochRewards) -> None:
        """What each operator is owed goes to Symbiotic's contracts; an operator and a restaker claim there."""
        chain, source, anybody = self.fleet.chain, self.made.vaults.source, self.people.anybody
        for leaf in report.leaves:
            proof = list(report.tree.proof(leaf.hash))
            owed = (leaf.epoch, checksummed(leaf.operator), leaf.source, checksummed(leaf.asset), leaf.amount, proof)
            await chain.send(anybody, self.made.rewards, "claim", *owed, gas=_CLAIM_GAS)
        await chain.settle()
        weth = self.fleet.world.weth
        await self.send(anybody, source, "publish", weth, gas=_CLAIM_GAS)
        operator, restaker = self.people.operators[0], self.people.restaker
        earners = [checksummed(o) for o in dict.fromkeys(leaf.operator for leaf in report.leaves)]
        totals = [await chain.call(source, "earnedOf", each, weth) for each in earners]
        claim = CommissionTree(earners, totals).claim(operator.address)
        paying = await self.symbiotic("DefaultOperatorRewards", "operatorRewards")
        args = (operator.address, source.address, weth, claim.total, list(claim.proof))
        await self.send(operator, paying, "claimRewards", *args)
        paying = await self.symbiotic("DefaultStakerRewards", "stakerRewardsOf", self.made.vaults.shared.vault)
        data = encode(["address", "uint256", "bytes[]"], [source.address, len(earners), []])
        await self.send(restaker, paying, "claimRewards", restaker.address, weth, data, gas=_CLAIM_GAS)
        self.say(f"{self.names[0]} has claimed its commission, a restaker its part, at Symbiotic's contracts")

    async def symbiotic(self, name: str, getter: str, *args: Any) -> Any:
        """A contract of Symbiotic's that the source knows."""
        at = await self.fleet.chain.call(self.made.vaults.source, getter, *args)
        return self.fleet.chain.contract(npm.symbiotic(name).abi, at)

    # --- how ---------------------------------------------------------------------------------------------------------

    async def send(self, who: LocalAccount, contract: Any, function: str, *args: Any, **changes: int) -> None:
        """A call that must be taken."""
        await self.fleet.chain.send(who, contract, function, *args, **changes)
        await self.fleet.chain.settle()

    async def until(self, what: str, is_so: Callable[[], Awaitable[bool]], patience_s: float = PATIENCE_S) -> None:
        """Ask the chain until it is so."""
        end_s = await self.fleet.chain.block_time_s() + patience_s
        while not await is_so():
            if await self.fleet.chain.block_time_s() > end_s:
                raise NotTold(f"it did not come to pass within {patience_s:.0f} s that {what}")
            await self.pause()

    async def passes(self, time_s: int) -> None:
        """Wait until a block of that time is there, so that the next one is later."""
        while await self.fleet.chain.block_time_s() < time_s:
            await self.pause()

    async def pause(self) -> None:
        """Until something may be otherwise."""
        await asyncio.sleep(_POLL_S)


def restaking_of(fleet: Fleet) -> Restaking:
    """The contracts of stake of a fleet that has them."""
    if fleet.restaking is None:
        raise NotTold("this fleet's signers are not decided by stake")
    return fleet.restaking
