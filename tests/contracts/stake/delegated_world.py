"""DelegatedStake on an EVM in this process: over the real wdivETH and divETH, with quick calls and hand-made calldata."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

from eth_utils.crypto import keccak

import contracts
from oracle.chain.store_abi import abi_type
from tests.contracts.contract_tools import Compiled, compiled, errors
from tests.contracts.evm_process import GUARDIAN, OWNER, STRANGER, TREASURY, Evm
from tests.contracts.stake.delegated_model import Terms

DEMO = Path(__file__).parents[3] / "demo" / "artifacts"
STAND_INS = "tests/contracts/solidity/DelegatedStandIns.sol"
ETHER = "0x" + "00" * 20
DAY = 86_400
WINDOW_S, ANSWER_S, MAX_COMMISSION_BPS = 2 * DAY, 9 * DAY, 2_000
WAD = 10**18
PENALTIES, REWARDS = ("0x" + c * 40 for c in "ef")
OPERATORS = tuple(f"0x{0x0A00 + i:040x}" for i in range(4))
RESTAKERS = tuple(f"0x{0x0B00 + i:040x}" for i in range(6))
RICH = 10**27
NAMES = {selector: name for selector, (name, _) in errors("DelegatedStake").items()}


def stand_in(name: str) -> Compiled:
    return compiled(STAND_INS)[name]


@lru_cache(maxsize=1_000)
def word(value: str | int | bytes) -> bytes:
    """One word of calldata."""
    if isinstance(value, str):
        return bytes(12) + bytes.fromhex(value[2:])
    return value.rjust(32, b"\0") if isinstance(value, bytes) else value.to_bytes(32, "big")


class SetSide(Protocol):
    """Who signs, as far as the delegations need it: a stand-in, or the real set with its store."""

    at: str
    """The contract that is connected."""
    answer_s: int

    def freeze(self, operators: tuple[str, ...]) -> tuple[str, ...]:
        """Begin an epoch; who of these is in the set that was frozen."""

    def bound_until(self, operator: str) -> int:
        """As the contract answers it."""


class BoundSide:
    """A stand-in for the set: an operator that is frozen can be proven for `ANSWER_S` from then on."""

    answer_s = ANSWER_S

    def __init__(self, evm: Evm, _source: str) -> None:
        self.evm = evm
        self.at = evm.create(stand_in("BoundStandIn"), ANSWER_S)
        self.calls = QuickCalls(evm, self.at, stand_in("BoundStandIn").abi)

    def freeze(self, operators: tuple[str, ...]) -> tuple[str, ...]:
        self.evm.ok(self.at, "freeze", operators)
        return operators

    def bound_until(self, operator: str) -> int:
        return self.calls.number("boundUntil", operator)


class QuickCalls:
    """Calls of one contract whose arguments are all one word: a call answers its words, or the name of its error."""

    def __init__(self, evm: Evm, at: str, abi: list[dict[str, Any]]) -> None:
        self.evm, self.at, self.raw = evm, at, evm.evm.message_call
        functions = [e for e in abi if e["type"] == "function"]
        kinds = {e["name"]: ",".join(abi_type(i) for i in e["inputs"]) for e in functions}
        self.selectors = {name: keccak(text=f"{name}({types})")[:4] for name, types in kinds.items()}

    def __call__(
        self, name: str, *args: str | int | bytes, sender: str = OWNER, value: int = 0
    ) -> tuple[str, tuple[int, ...]]:
        data = self.selectors[name] + b"".join(map(word, args))
        try:
            answer = bytes(self.raw(sender, self.at, data, value) if value else self.raw(sender, self.at, data))
        except RuntimeError as e:
            _, _, tail = str(e).partition("output: 0x")
            return NAMES.get(bytes.fromhex(tail[:8]), "Reverted") if tail[:8].isalnum() else "Reverted", ()
        return "", tuple(int.from_bytes(answer[i : i + 32], "big") for i in range(0, len(answer), 32))

    def words(self, name: str, *args: str | int | bytes) -> tuple[int, ...]:
        error, words = self(name, *args)
        assert not error, (name, error)
        return words

    def number(self, name: str, *args: str | int | bytes) -> int:
        return self.words(name, *args)[0]


class DelegatedWorld:
    """The contract, the tokens around it, and purses for everybody."""

    def __init__(self, side: Callable[[Evm, str], SetSide] = BoundSide) -> None:
        self.evm = evm = Evm()
        self.diva = evm.create(contracts.load("DivETH", DEMO))
        self.token = evm.create(contracts.load("WdivETH", DEMO), self.diva)
        self.coin = evm.create(compiled()["Token"], "COIN", 6)
        self.values = evm.create(stand_in("RateStandIn"), self.token)
        self.assets = (ETHER, self.coin, self.token)
        self.source = self.make()
        self.side = side(evm, self.source)
        self.connect(self.source)
        self.terms = Terms(self.token, TREASURY, WINDOW_S, self.side.answer_s, MAX_COMMISSION_BPS, self.assets)
        self.calls = self.quick("DelegatedStake", self.source)
        self.money = {a: self.quick("WdivETH", a) for a in (self.coin, self.token)}
        evm.evm.set_balance(OWNER, 10**34)
        evm.evm.message_call(OWNER, self.token, b"", 10**31)
        for who in (*OPERATORS, *RESTAKERS, STRANGER):
            self.endow(who)
        for asset in (self.coin, self.token):
            evm.ok(asset, "mint" if asset == self.coin else "transfer", REWARDS, RICH)
        evm.evm.set_balance(REWARDS, RICH)

    def deploy(self, token: str = "", values: str = "", **changes: Any) -> str:
        """Another one like it, connected."""
        source = self.make(token, values, **changes)
        self.connect(source)
        return source

    def make(self, token: str = "", values: str = "", **changes: Any) -> str:
        """One that knows nobody yet."""
        terms: dict[str, Any] = {
            "maker": OWNER,
            "token": token or self.token,
            "values": values or self.values,
            "treasury": TREASURY,
            "window_s": WINDOW_S,
            "max_commission_bps": MAX_COMMISSION_BPS,
            "assets": self.assets,
        }
        return self.evm.create(contracts.load("DelegatedStake"), *(terms | changes).values())

    def connect(self, source: str) -> None:
        self.evm.ok(source, "connect", self.side.at, PENALTIES, REWARDS)

    def quick(self, name: str, at: str) -> QuickCalls:
        artifact = contracts.load(name, None if name == "DelegatedStake" else DEMO)
        return QuickCalls(self.evm, at, artifact.abi)

    def endow(self, who: str) -> None:
        self.evm.ok(self.token, "transfer", who, RICH)
        self.evm.ok(self.token, "approve", self.source, 2**256 - 1, sender=who)

    @property
    def now(self) -> int:
        return self.evm.now

    def rate(self) -> int:
        """Wei of one token, by its own contract."""
        return self.money[self.token].number("getRate")

    def rebase(self, total: int) -> None:
        self.evm.ok(self.diva, "rebase", self.now, 0, total, 0)

    def purse(self, who: str, asset: str) -> int:
        return int(self.evm.evm.get_balance(who)) if asset == ETHER else self.money[asset].number("balanceOf", who)

    def pay_reward(self, operator: str, asset: str, amount: int) -> tuple[str, tuple[int, ...]]:
        """As the rewards contract does it: tokens first, ether with the call."""
        if asset != ETHER:
            assert not self.money[asset]("transfer", self.source, amount, sender=REWARDS)[0]
        sent = amount if asset == ETHER else 0
        return self.calls("reward", 1, operator, asset, amount, sender=REWARDS, value=sent)

    def prove(self, operator: str, fraction: int, case: int | bytes, source: str = "") -> None:
        self.evm.ok(source or self.source, "seize", operator, fraction, self.now, word(case), sender=PENALTIES)

    def end_of_case(self, what: str, case: int | bytes, finder: str = GUARDIAN, bps: int = 500) -> tuple[str, Any]:
        """`take` or `restore`."""
        args: tuple[Any, ...] = (word(case),) if what == "restore" else (word(case), finder, bps)
        return self.evm.call(self.source, what, *args, sender=PENALTIES)
