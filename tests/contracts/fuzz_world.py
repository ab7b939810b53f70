"""A store with views on an EVM in this process, driven by a seed and held equal to its model at every call."""

from __future__ import annotations

import random
from typing import Any

from eth_abi import encode
from eth_utils.crypto import keccak

import contracts
from oracle.sign.eip712 import Domain, address_of, batch_bytes
from tests.contracts.evm_process import (
    DELAY_S,
    GUARDIAN,
    KEYS,
    LIMITS,
    LONGEST_S,
    MAX_AGE_S,
    OVERLAP_S,
    OWNER,
    STRANGER,
    Evm,
    signature,
    word_digest,
)
from tests.contracts.store_model import StoreModel
from tests.contracts.store_words import LOW_32, ModelRefused, Signers

TOKENS = {0: (True, True), 1: (True, False), 8_192: (True, True), 8_193: (False, True)}
ROLES = (
    "pause",
    "resume",
    "setSigners",
    "removeSigners",
    "setSetOwner",
    "setGuardian",
    "register",
    "transferOwnership",
)


class World:
    """A store with its views, the model, and one step of the fuzz at a time."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.longest_s = LONGEST_S if seed % 2 else 0
        self.evm = Evm()
        first = Signers(1, (0, 1, 2, 3, 4), (3, 2, 2, 1, 1), 5, 7)
        who = (OWNER, GUARDIAN, MAX_AGE_S, DELAY_S, OVERLAP_S, self.longest_s)
        limits = [(one.min_gap_s, one.step_bps, one.step_wait_s) for one in LIMITS]
        args = [who, limits, self.addresses(first.keys), list(first.weights), first.threshold, first.strong]
        self.store = self.evm.create(contracts.load("PriceStore"), *args)
        self.domain = Domain(chain_id=1, store=bytes.fromhex(self.store[2:]))
        self.model = StoreModel(LIMITS, first, MAX_AGE_S, DELAY_S, OVERLAP_S, self.evm.now, self.longest_s)
        for index, has in TOKENS.items():
            name = f"T{index}/ETH".encode().ljust(32, b"\0")
            assert self.evm.ok(self.store, "register", name, *has, index >> 13) == index
            self.model.register(index, has)
        self.views = {m: self.view(m) for m in (0, 1, 2, 3)}
        self.strict = self.evm.create(contracts.load("StrictFeedView"), self.views[2], 120, "0x" + "00" * 20, 0)
        self.counts: dict[str, int] = {}
        self.heap: list[tuple[bytes, bytes, list[int]]] = []

    def view(self, mode: int) -> str:
        return self.evm.create(contracts.load("FeedView"), self.store, b"T0/ETH".ljust(32, b"\0"), mode, 18, 60)

    @staticmethod
    def addresses(keys: tuple[int, ...]) -> list[str]:
        return ["0x" + address_of(KEYS[k]).hex() for k in keys]

    def step(self) -> None:
        """One call; whatever it does, contracts and models agree afterwards."""
        kinds = (
            self.push,
            self.push,
            self.push,
            self.push,
            self.wait,
            self.replay,
            self.roles,
            self.arm,
            *((self.lets_expire, self.renew) if self.longest_s else ()),
        )
        self.rng.choice(kinds)()
        self.check()

    def note(self, what: str) -> None:
        self.counts[what] = self.counts.get(what, 0) + 1

    # --- pushes --------------------------------------------------------------------------------------------------

    def item(self, index: int) -> bytes:
        rng, has = self.rng, TOKENS.get(index, (True, True))
        if rng.random() < 0.03:
            has = rng.choice(((True, True), (True, False), (False, True), (False, False)))
        last = self.model.word(index)
        out = []
        for there, old in zip(has, (last >> 168, last >> 80 & 2**88 - 1), strict=True):
            near = old * (10_000 + rng.randrange(-600, 600)) // 10_000
            price = rng.choice((near, near, old, rng.randrange(1, 2**88), 10**18, 1, 2**88 - 1))
            out.append(min(max(price, 1), 2**88 - 1) if there else 0)
        status = rng.choice((1, 1, 1, 2, 3, 4, 4, 9, 10, rng.randrange(16))) | rng.randrange(16) << 4
        spread, age, hours = (rng.choice((0, 7, most)) for most in (16_383, 65_535, 255))
        spread += 1 if rng.random() < 0.02 else 0
        head = index.to_bytes(2, "big") + out[0].to_bytes(11, "big") + out[1].to_bytes(11, "big")
        return head + spread.to_bytes(2, "big") + bytes([status]) + age.to_bytes(2, "big") + bytes([hours])

    def push(self) -> None:
        rng, model = self.rng, self.model
        before = model.previous[0] if model.previous else None
        known = [s for s in (model.signers, before, model.following) if s]
        signers = rng.choice((model.signers, *known))
        index = (*TOKENS, *TOKENS, rng.choice((2, 8_194, 16_384, 65_535)))
        count = rng.choice((0, 1, 1, 1, 2, 3, 5))
        body = b"".join(self.item(rng.choice(index if rng.random() < 0.2 else tuple(TOKENS))) for _ in range(count))
        round_time = self.evm.now + rng.choice((0, 0, 0, -1, -5, 30, 31, -60, -61, rng.randrange(-90, 60)))
        batch = batch_bytes(signers.epoch, round_time, body)
        who = sorted(rng.sample(range(len(signers.keys)), rng.randrange(1, len(signers.keys) + 1)))
        if rng.random() < 0.5:
            who = list(range(len(signers.keys)))
        self.send(batch, signers, who)

    def digest(self, batch: bytes) -> bytes:
        """What a report key signs for it."""
        return word_digest(self.domain, 0, batch)

    def send(self, batch: bytes, signers: Signers, who: list[int]) -> None:
        """Sign, maybe spoil, push, and compare with what the model says."""
        rng = self.rng
        digest = self.digest(batch)
        raw = [bytes([i]) + signature(signers.keys[i], digest) for i in who]
        valid = [True] * len(who)
        spoil = rng.random()
        if spoil < 0.03 and raw:
            place, bit = rng.randrange(len(raw)), rng.randrange(8, 65 * 8)
            one = bytearray(raw[place])
            one[bit // 8] ^= 1 << bit % 8
            raw[place], valid[place] = bytes(one), False
        elif spoil < 0.06:
            at = rng.randrange(len(batch))
            batch = batch[:at] + bytes([batch[at] ^ 1 << rng.randrange(8)]) + batch[at + 1 :]
            valid = [False] * len(who)
        elif spoil < 0.08 and raw:
            raw, who, valid = raw + raw[-1:], [*who, who[-1]], [*valid, True]
        elif spoil < 0.10 and len(raw) > 1:
            raw, who, valid = raw[::-1], who[::-1], valid[::-1]
        elif spoil < 0.11:
            raw, who, valid = [b"\xff" + rng.randbytes(rng.choice((0, 1, 64)))], [255], [False]
        signed = b"".join(raw) + bytes(rng.choice((0, 0, 0, 0, 1)) if spoil > 0.98 else 0)
        if spoil > 0.96:
            batch = batch[: -rng.randrange(1, 40)]
            valid = [False] * len(who)
        odd = len(signed) % 65
        data = keccak(text="push(bytes,bytes)")[:4] + encode(["bytes", "bytes"], [batch, signed])
        junk = rng.randbytes(rng.choice((0, 0, 0, 1, 33)))
        self.model.now = self.evm.now
        try:
            self.model.push(batch, who, valid, odd)
            expected = ""
            self.heap = [*self.heap[-7:], (data, batch, who)]
        except ModelRefused as e:
            expected = str(e)
        sender = rng.choice((OWNER, STRANGER))
        error, _ = self.evm.send(self.store, data + junk, sender)
        assert error == expected, (error, expected)
        self.note(f"push {error or 'taken'}")

    def replay(self) -> None:
        """What was taken once writes no token again that it wrote; cut calldata is nothing."""
        if not self.heap:
            return
        data, batch, who = self.rng.choice(self.heap)
        error, _ = self.evm.send(self.store, data[: self.rng.randrange(4, len(data) - 32)], STRANGER)
        assert error, "cut calldata was taken"
        self.model.now, before = self.evm.now, dict(self.model.words)
        try:
            self.model.push(batch, who, [True] * len(who))
            expected = ""
        except ModelRefused as e:
            expected = str(e)
        error, _ = self.evm.send(self.store, data, STRANGER)
        assert error == expected, (error, expected)
        round_time = int.from_bytes(batch[6:10], "big")
        again = [i for i, w in self.model.words.items() if w != before[i] and before[i] & LOW_32 > round_time]
        assert again == []
        self.note("replay taken for a token that was paused" if not error else "replay")

    # --- roles and time ------------------------------------------------------------------------------------------

    def wait(self) -> None:
        self.evm.jump(self.rng.choice((1, 1, 5, 10, 30, 60, 100, 150)))
        self.note("wait")

    def lets_expire(self) -> None:
        """To about the end of the set in force, if that is still to come."""
        self.model.now = self.evm.now
        self.model.move_on()
        left_s = self.model.signers.expires_s - self.evm.now
        if left_s > 0 and self.rng.random() < 0.2:
            self.evm.jump(max(1, left_s + self.rng.choice((-DELAY_S - 1, -31, -1, 0, 1, 60))))
            self.note("wait")

    def renew(self) -> None:
        """A whole rotation, late or in time."""
        self.model.now = self.evm.now
        if self.rng.random() < 0.2 and not self.rotate(OWNER):
            self.arm()
            self.evm.jump(self.rng.choice((1, DELAY_S)))
            self.arm()

    def roles(self) -> None:
        rng, model, evm = self.rng, self.model, self.evm
        model.now, sender = evm.now, rng.choice((OWNER, OWNER, GUARDIAN, STRANGER))
        index = rng.choice(tuple(TOKENS))
        what = rng.choice(ROLES)
        if what == "pause":
            error, _ = evm.call(self.store, what, [index], sender=sender)
            assert error == ("NotGuardian" if sender == STRANGER else "")
            if not error:
                model.pause(index)
        elif what == "resume":
            error, _ = evm.call(self.store, what, [index], sender=sender)
            assert error == ("" if sender == OWNER else "NotOwner")
            if not error:
                model.resume(index)
        elif what in {"setSigners", "removeSigners"}:
            error = self.rotate(sender) if what == "setSigners" else self.remove(sender)
        elif what == "setSetOwner":
            to = rng.choice((STRANGER, GUARDIAN, "0x" + "00" * 20))
            error, _ = evm.call(self.store, what, to, sender=sender)
            assert error == ("" if sender == OWNER else "NotOwner")
            if not error:
                model.set_owner = to
        else:
            args: dict[str, tuple[Any, ...]] = {
                "setGuardian": (GUARDIAN,),
                "register": (b"T0/ETH".ljust(32, b"\0"), True, True, 0),
                "transferOwnership": (OWNER,),
            }
            error, _ = evm.call(self.store, what, *args[what], sender=sender)
            refused = "NotOwner" if sender != OWNER else "BadId" if what == "register" else ""
            assert error == refused
            assert evm.call(self.store, "acceptOwnership", sender=STRANGER)[0] == "NotOwner"
        self.note(f"{what} {error or 'taken'}")

    def rotate(self, sender: str) -> str:
        """By owner, set owner or somebody else, now and then in an emergency."""
        rng, model = self.rng, self.model
        if rng.random() < 0.6:
            return ""
        keys = tuple(rng.sample(range(len(KEYS)), rng.randrange(1, 7)))
        weights = tuple(rng.randrange(1, 4) for _ in keys)
        threshold = sum(weights) // 2 + rng.randrange(1, 2)
        strong = rng.randrange(threshold, sum(weights) + 1) if threshold <= sum(weights) else threshold
        emergency = rng.random() < 0.2
        model.move_on()
        may = sender == OWNER or (sender == model.set_owner and not emergency and not model.emergency)
        name = "setSignersInEmergency" if emergency else "setSigners"
        error, _ = self.evm.call(
            self.store, name, self.addresses(keys), list(weights), threshold, strong, sender=sender
        )
        assert error == ("" if may else "NotOwner" if emergency else "NotSetOwner")
        if not error:
            model.set_signers(Signers(model.signers.epoch + 1, keys, weights, threshold, strong), emergency=emergency)
        return error

    def arm(self) -> None:
        """The next set's signatures, some of them or all, good or not, in time or not."""
        rng, model, expected = self.rng, self.model, ""
        model.now = self.evm.now
        next_ = model.following or model.signers
        who = sorted(rng.sample(range(len(next_.keys)), rng.randrange(1, len(next_.keys) + 1)))
        if rng.random() < 0.6:
            who = list(range(len(next_.keys)))
        error, digest = self.evm.call(self.store, "armDigest")
        good = rng.random() < 0.9
        signed = b"".join(
            bytes([i]) + signature(next_.keys[i], digest if not error and good else b"\1" * 32) for i in who
        )
        try:
            model.move_on()
            model.arm(who, [good] * len(who))
        except ModelRefused as e:
            expected = str(e)
        got, _ = self.evm.call(self.store, "arm", signed, sender=STRANGER)
        assert (got, error) == (expected, "NothingToArm" if expected == "NothingToArm" else ""), (got, expected)
        self.note(f"arm {got or 'taken'}")

    def remove(self, sender: str) -> str:
        rng, model = self.rng, self.model
        model.move_on()
        epoch = rng.choice(
            (model.signers.epoch, model.signers.epoch, model.signers.epoch + 1, model.signers.epoch - 1, 0)
        )
        indexes, expected = rng.sample(range(7), rng.randrange(3)), ""
        if sender not in {OWNER, model.set_owner}:
            expected = "NotSetOwner"
        else:
            try:
                model.remove(epoch, indexes)
            except ModelRefused as e:
                expected = str(e)
        error, _ = self.evm.call(self.store, "removeSigners", epoch, indexes, sender=sender)
        assert error == expected, (error, expected, epoch, indexes)
        return error

    # --- what always holds ---------------------------------------------------------------------------------------

    def check(self) -> None:
        evm, index = self.evm, self.rng.choice(tuple(TOKENS))
        for at in (index, *((0,) if index else ())):
            for data, expected in (
                (at.to_bytes(2, "big"), self.model.word(at)),
                (at.to_bytes(2, "big") + b"\0", self.model.held(at, 0)),
                (at.to_bytes(2, "big") + b"\1", self.model.held(at, 1)),
            ):
                error, raw = evm.send(self.store, data)
                assert not error
                assert int.from_bytes(raw, "big") == expected, data
        word = self.model.word(0)
        mode = self.rng.randrange(4)
        wad, updated_at, round_time, status = evm.ok(self.views[mode], "peek")
        assert round_time == word & LOW_32
        assert updated_at <= evm.now
        if round_time:
            market, redemption = word >> 168, word >> 80 & 2**88 - 1
            assert wad == (market, redemption, min(market, redemption), max(market, redemption))[mode]
            assert status & 15 == (4 if 0 in self.model.paused else word >> 56 & 15)
        usable = evm.ok(self.strict, "latestAnswer") > 0
        halted = word >> 56 & 15 == 4 or not round_time
        assert not (usable and halted)
