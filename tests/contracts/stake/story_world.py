"""Everything of stake, real and connected as it is deployed: store, set, book, values, penalties, rewards, and what sources are asked for.

Sources lie over DelegatedStake alone, Symbiotic's real core, EigenLayer's real core of v1.4, or all three at once
(`story_sources.py`). The only stand-in is EigenLayer's manager of pods, which no package has.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

import coincurve
import pyrevm
from eth_abi.abi import encode
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

import contracts
from demo.world import npm
from oracle.sign.eip712 import Domain, batch_bytes, sign_compact
from tests.contracts.contract_tools import WAD, Item
from tests.contracts.evm_process import GUARDIAN, OWNER, STRANGER, word_digest, word_evidence
from tests.contracts.stake.eigen_world import MiningEvm
from tests.contracts.stake.stake_world import (
    ANSWER_S,
    DAY_S,
    DELAY_S,
    HOUR_S,
    JOIN_S,
    LONGEST_S,
    MAX_AGE_S,
    OBSERVED_S,
    OVERLAP_S,
    SETTINGS,
    TIMELOCK,
    address,
    spare_key,
    windows_of,
)
from tests.contracts.stake.story_gas import cost_of

ETHER = "0x" + "00" * 20
FINDER, ARBITER, PAYER = (to_checksum_address(f"0x{n:040x}") for n in (0xF1D, 0xA4B, 0xFA1))
MOST: tuple[str, ...] = tuple(to_checksum_address(f"0x{0x0A00 + i:040x}") for i in range(31))
"""As many operators as a set can have."""
RESTAKER_OF: dict[str, str] = {o: to_checksum_address(f"0x{0x0B00 + i:040x}") for i, o in enumerate(MOST)}
OPERATORS = MOST[:5]
RESTAKERS: tuple[str, ...] = tuple(RESTAKER_OF[o] for o in OPERATORS)
DISPUTE_S, EXECUTION_S, JAIL_S, ABSENT_S = 3 * DAY_S, DAY_S, 30 * DAY_S, DAY_S
NEEDS_S = OBSERVED_S + 2 * DAY_S + ANSWER_S + DISPUTE_S + EXECUTION_S
LEAST, FINDER_BPS = WAD // 10, 500
MIN_STAKE, DEPOSIT = 20 * WAD, 40 * WAD
RATE_BPS = 10_500
"""What a wdivETH is worth when everything is deployed."""
FEED = b"wdivETH/ETH".ljust(32, b"\0")
BATCH, SEALED = 0, 1
"""Kinds of a word as `word_digest` has them: a batch, the certificate of step 0."""


class Part(Protocol):
    """A source as the story uses it: how stake gets in and out of it, and who can claim what there."""

    source: str
    served: Sequence[str]
    """Operators that have stake here."""

    def open(self, operators: Sequence[str]) -> None:
        """Make these operators of the protocol, so that they can be delegated to."""

    def put_in(self, restaker: str, operator: str, amount: int) -> None:
        """Tokens of the restaker's, behind this operator."""

    def ready(self) -> None:
        """What is left to do once there are deposits."""

    def ask_exit(self, restaker: str, operator: str, amount: int) -> None:
        """Ask so many tokens back."""

    def take_out(self, restaker: str, operator: str) -> str:
        """Have them paid: the error, or none."""

    def opens(self, restaker: str, operator: str) -> tuple[int, int]:
        """Of an exit that was asked for: the last time at which it is refused, and the first at which it is paid."""

    def off_by(self) -> int:
        """By how many wei the protocol's own rounding may miss a fraction of stake."""

    def claim_rewards(self, operator: str, restaker: str, token: str) -> tuple[int, int]:
        """Both claim what the source was given for them; what each received."""


class StoryWorld:
    """Everything connected, with operators that can be delegated to; nobody has joined yet."""

    def __init__(
        self,
        make: Sequence[Callable[[StoryWorld], Part]],
        source_gas: Sequence[int],
        operators: Sequence[str] = OPERATORS,
        *,
        measured: bool = False,
    ) -> None:
        self.evm = evm = MiningEvm()
        self.operators = operators
        self.restakers = [RESTAKER_OF[o] for o in operators]
        for who in (*operators, *self.restakers, FINDER, ARBITER, PAYER, TIMELOCK):
            evm.evm.set_balance(who, 10**27)
        self.keys: dict[str, coincurve.PrivateKey] = {}
        self.figures: dict[str, int] | None = {} if measured else None
        self.at_freeze: dict[int, dict[str, list[int]]] = {}
        self.key_numbers = 0
        self.tokens()
        roles = (OWNER, GUARDIAN, MAX_AGE_S, DELAY_S, OVERLAP_S, LONGEST_S)
        founders = sorted(address(spare_key(900 + i)) for i in range(3))
        self.store = evm.create(contracts.load("PriceStore"), roles, [(1, 9_999, 1)], founders, [1, 1, 1], 2, 3)
        self.domain = Domain(chain_id=1, store=bytes.fromhex(self.store[2:]))
        self.book = evm.create(contracts.load("KeyBook"), OWNER)
        rate = keccak(text="getRate()")[:4]
        listing = (self.token, self.says_rate(), rate, 10_000, 1_000)
        self.values = evm.create(contracts.load("CollateralValues"), [listing])
        self.parts = [one(self) for one in make]
        self.sources = [p.source for p in self.parts]
        rules = SETTINGS | {"maxMembers": len(operators), "minStake": MIN_STAKE}
        told_sources = list(zip(self.sources, source_gas, strict=True))
        self.set = evm.create(
            contracts.load("StakedSet"), self.store, self.book, told_sources, tuple(rules.values()), OWNER
        )
        self.windows = windows_of(evm, self.set)
        self.rules = rules
        told = (DISPUTE_S, EXECUTION_S, LEAST, JAIL_S, FINDER_BPS)
        self.penalties = evm.create(
            contracts.load("Penalties"), self.set, self.book, self.sources, ARBITER, told, [(1, self.store)]
        )
        assets = [ETHER, self.token]
        self.rewards = evm.create(contracts.load("Rewards"), self.set, self.sources, assets, ABSENT_S)
        for one in (self.set, self.book, *self.sources):
            evm.ok(one, "connect", self.set, self.penalties, self.rewards)
        evm.ok(self.store, "transferOwnership", self.set)
        evm.ok(self.set, "acceptStore", sender=STRANGER)
        call = keccak(text="register(bytes32,bool,bool,uint8)")[:4]
        self.ok(
            self.set, "govern", call + encode(["bytes32", "bool", "bool", "uint8"], [FEED, True, True, 0]), by=TIMELOCK
        )
        for part in self.parts:
            part.open(operators)

    def tokens(self) -> None:
        """The divETH has earned; wdivETH, wrapped ether, and tokens for everybody."""
        evm = self.evm
        self.diveth = evm.create(npm.own("DivETH"))
        self.token = evm.create(npm.own("WdivETH"), self.diveth)
        self.weth = evm.create(npm.aave("dependencies/weth", "WETH9"))
        evm.evm.message_call(OWNER, self.token, b"", 10**24)
        total = int(evm.ok(self.diveth, "totalEther"))
        evm.ok(self.diveth, "rebase", evm.now, 0, total * RATE_BPS // 10_000, 0)
        for who in (*self.restakers, PAYER):
            evm.ok(self.token, "transfer", who, 10**4 * WAD)

    def says_rate(self) -> str:
        """Whose `getRate` says what a token is worth."""
        return str(self.token)

    # --------------------------------------------------------------------------------------------------------- calls

    def step(self, name: str, to: str, function: str, *args: Any, by: str = STRANGER, value: int = 0) -> Any:
        """A call that must be taken; if figures are wanted, what it costs as a transaction of its own is noted."""
        if self.figures is not None and name not in self.figures:
            self.figures[name] = cost_of(self.evm, by, to, function, args, value)
        return self.ok(to, function, *args, by=by, value=value)

    def ok(self, to: str, name: str, *args: Any, by: str = STRANGER, value: int = 0) -> Any:
        """A call that must be taken."""
        error, answer = self.evm.call(to, name, *args, sender=by, value=value)
        assert not error, (name, error)
        return answer

    def ask(self, to: str, name: str, *args: Any) -> Any:
        return self.evm.ok(to, name, *args)

    @contextmanager
    def branch(self) -> Iterator[None]:
        """What happens inside has not happened afterwards."""
        evm = self.evm
        kept = (evm.now, evm.number, self.key_numbers, dict(self.keys))
        before = evm.evm.snapshot()
        try:
            yield
        finally:
            evm.evm.revert(before)
            evm.now, evm.number, self.key_numbers, self.keys = kept
            evm.evm.set_block_env(pyrevm.BlockEnv(number=evm.number, timestamp=evm.now))

    def until(self, time_s: int) -> None:
        """Let time pass until then, if it has not."""
        self.evm.jump(max(0, time_s - self.evm.now))

    # ----------------------------------------------------------------------------------------------------- operators

    def consent(self, who: str) -> tuple[Any, ...]:
        """Of a key that nobody had: address, nonce, expiry, r, vs."""
        self.key_numbers += 1
        key = spare_key(self.key_numbers)
        self.keys[address(key)] = key
        nonce, expiry = self.ask(self.book, "nonceOf", who), self.evm.now + HOUR_S
        signed = sign_compact(key, self.ask(self.book, "consentDigest", who, nonce, expiry))
        return address(key), nonce, expiry, signed[:32], signed[32:]

    def key_of(self, who: str) -> str:
        return str(self.ask(self.book, "keyOf", who))

    def join(self, who: str) -> None:
        """By the door of a source that opts operators in by itself, if there is one; else at the set."""
        for part in self.parts:
            if (enter := getattr(part, "enter", None)) is not None:
                enter(who)
                return
        self.step("`setKey`", self.book, "setKey", self.consent(who), by=who)
        self.step("`join`", self.set, "join", by=who)

    def begin(self) -> int:
        """All have stake and have joined, the first freeze of stake is in force; its epoch."""
        for part in self.parts:
            for operator in part.served:
                part.put_in(RESTAKER_OF[operator], operator, DEPOSIT)
            self.evm.jump(1)  # what Symbiotic counts was there a second before
            part.ready()
            self.evm.jump(1)
        for operator in self.operators:
            self.join(operator)
        self.evm.jump(JOIN_S)
        return self.change()

    # ------------------------------------------------------------------------------------------------------ rotation

    def freeze(self) -> int:
        """As soon as anybody can; the epoch that was made."""
        self.until(int(self.ask(self.set, "nextRotateAt")))
        moment = int(self.ask(self.windows, "moment"))
        stakes = self.said(moment if self.evm.now <= moment + OBSERVED_S else 0)
        name = "`rotate`, a later one" if self.at_freeze else "`rotate`, the first"
        epoch = int(self.step(name, self.set, "rotate"))
        self.at_freeze[epoch] = stakes
        return epoch

    def arm(self, without: Sequence[str] = ()) -> None:
        """The members of the next set sign, but those with these keys."""
        epoch, _ = self.ask(self.store, "nextSigners")
        digest = self.ask(self.store, "armDigest")
        self.step(
            "`arm`",
            self.store,
            "arm",
            self.signed(epoch, digest, [k for k in self.members(epoch)[0] if k not in without]),
        )

    def take_over(self) -> int:
        """The next set's time comes."""
        epoch, active_at = self.ask(self.store, "nextSigners")
        self.until(active_at)
        assert self.epoch == epoch
        return int(epoch)

    def change(self) -> int:
        """A whole rotation."""
        self.freeze()
        self.arm()
        return self.take_over()

    # --------------------------------------------------------------------------------------------------------- words

    def signed(self, epoch: int, digest: bytes, keys: Sequence[str]) -> bytes:
        """Signatures of these members of an epoch's set, in its order."""
        order = self.members(epoch)[0]
        return b"".join(bytes([i]) + sign_compact(self.keys[k], digest) for i, k in enumerate(order) if k in keys)

    def batch(self, epoch: int, market: int = WAD) -> bytes:
        """A price of now."""
        return batch_bytes(epoch, self.evm.now, Item(0, market=market, redemption=WAD).packed())

    def batch_digest(self, batch: bytes) -> bytes:
        """What the members sign of it."""
        return word_digest(self.domain, BATCH, batch)

    def push(self, batch: bytes, keys: Sequence[str]) -> str:
        """The error, if there is one."""
        signed = self.signed(int.from_bytes(batch[:6], "big"), self.batch_digest(batch), keys)
        return self.evm.call(self.store, "push", batch, signed, sender=STRANGER)[0]

    def word(self, key: str, kind: int, batch: bytes) -> tuple[int, int, bytes, bytes, bytes]:
        """What a key signed, as evidence."""
        return word_evidence(kind, batch, sign_compact(self.keys[key], word_digest(self.domain, kind, batch)))

    def lie(self, key: str, epoch: int) -> tuple[Any, Any]:
        """A batch, and a certificate of another price for the same round."""
        return self.word(key, BATCH, self.batch(epoch)), self.word(key, SEALED, self.batch(epoch, WAD + 1))

    def prove(self, words: tuple[Any, Any]) -> bytes:
        """By the finder; the case."""
        case = self.step("`prove`", self.penalties, "prove", *words, 0, by=FINDER)[1]
        assert isinstance(case, bytes)
        return case

    def end_dispute(self, case: bytes) -> None:
        self.until(int(self.ask(self.penalties, "caseOf", case)[2]))

    # ---------------------------------------------------------------------------------------------------------- read

    @property
    def epoch(self) -> int:
        """In force in the store."""
        return int(self.ask(self.store, "signerSet")[0])

    def members(self, epoch: int) -> tuple[list[str], list[str], list[int]]:
        """Keys, operators and weights of the set that was frozen for it."""
        keys, operators, weights = self.ask(self.set, "membersOf", epoch)
        return list(keys), [to_checksum_address(o) for o in operators], list(weights)

    def weights(self, epoch: int) -> dict[str, int]:
        """By operator, as they were frozen."""
        _, operators, weights = self.members(epoch)
        return dict(zip(operators, weights, strict=True))

    def frozen(self, epoch: int) -> tuple[int, int, int, int]:
        """Capture, last second of proof, T, W."""
        told: tuple[int, int, int, int] = tuple(self.ask(self.set, "frozenOf", epoch))
        return told

    def in_store(self) -> dict[str, int]:
        """Weights of the keys in the store's present set."""
        _, _, signers, weights = self.ask(self.store, "signerSet")
        return dict(zip(signers, weights, strict=True))

    def said(self, moment: int = 0) -> dict[str, list[int]]:
        """What each source says of each operator, for a freeze of a moment that is past or of now."""
        at = moment or self.evm.now
        return {o: [int(self.ask(s, "stakeSince", o, at)) for s in self.sources] for o in self.operators}

    def stake(self, operator: str) -> int:
        return sum(int(self.ask(s, "stakeOf", operator)) for s in self.sources)

    def stakes(self) -> dict[str, int]:
        return {o: self.stake(o) for o in self.operators}

    def balance(self, who: str, token: str = "") -> int:
        return int(self.evm.evm.get_balance(who) if token == ETHER else self.ask(token or self.token, "balanceOf", who))

    def value(self, tokens: int) -> int:
        return int(self.ask(self.values, "valueOf", self.token, tokens))
