"""The sources of the story, each over the real protocol: how stake gets in and out, and how what it earned is claimed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from eth_abi.abi import encode
from eth_utils.address import to_checksum_address

import contracts
from demo.world import eigenlayer, symbiotic
from demo.world.symbiotic import DelegatorKind, SourceTerms, SymbioticVault
from oracle.stake.claim_tree import CommissionTree
from tests.contracts.contract_tools import WAD
from tests.contracts.evm_process import OWNER, TREASURY
from tests.contracts.stake.eigen_world import BLOCK_S, DELAY, SET_ID, EigenWorld, claims_of, registration
from tests.contracts.stake.stake_world import DAY_S
from tests.contracts.stake.story_world import DISPUTE_S, ETHER, EXECUTION_S, NEEDS_S, Part, StoryWorld
from tests.contracts.stake.symbiotic_world import BURNER, CURATOR, SymbioticWorld

if TYPE_CHECKING:
    from tests.contracts.stake.eigen_world import MiningEvm

COMMISSION_BPS, WINDOW_S = 1_000, 2 * DAY_S
UNLIMITED = 2**256 - 1


class DelegatedPart:
    """DelegatedStake: a pool for each operator."""

    def __init__(self, world: StoryWorld) -> None:
        self.world = world
        assets = [ETHER, world.token]
        settings = (OWNER, world.token, world.values, TREASURY, WINDOW_S, 2_000, assets)
        self.source = world.evm.create(contracts.load("DelegatedStake"), *settings)

    def open(self, operators: Sequence[str]) -> None:
        self.served = operators
        for operator in operators:
            self.world.ok(self.source, "enroll", COMMISSION_BPS, by=operator)

    def put_in(self, restaker: str, operator: str, amount: int) -> None:
        self.world.ok(self.world.token, "approve", self.source, amount, by=restaker)
        self.world.step("a restaker deposits", self.source, "deposit", operator, amount, by=restaker)

    def ready(self) -> None:
        """Nothing is left to do."""

    def ask_exit(self, restaker: str, operator: str, amount: int) -> None:
        self.world.step("a restaker asks for an exit", self.source, "requestExit", operator, amount, by=restaker)

    def take_out(self, restaker: str, operator: str) -> str:
        return self.world.evm.call(self.source, "withdraw", operator, sender=restaker)[0]

    def opens(self, restaker: str, operator: str) -> tuple[int, int]:
        at = int(self.world.ask(self.source, "positionOf", operator, restaker)[4])
        return at - 1, at

    def off_by(self) -> int:
        """To the wei."""
        return 0

    def claim_rewards(self, operator: str, restaker: str, token: str) -> tuple[int, int]:
        return (
            int(self.world.ok(self.source, "claimCommission", token, by=operator)),
            int(self.world.ok(self.source, "claim", token, operator, by=restaker)),
        )


class SymbioticPart(SymbioticWorld):
    """Our network over Symbiotic's core: a vault for each operator, or for the first few."""

    def __init__(self, world: StoryWorld, many: int = 5) -> None:
        self.world, self.many = world, many
        self.evm = evm = world.evm
        evm.evm.set_balance(CURATOR, 10**27)
        self.core = self.run(symbiotic.deploy_core(OWNER))
        self.know(self.core.operator_registry, "OperatorRegistry")
        self.wdiv, self.values, self.wrapped = world.token, world.values, world.weth
        terms = SourceTerms(
            values=self.values,
            wrapped_ether=self.wrapped,
            burners=[BURNER],
            min_reach_s=NEEDS_S + 1,
            dispute_s=DISPUTE_S,
            min_value_wei=10 * WAD,
            last_step_s=EXECUTION_S,
            max_counted=many,
        )
        self.source = self.run(symbiotic.deploy_source(self.core, terms, OWNER))
        self.vaults = to_checksum_address(evm.ok(self.source, "vaults"))
        self.know(self.vaults, contracts.load("SymbioticVaults"))
        self.operator_rewards = to_checksum_address(evm.ok(self.source, "operatorRewards"))
        self.know(self.operator_rewards, "DefaultOperatorRewards")
        self.behind: dict[str, SymbioticVault] = {}
        self.exits: dict[tuple[str, str], int] = {}

    def open(self, operators: Sequence[str]) -> None:
        """Vaults of wdivETH that are for one operator and our network, slashed at once."""
        self.served = operators[: self.many]
        for operator in self.served:
            self.join(operator, [])
            alone = {"kind": DelegatorKind.OPERATOR_NETWORK, "operator": operator, "network": self.source}
            self.behind[operator] = made = self.vault(epoch_s=NEEDS_S + DAY_S, **alone)
            self.join(operator, [made])
            self.world.ok(self.source, "setCommission", COMMISSION_BPS, by=operator)
            self.world.ok(self.vaults, "prepare", made.vault)
        self.evm.jump(7 * DAY_S)  # then the commissions count

    def put_in(self, restaker: str, operator: str, amount: int) -> None:
        vault = self.behind[operator].vault
        self.world.ok(self.wdiv, "approve", vault, amount, by=restaker)
        self.world.step("a restaker deposits", vault, "deposit", restaker, amount, by=restaker)
        self.evm.jump(1)  # what was there a second before counts

    def one_more(self, operators: Sequence[str], restaker: str, amount: int) -> SymbioticVault:
        """A shared vault that counts, with its stake behind these operators alike."""
        made = self.vault(epoch_s=NEEDS_S + DAY_S)
        for operator in operators:
            self.join(operator, [made])
        self.world.ok(self.vaults, "prepare", made.vault)
        shares = dict.fromkeys(operators, 1)
        self.run(symbiotic.give_stake(made, self.source, limit=10**30, shares=shares))
        self.world.ok(self.wdiv, "approve", made.vault, amount, by=restaker)
        self.world.ok(made.vault, "deposit", restaker, amount, by=restaker)
        self.world.ok(self.vaults, "addVault", made.vault, ETHER)
        self.evm.jump(1)
        return made

    def ready(self) -> None:
        for made in self.behind.values():
            self.world.ok(self.vaults, "addVault", made.vault, ETHER)
        self.evm.jump(1)  # a vault counts from the second after

    def ask_exit(self, restaker: str, operator: str, amount: int) -> None:
        vault = self.behind[operator].vault
        self.exits[restaker, operator] = int(self.world.ask(vault, "currentEpoch")) + 1
        self.world.step("a restaker asks for an exit", vault, "withdraw", restaker, amount, by=restaker)

    def take_out(self, restaker: str, operator: str) -> str:
        vault = self.behind[operator].vault
        return self.evm.call(vault, "claim", restaker, self.exits[restaker, operator], sender=restaker)[0]

    def opens(self, restaker: str, operator: str) -> tuple[int, int]:
        """When the epoch after the one in which it was asked for is over."""
        vault = self.behind[operator].vault
        start, epoch_s = (int(self.world.ask(vault, name)) for name in ("epochDurationInit", "epochDuration"))
        at = start + (self.exits[restaker, operator] + 1) * epoch_s
        return at - 1, at

    def off_by(self) -> int:
        """To the wei."""
        return 0

    def claim_rewards(self, operator: str, restaker: str, token: str) -> tuple[int, int]:
        asset = self.wrapped if token == ETHER else token
        self.world.ok(self.source, "publish", asset)
        ((_, _, _, operators, totals),) = self.logs("RootPublished")
        mine = CommissionTree([to_checksum_address(o) for o in operators], list(totals)).claim(operator)
        args = (operator, self.source, asset, mine.total, mine.proof)
        own = int(self.world.ok(self.operator_rewards, "claimRewards", *args, by=operator))
        at = to_checksum_address(self.world.ask(self.source, "stakerRewardsOf", self.behind[operator].vault))
        self.know(at, "DefaultStakerRewards")
        before = self.world.balance(restaker, asset)
        data = encode(["address", "uint256", "bytes[]"], [self.source, 100, []])
        self.world.ok(at, "claimRewards", restaker, asset, data, by=restaker)
        return own, self.world.balance(restaker, asset) - before


class EigenPart(EigenWorld):
    """Our service over EigenLayer's core: one strategy of wdivETH, all magnitudes allocated to our set."""

    evm: MiningEvm

    def __init__(self, world: StoryWorld) -> None:
        self.world = world
        self.evm = evm = world.evm
        nonce = int(evm.evm.basic(OWNER).nonce)
        self.core = evm.run(eigenlayer.core_steps(OWNER, nonce, eigenlayer.EigenTerms()))
        for at, name in (
            (self.core.allocations, "AllocationManager"),
            (self.core.delegation, "DelegationManager"),
            (self.core.strategies, "StrategyManager"),
            (self.core.rewards, "RewardsCoordinator"),
        ):
            evm.know(at, eigenlayer.core(name))
        self.wdiveth, self.weth, self.values, self.book = world.token, world.weth, world.values, world.book
        self.tokens_strategy = self.strategy(self.wdiveth)
        self.directory = evm.create(contracts.load("OperatorDirectory"))
        self.source = evm.create(contracts.load("EigenStake"), self.settings(), [(self.tokens_strategy, self.wdiveth)])
        self.behind: dict[str, str] = {}
        self.queued: dict[tuple[str, str], tuple[Any, ...]] = {}
        self.queued_at: dict[tuple[str, str], int] = {}

    def open(self, operators: Sequence[str]) -> None:
        self.served = operators
        for operator in operators:
            arguments = (ETHER, 0, "about:blank")
            self.world.ok(self.core.delegation, "registerAsOperator", *arguments, by=operator)
        self.evm.mine(126_001)
        for operator in operators:
            assert self.allocate(operator, (self.tokens_strategy, WAD)) == ""
        for restaker, operator in zip(self.world.restakers, operators, strict=True):
            self.delegate(restaker, operator)
            self.behind[restaker] = operator

    def enter(self, operator: str) -> None:
        """Register there, with the key's consent: that joins the set."""
        params = (self.source, [SET_ID], registration(self.world.consent(operator)))
        self.world.step("`join`", self.core.allocations, "registerForOperatorSets", operator, params, by=operator)

    def put_in(self, restaker: str, operator: str, amount: int) -> None:
        assert self.behind[restaker] == operator
        self.world.ok(self.wdiveth, "approve", self.core.strategies, amount, by=restaker)
        arguments = (self.tokens_strategy, self.wdiveth, amount)
        self.world.step("a restaker deposits", self.core.strategies, "depositIntoStrategy", *arguments, by=restaker)

    def ready(self) -> None:
        """Nothing is left to do."""

    def ask_exit(self, restaker: str, operator: str, amount: int) -> None:
        nonce = int(self.world.ask(self.core.delegation, "cumulativeWithdrawalsQueued", restaker))
        shares = int(
            self.world.ask(self.core.delegation, "getWithdrawableShares", restaker, [self.tokens_strategy])[1][0]
        )
        amount = min(amount, shares)
        factor = int(self.world.ask(self.core.delegation, "depositScalingFactor", restaker, self.tokens_strategy))
        scaled = amount * (factor or WAD) // WAD
        block, self.queued_at[restaker, operator] = self.evm.number, self.evm.now
        requests = [([self.tokens_strategy], [amount], restaker)]
        self.world.step("a restaker asks for an exit", self.core.delegation, "queueWithdrawals", requests, by=restaker)
        self.queued[restaker, operator] = (
            restaker, operator, restaker, nonce, block, [self.tokens_strategy], [scaled],
        )  # fmt: skip

    def take_out(self, restaker: str, operator: str) -> str:
        arguments = (self.queued[restaker, operator], [self.wdiveth], True)
        return self.evm.call(self.core.delegation, "completeQueuedWithdrawal", *arguments, sender=restaker)[0]

    def opens(self, restaker: str, operator: str) -> tuple[int, int]:
        """A block after its delay is over."""
        wait = self.queued_at[restaker, operator] + DELAY * BLOCK_S
        return wait, wait + BLOCK_S

    def off_by(self) -> int:
        """EigenLayer rounds magnitudes and shares."""
        return 2

    def claim_rewards(self, operator: str, restaker: str, token: str) -> tuple[int, int]:
        """By a root that EigenLayer's updater posts: what it computes off chain is computed here, by the split of a tenth."""
        asset = self.weth if token == ETHER else token
        amount = self.world.balance(self.core.rewards, asset)
        parts = {operator: amount // 10, restaker: amount - amount // 10}
        root, claims = claims_of(asset, {who.lower(): n for who, n in parts.items()})
        end = (self.evm.now - 1) // DAY_S * DAY_S
        self.world.ok(self.core.rewards, "submitRoot", root, end, by=OWNER)
        self.evm.jump(7 * DAY_S)
        got = []
        for who in parts:
            before = self.world.balance(who, asset)
            self.world.ok(self.core.rewards, "processClaim", claims[who.lower()], who, by=who)
            got.append(self.world.balance(who, asset) - before)
        return got[0], got[1]


def for_one(world: StoryWorld) -> SymbioticPart:
    """Symbiotic beside others: one vault, which is the first operator's."""
    return SymbioticPart(world, 1)


KINDS: dict[str, tuple[Callable[[StoryWorld], Part], ...]] = {
    "delegated": (DelegatedPart,),
    "symbiotic": (SymbioticPart,),
    "eigenlayer": (EigenPart,),
    "all three": (DelegatedPart, for_one, EigenPart),
}
"""The sources of a set."""
SOURCE_GAS = {
    "delegated": (150_000,),
    "symbiotic": (950_000,),
    "eigenlayer": (240_000,),
    "all three": (150_000, 950_000, 240_000),
}
"""What the set gives each source for an operator: as much as docs/stake.md says, for five vaults of Symbiotic's."""
