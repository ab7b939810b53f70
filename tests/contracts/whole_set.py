"""A store and all views of it on an EVM in this process beside their models: every act has an expected answer, then all agrees."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cache
from typing import Any

from eth_utils.crypto import keccak

import contracts
from oracle.sign.eip712 import Domain, address_of, batch_bytes
from tests.contracts.evm_process import (  # fmt: skip
    DELAY_S,
    GUARDIAN,
    KEYS,
    LIMITS,
    MAX_AGE_S,
    OVERLAP_S,
    OWNER,
    STRANGER,
    Evm,
    signature,
    word_digest,
)
from tests.contracts.set_models import (
    NONE,
    WAD,
    Cap,
    Peek,
    Ramp,
    cross,
    cross_spread,
    feed,
    mode,
    quotes,
    spread,
    trouble,
)  # fmt: skip
from tests.contracts.store_model import StoreModel
from tests.contracts.store_words import LOW_32, PRICE, ModelGap, ModelRefused, Signers

ZERO, BASE, QUOTE = ("0x" + "00" * 20), "0x" + "00" * 19 + "b1", "0x" + "00" * 18 + "0348"
STRICT_AGE_S, RAMP_S, YEARLY_BPS = 120, 200, 900
BOTH, MARKET_ONLY, WIDE_BOTH, RATE_ONLY = 0, 1, 8_192, 8_193
FIRST_TOKENS = {BOTH: (True, True), MARKET_ONLY: (True, False), WIDE_BOTH: (True, True), RATE_ONLY: (False, True)}
FIRST_PRICES = {BOTH: (WAD, WAD), MARKET_ONLY: (2_000 * WAD, 0), WIDE_BOTH: (WAD, WAD), RATE_ONLY: (0, WAD)}
GAPS_AT = 65_536
FIRST_SET = Signers(1, (0, 1, 2, 3, 4), (3, 2, 2, 1, 1), 5, 7)
HELD = "0x" + keccak(text="Held(uint16,uint8,uint256,uint256)").hex()
KEPT = "0x" + keccak(text="Kept(uint16,uint256)").hex()
PUSHED = "0x" + keccak(text="Pushed(bytes32,uint32,uint256)").hex()


@cache
def key_address(key: int) -> str:
    return "0x" + address_of(KEYS[key]).hex()


def packed(
    index: int, prices: tuple[int, int], status: int = 1, spread: int = 7, ages: tuple[int, int] = (3, 9)
) -> bytes:
    """An item of a batch."""
    head = index.to_bytes(2, "big") + b"".join(p.to_bytes(11, "big") for p in prices)
    return head + spread.to_bytes(2, "big") + bytes([status]) + ages[0].to_bytes(2, "big") + bytes([ages[1]])


@dataclass
class PushedBatch:
    """Bytes to push, and what the model is to know of them."""

    batch: bytes
    signed: bytes
    who: list[int]
    valid: list[bool]


@dataclass
class WholeSet:
    """Store and views over it; all deployed, registered, and with a first round landed."""

    evm: Evm = field(default_factory=Evm)
    longest_s: int = 0
    shown: tuple[dict[int, int], int, Ramp] | None = None

    def __post_init__(self) -> None:
        evm, names = self.evm, [f"T{i}/ETH" for i in FIRST_TOKENS]
        limits = [(one.min_gap_s, one.step_bps, one.step_wait_s) for one in LIMITS]
        who = (OWNER, GUARDIAN, MAX_AGE_S, DELAY_S, OVERLAP_S, self.longest_s)
        signers = [key_address(k) for k in FIRST_SET.keys]
        first = FIRST_SET
        self.store = evm.create(
            contracts.load("PriceStore"), who, limits, signers, list(first.weights), first.threshold, first.strong
        )
        self.domain = Domain(chain_id=1, store=bytes.fromhex(self.store[2:]))
        self.model = StoreModel(LIMITS, first, MAX_AGE_S, DELAY_S, OVERLAP_S, evm.now, self.longest_s)
        self.owner, self.pending, self.guardian, self.names = OWNER, ZERO, GUARDIAN, set(names)
        self.set_owner = ZERO
        for (index, has), name in zip(FIRST_TOKENS.items(), names, strict=True):
            assert evm.ok(self.store, "register", name.encode().ljust(32, b"\0"), *has, index >> 13) == index
            self.model.register(index, has)
        items = b"".join(packed(i, FIRST_PRICES[i]) for i in FIRST_TOKENS)
        self.push(self.sign(batch_bytes(1, evm.now, items), first, range(5)))
        self._add_views()
        self.check()

    # --- the store -----------------------------------------------------------------------------------------------

    def sign(self, batch: bytes, signers: Signers, who: Sequence[int]) -> PushedBatch:
        digest = self.digest(batch)
        signed = b"".join(bytes([i]) + signature(signers.keys[i], digest) for i in who)
        return PushedBatch(batch, signed, list(who), [True] * len(who))

    def digest(self, batch: bytes, kind: int = 0) -> bytes:
        return word_digest(self.domain, kind, batch)

    def refused(self, to: str, name: str, *args: Any, sender: str, expected: str) -> bool:
        """Call, and hold the answer against the expected error, "" for none; whether it was refused."""
        error, _ = self.evm.call(to, name, *args, sender=sender)
        assert error == expected, (name, args, error, expected)
        return bool(error)

    def push(self, one: PushedBatch) -> str:
        """Push and compare: the error, how many were written, and what the events say of prices that were not taken."""
        model = self.model
        model.now = self.evm.now
        written, expected = 0, ""
        try:
            written = model.push(one.batch, one.who, one.valid, len(one.signed) % 65)
        except ModelRefused as e:
            expected = str(e)
        self.refused(self.store, "push", one.batch, one.signed, sender=STRANGER, expected=expected)
        if not expected:
            self._check_events()
            (told,) = [log.data for log in self.evm.evm.result.logs if log.topics[0] == PUSHED]
            assert int.from_bytes(told[1][32:], "big") == written
        return expected

    def _check_events(self) -> None:
        """Of each item, in order: `Held` for each price that waits, `Kept` for a word that is another than it.

        An item that wrote nothing has none, or says once more what waits.
        """
        told: list[tuple[int, ...]] = []
        for log in self.evm.evm.result.logs:
            index, data = int(log.topics[1], 16), log.data[1]
            if log.topics[0] == HELD:
                told.append(
                    (index, int(log.topics[2], 16), int.from_bytes(data[:32], "big"), int.from_bytes(data[32:], "big"))
                )
            elif log.topics[0] == KEPT:
                told.append((index, int.from_bytes(data, "big")))
        status_only = ~(8 << 56)
        for item, token, wrote in self.model.met:
            index = int.from_bytes(item[:2], "big")
            waits = [(which, kept.wait) for which, kept in enumerate(token.kept) if kept]
            expected: list[tuple[int, ...]] = [(index, which, w.price, w.since_s) for which, w in waits if w]
            signed = (int.from_bytes(item[2:], "big") << 32 | token.round_time) & status_only
            if wrote and token.word() != signed:
                expected.append((index, token.word()))
            if wrote or told[: len(expected)] == expected:
                assert told[: len(expected)] == expected
                told = told[len(expected) :]
        assert not told

    def check_store(self) -> None:
        evm, model, now = self.evm, self.model, self.evm.now
        for index, word in model.words.items():
            assert int.from_bytes(evm.send(self.store, index.to_bytes(2, "big"))[1], "big") == word, index
            for which in (0, 1):
                told = evm.send(self.store, index.to_bytes(2, "big") + bytes([which]))[1]
                assert int.from_bytes(told, "big") == model.held(index, which)
            self._check_gap(index)
        model.now = now
        coming = model.coming()
        current = model.signers
        addresses = tuple(key_address(k) for k in current.keys)
        told = evm.ok(self.store, "signerSet")
        assert told == (current.epoch, current.threshold, addresses, current.weights)
        assert evm.ok(self.store, "expiresAt") == current.expires_s
        assert evm.ok(self.store, "thresholds") == (current.threshold, current.strong)
        assert evm.ok(self.store, "nextSigners") == coming
        assert evm.ok(self.store, "armed") == (coming != (0, 0) and model.comes)
        assert evm.ok(self.store, "overlapEnds") == (model.previous[2] if model.previous else 0)
        assert [evm.ok(self.store, n) for n in ("owner", "pendingOwner", "guardian", "setOwner")] == [
            self.owner, self.pending, self.guardian, self.set_owner,
        ]  # fmt: skip

    def _check_gap(self, index: int) -> None:
        """In storage: the gap by which a token goes that is another than the one that its last write opened."""
        token = self.model.tokens.get(index)
        if token is None:
            return
        word = self.evm.evm.storage(self.store, GAPS_AT + index)
        counts = word & LOW_32 == token.round_time
        told = ModelGap(word >> 32 & LOW_32, (word >> 168, word >> 80 & PRICE)) if counts else None
        if told is None and any(p and k is None for p, k in zip(token.prices, token.kept, strict=True)):
            told = ModelGap(token.round_time, token.prices)
        assert told == token.gap

    # --- views ---------------------------------------------------------------------------------------------------

    def _add_views(self) -> None:
        def make(name: str, *args: Any) -> str:
            return self.evm.create(contracts.load(name), *args)

        def token(index: int, which: int, decimals: int = 18) -> str:
            return make("FeedView", self.store, f"T{index}/ETH".encode().ljust(32, b"\0"), which, decimals, 60)

        self.cap = Cap(WAD * 99 // 100, self.evm.now - 60 * 86_400, YEARLY_BPS)
        name = b"T0/ETH".ljust(32, b"\0")
        self.feeds = [token(BOTH, m, 18 - 5 * m) for m in range(4)]
        self.market, self.rate = token(MARKET_ONLY, 0, 8), token(RATE_ONLY, 1)
        self.capped = make("CappedFeedView", self.store, name, 18, 60, self.cap.wad, self.cap.since_s, YEARLY_BPS)
        self.crossed = make("CrossView", self.feeds[2], self.market, 8)
        self.modes = [make("ModeView", self.feeds[0], self.capped, m, RAMP_S * (m == 4), 18) for m in (2, 3, 4)]
        self.ramp = Ramp(RAMP_S, self.evm.now)
        self.strict = make("StrictFeedView", self.modes[0], STRICT_AGE_S, ZERO, 0)
        self.quote, self.silo = (
            make(n, self.feeds[2], STRICT_AGE_S, BASE, 18, QUOTE, 6) for n in ("QuoteView", "SiloView")
        )
        self.morpho = make("MorphoView", self.feeds[2], STRICT_AGE_S, 18, 6)
        self.dia = make("DiaView", ["T0/ETH"], [self.feeds[2]])
        self.pyth = make("PythView", [name], [self.feeds[2]])

    def peeks(self) -> dict[str, Peek]:
        """What each view should answer, by its address."""
        words, now = self.model.words, self.evm.now
        held = {i: self.true_at(i) for i in (BOTH, MARKET_ONLY, RATE_ONLY)}
        plain = [feed(words[BOTH], m, now, held[BOTH]) for m in range(4)]
        market = feed(words[MARKET_ONLY], 0, now, held[MARKET_ONLY])
        capped = self.cap.peek(words[BOTH], now, held[BOTH])
        modes = [mode(plain[0], capped, m, self.ramp, self.newest, now) for m in (2, 3, 4)]
        views = [*self.feeds, self.market, self.rate, self.capped, self.crossed, *self.modes]
        rate = feed(words[RATE_ONLY], 1, now, held[RATE_ONLY])
        return dict(zip(views, [*plain, market, rate, capped, cross(plain[2], market), *modes], strict=True))

    def true_at(self, index: int) -> tuple[int, int]:
        """When market and redemption of a token were true, as the store has it of those that it holds."""
        word = self.model.words[index]
        names = [index.to_bytes(2, "big") + bytes([which]) for which in (0, 1)]
        asked = [word >> 79 - i & 1 and self.evm.send(self.store, name)[1] for i, name in enumerate(names)]
        paid, owed = (int.from_bytes(raw[-4:], "big") if raw else 0 for raw in asked)
        return paid, owed

    @property
    def newest(self) -> int:
        """The newest round of what the modes are made of."""
        return self.model.words[BOTH] & LOW_32

    def poke(self) -> None:
        self.evm.ok(self.modes[2], "poke", sender=STRANGER)
        self.ramp.poke(self.peeks()[self.modes[2]].status, self.newest, self.evm.now)

    def check_views(self) -> None:
        """What they show is a matter of the words, the ramp and the time: looked at again when one of these has changed."""
        state = {**self.model.words}, self.evm.now, replace(self.ramp)
        if state == self.shown:
            return
        self.shown = state
        evm, now, expected = self.evm, self.evm.now, self.peeks()
        for view, seen in expected.items():
            assert Peek(*evm.ok(view, "peek")) == seen, view
        for view, decimals in ((self.feeds[1], 13), (self.feeds[2], 8), (self.crossed, 8), (self.modes[2], 18)):
            seen, round_id = expected[view], 1 << 64 | expected[view].round_time
            answer = seen.wad * 10**decimals // WAD
            whole = (round_id, answer, seen.updated_at, seen.updated_at, round_id)
            assert evm.call(view, "latestRoundData") == (("", whole) if answer else ("NoData", None))
        assert evm.ok(self.modes[2], "rampPpm") == self.ramp.now(expected[self.modes[2]].status, self.newest, now)
        spreads = [spread(self.model.words[i]) for i in (BOTH, MARKET_ONLY)]
        assert evm.ok(self.crossed, "spreadBps") == cross_spread(*spreads)
        lower = expected[self.modes[0]]
        wrong = trouble(lower, STRICT_AGE_S, now)
        assert evm.ok(self.strict, "latestAnswer") == (0 if wrong else lower.wad)
        self.refused(self.strict, "latestRoundData", sender=STRANGER, expected="Unusable" if wrong else "")
        self._check_readers(expected[self.feeds[2]], spreads[0], now)

    def _check_readers(self, seen: Peek, spread_bps: int, now: int) -> None:
        """Views over the lower of both prices, through the interfaces of others."""
        evm, wrong, amount = self.evm, trouble(seen, STRICT_AGE_S, now), 3 * WAD + 7
        asked = {
            (self.quote, "getQuotes", amount, BASE, QUOTE): quotes(amount, Fraction(seen.wad, 10**30), spread_bps)[1:],
            (self.quote, "getQuote", 10**6, QUOTE, BASE): int(Fraction(10**36, seen.wad)),
            (self.silo, "quote", amount, BASE): int(amount * Fraction(seen.wad, 10**30)),
            (self.morpho, "price"): seen.wad * 10**6,
        }
        for (view, name, *args), answer in asked.items():
            error, got = evm.call(view, name, *args)
            assert (error, got) == (("Unusable", None) if wrong else ("", answer)), name
        eight = seen.wad // 10**10
        assert evm.ok(self.dia, "getValue", "T0/ETH") == ((eight, seen.updated_at) if eight else (0, 0))
        conf = -(-seen.wad * spread_bps // 10**14)
        error, got = evm.call(self.pyth, "getPriceNoOlderThan", b"T0/ETH".ljust(32, b"\0"), STRICT_AGE_S)
        small = eight and max(eight, conf) < 2**63
        refused = ("StalePrice" if wrong != NONE else "") if small else "PriceFeedNotFound"
        assert error == refused
        assert error or got == (eight, conf, -8, seen.updated_at)

    def check(self) -> None:
        self.check_store()
        self.check_views()
