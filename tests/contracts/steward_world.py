"""The whole of Aave v3, a store and a risk steward on an EVM in this process: rounds that are really signed, and what Aave does."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, cast

from eth_abi import decode, encode
from eth_utils.crypto import keccak

import contracts
from demo.bench.gas_tools import called
from demo.world import npm
from demo.world.aave import VARIABLE_RATE, AaveMarket, Reserve, deploy_aave_market
from oracle.sign.eip712 import Domain, address_of, batch_bytes
from tests.contracts.contract_tools import WAD, WIDE, Item, error_of
from tests.contracts.evm_process import GUARDIAN, KEYS, OWNER, STRANGER, Evm, signature, word_digest

OK, WATCH, DEPEG, HALT = 1, 2, 3, 4
STALE, DISCOUNT, BACKING, LIQUIDITY = 2, 6, 14, 15
SILENT = 1
"""The condition that a record is too old."""
RATE = 10_620 * WAD // 10_000
ETHER = 2_364 * WAD
FEED = b"rsETH/ETH".ljust(32, b"\0")
MAX_AGE_S, CALM_S, PUT_OFF_S = 600, 86_400, 7_200
LTV, THRESHOLD, BONUS = 7_200, 7_500, 10_750
LENDER, BORROWER, THIEF = ("0x" + c * 40 for c in "678")
NO_LTV, FROZEN_RESERVE, HEALTHY = "57", "28", "45"
"""Aave's errors: nothing may be borrowed against this collateral, the reserve is frozen, the position is healthy."""


def when(*conditions: tuple[int, int]) -> int:
    """The bits of states with their reason classes."""
    return sum(1 << 16 * state + reason for state, reason in conditions)


def whatever(state: int) -> int:
    """The bits of a state with any reason."""
    return 0xFFFF << 16 * state


UNBACKED = when((WATCH, BACKING), (DEPEG, BACKING))
"""What the rule of backing says of a feed: at once, and after its dwell."""
DEPEGGED = whatever(DEPEG) | whatever(HALT)


@dataclass(frozen=True)
class Rule:
    """Terms of a rule."""

    when: int = UNBACKED
    delay_s: int = 0
    zero_ltv: bool = True
    freeze: bool = True

    @property
    def terms(self) -> tuple[int, int, bool, bool]:
        return self.when, self.delay_s, self.zero_ltv, self.freeze


@dataclass(frozen=True)
class Told:
    """An event of the steward's: its name, its indexed words, its data as words."""

    name: str
    topics: tuple[int, ...]
    data: tuple[int, ...]


class QuickChain:
    """What `deploy_aave_market` wants of a chain, in this process."""

    def __init__(self, evm: Evm) -> None:
        self.evm = evm

    async def create(self, _owner: Any, artifact: Any, *args: Any) -> Any:
        return SimpleNamespace(address=self.evm.create(artifact, *args))

    async def send(self, owner: Any, to: Any, name: str, *args: Any, gas: int = 0) -> None:  # noqa: ARG002 - as on a node
        self.evm.ok(to.address, name, *args, sender=owner.address)

    async def call(self, to: Any, name: str, *args: Any) -> Any:
        return self.evm.ok(to.address, name, *args)

    async def settle(self) -> None:
        """Every call is a block of its own."""

    def contract(self, abi: Any, address: str) -> Any:
        return SimpleNamespace(address=self.evm.know(address, SimpleNamespace(abi=abi)))


class StewardWorld:
    """A market of rsETH (as collateral) and WETH, priced by plain views over the store: nothing but the steward guards it."""

    def __init__(self) -> None:
        self.evm = Evm()
        load = contracts.load
        roles = (OWNER, GUARDIAN, 60, 0, 0, 0)
        signers = ["0x" + address_of(KEYS[k]).hex() for k in range(3)]
        self.store = self.evm.create(load("PriceStore"), roles, [WIDE], signers, [1, 1, 1], 2, 2)
        self.domain = Domain(chain_id=1, store=bytes.fromhex(self.store[2:]))
        for name, owed in ((FEED, True), (b"ETH/USD".ljust(32, b"\0"), False)):
            self.evm.ok(self.store, "register", name, True, owed, 0)
        ether = self.evm.create(load("FeedView"), self.store, b"ETH/USD".ljust(32, b"\0"), 0, 8, 300)
        lower = self.evm.create(load("FeedView"), self.store, FEED, 2, 18, 300)
        dollars = self.evm.create(load("CrossView"), lower, ether, 8)
        self.weth = self.evm.create(npm.aave("dependencies/weth", "WETH9"))
        self.token = self.evm.create(npm.own("DemoLRT"), RATE)
        terms = {"ltv_bps": LTV, "threshold_bps": THRESHOLD, "bonus_bps": BONUS}
        reserves = (
            Reserve(symbol="WETH", asset=self.weth, source=ether, borrowable=True),
            Reserve(symbol="rsETH", asset=self.token, source=dollars, borrowable=True, **terms),
        )
        chain, owner = cast(Any, QuickChain(self.evm)), cast(Any, SimpleNamespace(address=OWNER))
        market: AaveMarket = asyncio.run(deploy_aave_market(chain, owner, reserves))
        self.pool, self.configurator = market.pool.address, market.configurator.address
        self.roles = self.evm.know(
            self.evm.ok(market.provider.address, "getACLManager"), npm.aave("protocol/configuration", "ACLManager")
        )
        self.provider = market.provider.address
        self.steward = self.create(OWNER, PUT_OFF_S)
        self.evm.ok(self.roles, "addRiskAdmin", self.steward)
        self.says(OK)
        self.supply(LENDER, self.weth, 200_000 * WAD)

    # --- the feed

    def says(self, state: int, reason: int = 0, *, after_s: int = 0, lands_s: int = 0) -> None:
        """So many seconds later a round of this status is signed by two of three; it lands at once, or so much later."""
        self.evm.jump(max(1, after_s))
        batch, signatures = self.signed(state, reason)
        self.evm.jump(lands_s)
        self.evm.ok(self.store, "push", batch, signatures)

    def signed(self, state: int, reason: int) -> tuple[bytes, bytes]:
        """A round of now, by two of three."""
        item = Item(0, market=RATE, redemption=RATE, status=state | reason << 4)
        body = item.packed() + Item(1, market=ETHER, redemption=0).packed()
        batch = batch_bytes(1, self.evm.now, body)
        digest = word_digest(self.domain, 0, batch)
        return batch, b"".join(bytes([k]) + signature(k, digest) for k in (0, 1))

    # --- the steward

    def create(self, owner: str, put_off_s: int) -> str:
        return self.evm.create(contracts.load("RiskSteward"), owner, GUARDIAN, self.store, self.provider, put_off_s)

    def made(self, owner: str, put_off_s: int) -> str:
        """Empty, or the error of the constructor."""
        try:
            self.create(owner, put_off_s)
        except RuntimeError as e:
            return str(error_of(str(e).split("output: ")[1].split(" ", maxsplit=1)[0])[0])
        return ""

    def rules(self, *rules: Rule, calm_s: int = CALM_S) -> None:
        self.evm.ok(self.steward, "setMarket", self.token, FEED, MAX_AGE_S, calm_s, [r.terms for r in rules])

    def poke(self, after_s: int = 0) -> list[Told]:
        """Anybody's poke; what it tells."""
        self.evm.jump(after_s)
        changed = self.evm.ok(self.steward, "poke", self.token, sender=STRANGER)
        told = self.told()
        assert changed == bool(told), "a keeper that asks first learns whether there is anything to do"
        return told

    def push_and_poke(self, state: int, reason: int) -> list[Told]:
        """A round and a poke in one transaction, by Multicall3; what the steward tells."""
        at = str(self.evm.evm.deploy(OWNER, bytes.fromhex(npm.multicall3()[2:])))
        kind = "aggregate3((address,bool,bytes)[])"
        calls = [(self.store, False, called("push(bytes,bytes)", *self.signed(state, reason)))]
        calls.append((self.steward, False, called("poke(address)", self.token)))
        error, _ = self.evm.send(at, keccak(text=kind)[:4] + encode(["(address,bool,bytes)[]"], [calls]), STRANGER)
        assert error == ""
        return self.told()

    def told(self) -> list[Told]:
        """The steward's events of the last call."""
        kinds = {}
        for e in (e for e in contracts.load("RiskSteward").abi if e["type"] == "event" and e["name"] != "MarketSet"):
            kinds[keccak(text=f"{e['name']}({','.join(i['type'] for i in e['inputs'])})")] = e["name"]
        found = []
        for log in self.evm.evm.result.logs:
            topics = [bytes.fromhex(t.removeprefix("0x")) for t in log.topics]
            if log.address.lower() == self.steward.lower() and topics[0] in kinds:
                raw = bytes(log.data[1])
                words = tuple(int.from_bytes(raw[i : i + 32], "big") for i in range(0, len(raw), 32))
                found.append(Told(kinds[topics[0]], tuple(int.from_bytes(t, "big") for t in topics[1:]), words))
        return found

    def names(self, told: list[Told]) -> list[str]:
        return [t.name for t in told]

    def restore(self, sender: str = GUARDIAN) -> str:
        return self.evm.call(self.steward, "restore", self.token, sender=sender)[0]

    def put_off(self, rule: int = 0, sender: str = GUARDIAN) -> str:
        return self.evm.call(self.steward, "putOff", self.token, rule, sender=sender)[0]

    # --- Aave

    def word(self) -> int:
        """All that Aave has of the reserve."""
        return int(self.evm.ok(self.pool, "getConfiguration", self.token)[0])

    @property
    def stands(self) -> tuple[int, bool]:
        """Loan-to-value, and whether it is frozen."""
        return self.word() & 0xFFFF, bool(self.word() >> 57 & 1)

    def governs(self, name: str, *args: Any) -> None:
        """A call of the market's admin."""
        self.evm.ok(self.configurator, name, self.token, *args)

    def supply(self, who: str, token: str, amount: int) -> str:
        """Buy it for ether, and supply it."""
        self.evm.evm.set_balance(who, 10**30)
        self.evm.pay(who, token, b"", amount * RATE // WAD + 1 if token == self.token else amount)
        self.evm.ok(token, "approve", self.pool, 2**256 - 1, sender=who)
        return self.aave("supply", token, amount, who, 0, sender=who)

    def borrow(self, who: str, amount: int) -> str:
        """Empty, or Aave's own error."""
        return self.aave("borrow", self.weth, amount, VARIABLE_RATE, 0, who, sender=who)

    def aave(self, name: str, *args: Any, sender: str) -> str:
        error = self.evm.call(self.pool, name, *args, sender=sender)[0]
        return str(decode(["string"], bytes.fromhex(error[10:]))[0]) if error.startswith("0x08c379a0") else error

    def health(self, who: str) -> int:
        return int(self.evm.ok(self.pool, "getUserAccountData", who)[5])
