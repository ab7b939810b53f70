"""EigenLayer's real core of v1.4 on an EVM in this process, our source over it, operators and stakers.

Stand-ins, because the packages lack them or because they are tested elsewhere: the manager of pods (``PodManagerStandIn``), the
set (``EigenSetStandIn``); the penalties and the rewards contract are accounts that call as these do. Everything else is real:
the core's contracts, strategies and proxies, divETH and wdivETH of the demo, the key book, the values, the directory.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import pyrevm
from eth_abi.abi import encode
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

import contracts
from demo.world import eigenlayer, npm
from demo.world.eigenlayer import NATIVE_STRATEGY, EigenCore, EigenTerms
from oracle.sign.eip712 import address_of
from tests.contracts.contract_tools import compiled
from tests.contracts.evm_process import KEYS, OWNER, Evm, signature

T = TypeVar("T")
ETHER, WHOLE = 10**18, 10**18
FIRST_BLOCK, BLOCK_S, DELAY = 20_000_000, 12, 100_800
REACH_S = DELAY * BLOCK_S
SET_ID = 7
STORE = "0x" + "57" * 20
PENALTIES, REWARDS = "0x" + "9e" * 20, "0x" + "4e" * 20
OPERATORS = ["0x" + f"{0xA0 + i:02x}" * 20 for i in range(4)]
STAKERS = ["0x" + f"{0xC0 + i:02x}" * 20 for i in range(4)]
LRT_RATE = 102 * 10**16
NO_CONSENT = ("0x" + "00" * 20, 0, 0, bytes(32), bytes(32))
LAST = 2**40


class MiningEvm(Evm):
    """Time and blocks go together, a block each 12 s; gas of the last call."""

    def __init__(self) -> None:
        self.number = FIRST_BLOCK
        super().__init__()
        for who in (*OPERATORS, *STAKERS, PENALTIES, REWARDS):
            self.evm.set_balance(who, 10**30)

    def jump(self, seconds: int) -> None:
        self.now += seconds
        self.number += -(-seconds // BLOCK_S)
        self.evm.set_block_env(pyrevm.BlockEnv(number=self.number, timestamp=self.now))

    def mine(self, blocks: int = 1) -> None:
        self.jump(blocks * BLOCK_S)

    def run(self, steps: Generator[eigenlayer.Step, str, T]) -> T:
        """Do what a generator of steps says."""
        answer = ""
        try:
            step = next(steps)
            while True:
                if isinstance(step, eigenlayer.Creation):
                    answer = to_checksum_address(self.create(step.artifact, *step.args))
                else:
                    self.ok(self.know(step.to, step.artifact), step.function, *step.args)
                step = steps.send(answer)
        except StopIteration as end:
            result: T = end.value
            return result

    def replace_code(self, at: str, code: str) -> None:
        """Other code in place of a contract's: a fault of it."""
        info = self.evm.basic(at)
        self.evm.insert_account_info(at, pyrevm.AccountInfo(nonce=info.nonce, code=bytes.fromhex(code)))
        self.evm.set_balance(at, info.balance)

    def event(self, topic: bytes) -> bytes:
        """Data of the one event of this kind in the last call."""
        assert self.evm.result is not None
        (log,) = [x for x in self.evm.result.logs if x.topics[0] == "0x" + topic.hex()]
        return bytes(log.data[1])

    @property
    def gas(self) -> int:
        """Of the last call."""
        assert self.evm.result is not None
        return int(self.evm.result.gas_used)


REVERTS, BURNS_GAS, SAYS_HALF_A_WORD = "60006000fd", "5b600056", "60106000f3"
SAYS_THE_MOST, SAYS_A_LOT = "60001960005260206000f3", "72" + "ff" * 19 + "60005260206000f3"
"""Code that fails in its own way, whatever is called."""


@dataclass(frozen=True)
class Strategies:
    wdiveth: str
    lrt: str
    native: str = NATIVE_STRATEGY

    def ascending(self) -> list[str]:
        return sorted((self.wdiveth, self.lrt, self.native), key=lambda a: int(a, 16))


class EigenWorld:
    """The core, two tokens with a strategy each, and our source as a service of it. ``terms`` change the core's delays."""

    def __init__(self, terms: EigenTerms | None = None) -> None:
        evm = self.evm = MiningEvm()
        nonce = int(evm.evm.basic(OWNER).nonce)
        self.core: EigenCore = evm.run(eigenlayer.core_steps(OWNER, nonce, terms or EigenTerms()))
        for at, name in (
            (self.core.allocations, "AllocationManager"),
            (self.core.delegation, "DelegationManager"),
            (self.core.strategies, "StrategyManager"),
            (self.core.rewards, "RewardsCoordinator"),
        ):
            evm.know(at, eigenlayer.core(name))
        evm.know(self.core.pods, npm.own("PodManagerStandIn"))
        self.diveth = evm.create(npm.own("DivETH"))
        self.wdiveth = evm.create(npm.own("WdivETH"), self.diveth)
        self.lrt = evm.create(npm.own("DemoLRT"), LRT_RATE)
        self.weth = evm.create(npm.aave("dependencies/weth", "WETH9"))
        self.strategies = Strategies(*(self.strategy(token) for token in (self.wdiveth, self.lrt)))
        self._module()
        evm.jump(1)

    def strategy(self, token: str) -> str:
        at = self.evm.run(eigenlayer.strategy_steps(self.core, token))
        return self.evm.know(at, eigenlayer.periphery("StrategyBase"))

    def _module(self) -> None:
        evm = self.evm
        rate = keccak(text="getRate()")[:4]
        listings = [(token, token, rate, 10_000, 1_000) for token in (self.wdiveth, self.lrt)]
        self.values = evm.create(contracts.load("CollateralValues"), listings)
        self.book = evm.create(contracts.load("KeyBook"), OWNER)
        self.directory = evm.create(contracts.load("OperatorDirectory"))
        self.connect_set()

    def connect_set(self) -> None:
        """The set, and who knows whom."""
        evm = self.evm
        self.set = evm.create(compiled("tests/contracts/solidity/EigenSetStandIn.sol")["EigenSetStandIn"], STORE)
        evm.ok(self.book, "connect", self.set, PENALTIES, REWARDS)
        self.source = self.source_over(self.settings(), self.listed())

    def settings(self, **changes: Any) -> tuple[Any, ...]:
        names = {
            "maker": OWNER,
            "allocations": self.core.allocations,
            "coordinator": self.core.rewards,
            "book": self.book,
            "values": self.values,
            "directory": self.directory,
            "weth": self.weth,
            "setId": SET_ID,
            "secondsPerBlock": BLOCK_S,
            "namesSlasher": False,
            "metadataURI": "about:blank",
        }
        return tuple((names | changes).values())

    def listed(self) -> list[tuple[str, str]]:
        tokens = {self.strategies.wdiveth: self.wdiveth, self.strategies.lrt: self.lrt}
        return [(s, tokens.get(s, "0x" + "00" * 20)) for s in self.strategies.ascending()]

    def source_over(self, settings: Sequence[Any], listed: Sequence[tuple[str, str]]) -> str:
        source = self.evm.create(contracts.load("EigenStake"), settings, listed)
        self.evm.ok(self.set, "addSource", source)
        self.evm.ok(source, "connect", self.set, PENALTIES, REWARDS)
        return source

    # ------------------------------------------------------------------------------------------------ operators, stakers

    @property
    def operator_set(self) -> tuple[str, int]:
        return self.source, SET_ID

    def enlist(self, operator: str, delay_blocks: int = 0) -> int:
        """An operator of EigenLayer; its delay is known a little later."""
        self.evm.ok(
            self.core.delegation, "registerAsOperator", "0x" + "00" * 20, delay_blocks, "about:blank", sender=operator
        )
        gas = self.evm.gas
        self.evm.mine(126_001)
        return gas

    def consent(self, operator: str, key: int, *, expiry: int = LAST, nonce: int | None = None) -> tuple[Any, ...]:
        """What a key signs, as the book takes it."""
        number = self.evm.ok(self.book, "nonceOf", operator) if nonce is None else nonce
        signed = signature(key, self.evm.ok(self.book, "consentDigest", operator, number, expiry))
        return "0x" + address_of(KEYS[key]).hex(), number, expiry, signed[:32], signed[32:]

    def data(self, operator: str, key: int, announcement: bytes = b"") -> bytes:
        return registration(self.consent(operator, key), announcement)

    def register(self, operator: str, data: bytes, ids: Sequence[int] = (SET_ID,), avs: str = "") -> str:
        """The error, if there is one."""
        params = (avs or self.source, list(ids), data)
        return self.evm.call(self.core.allocations, "registerForOperatorSets", operator, params, sender=operator)[0]

    def deregister(self, operator: str) -> str:
        params = (operator, self.source, [SET_ID])
        return self.evm.call(self.core.allocations, "deregisterFromOperatorSets", params, sender=operator)[0]

    def allocate(self, operator: str, *magnitudes: tuple[str, int]) -> str:
        """Magnitudes of strategies for our set."""
        changes = [(self.operator_set, [s for s, _ in magnitudes], [m for _, m in magnitudes])]
        return self.evm.call(self.core.allocations, "modifyAllocations", operator, changes, sender=operator)[0]

    def joined(self, operator: str, key: int, *magnitudes: tuple[str, int]) -> None:
        """An operator with stake at risk for the set, and registered for it."""
        self.enlist(operator)
        assert self.allocate(operator, *magnitudes) == ""
        assert self.register(operator, self.data(operator, key)) == ""

    def deposit(self, staker: str, strategy: str, amount: int) -> int:
        """A deposit; shares of native restaking are had for the asking. Returns the gas of the deposit alone."""
        evm = self.evm
        if strategy == NATIVE_STRATEGY:
            evm.ok(self.core.pods, "restake", amount, sender=staker)
            return evm.gas
        token = self.wdiveth if strategy == self.strategies.wdiveth else self.lrt
        before = int(evm.ok(token, "balanceOf", staker))
        value = amount * 2 if token == self.lrt else int(evm.ok(token, "getRate")) * amount // ETHER + 1
        evm.evm.message_call(staker, token, b"", value)
        assert int(evm.ok(token, "balanceOf", staker)) >= before + amount
        evm.ok(token, "approve", self.core.strategies, amount, sender=staker)
        evm.ok(self.core.strategies, "depositIntoStrategy", strategy, token, amount, sender=staker)
        return evm.gas

    def delegate(self, staker: str, operator: str) -> int:
        self.evm.ok(self.core.delegation, "delegateTo", operator, (b"", 0), bytes(32), sender=staker)
        return self.evm.gas

    def withdraw(self, staker: str, strategy: str, shares: int) -> None:
        """Put into the queue."""
        request = [([strategy], [shares], staker)]
        self.evm.ok(self.core.delegation, "queueWithdrawals", request, sender=staker)

    def withdrawable(self, staker: str, strategy: str) -> int:
        return int(self.evm.ok(self.core.delegation, "getWithdrawableShares", staker, [strategy])[0][0])

    def magnitude(self, operator: str, strategy: str) -> int:
        return int(self.evm.ok(self.core.allocations, "getAllocation", operator, self.operator_set, strategy)[0])

    # --------------------------------------------------------------------------------------------------------- the source

    def stake(self, operator: str) -> int:
        return int(self.evm.ok(self.source, "stakeOf", operator))

    def by_kind(self, operator: str) -> tuple[int, int]:
        liquid, native = self.evm.ok(self.source, "stakeByKind", operator)
        return int(liquid), int(native)

    def slashable(self, operator: str, capture: int | None = None) -> int:
        return int(self.evm.ok(self.source, "slashableOf", operator, self.evm.now if capture is None else capture))

    def seize(self, operator: str, fraction: int, case: bytes, capture: int | None = None) -> tuple[str, int]:
        at = self.evm.now if capture is None else capture
        return self.evm.call(self.source, "seize", operator, fraction, at, case, sender=PENALTIES)

    def take(self, case: bytes) -> tuple[str, int]:
        return self.evm.call(self.source, "take", case, STAKERS[0], 500, sender=PENALTIES)

    def restore(self, case: bytes) -> str:
        return self.evm.call(self.source, "restore", case, sender=PENALTIES)[0]


def registration(consent: Sequence[Any], announcement: bytes = b"") -> bytes:
    """The data of a registration."""
    return encode(["(address,uint64,uint64,bytes32,bytes32)", "bytes"], [tuple(consent), announcement])


def claims_of(token: str, parts: dict[str, int]) -> tuple[bytes, dict[str, Any]]:
    """Root over two earners with one token each, and each one's claim, in the coordinator's own form."""

    def bare(address: str) -> bytes:
        return bytes.fromhex(address[2:])

    tokens = {e: keccak(b"\x01" + bare(token) + amount.to_bytes(32, "big")) for e, amount in parts.items()}
    leaves = [keccak(b"\x00" + bare(earner) + tokens[earner]) for earner in parts]
    claims = {
        earner: (0, i, leaves[1 - i], (earner, tokens[earner]), [0], [b""], [(token, amount)])
        for i, (earner, amount) in enumerate(parts.items())
    }
    return keccak(b"".join(leaves)), claims


def core_error(name: str) -> str:
    """An error of the core without arguments, as a call answers it."""
    return "0x" + keccak(text=f"{name}()")[:4].hex()


def case(number: int) -> bytes:
    return number.to_bytes(32, "big")
