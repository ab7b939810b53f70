"""Rules of the state machine about operators: bonds, weights, words, lies, proofs, penalties."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import invariant, rule

from oracle.sign.eip712 import batch_bytes
from tests.contracts.evm_process import GUARDIAN, OWNER, STEPS, STRANGER, TREASURY, signature
from tests.contracts.rules_roles import RoleRules
from tests.contracts.set_models import Outcome
from tests.contracts.store_words import ModelRefused
from tests.contracts.whole_set import key_address, packed

LIARS, HONEST = (7, 8), (0, 1, 2)
KEY = st.sampled_from([*HONEST, *LIARS])
KIND = st.integers(0, STEPS)
"""Of a word: a batch, or the certificate of a round in some step."""
BONDERS = st.sampled_from([OWNER] * 5 + [STRANGER])


class OperatorRules(RoleRules):
    """Some keys never say two things; two do."""

    def __init__(self) -> None:
        super().__init__()
        self.words: list[tuple[bytes, bytes, int]] = []
        self.said: dict[tuple[int, int, int], bytes] = {}
        for key in (*HONEST, *LIARS):
            self.bonded(key, 10**18, OWNER, consented=True)

    @invariant()
    def no_honest_key_is_slashed(self) -> None:
        assert {s for s, b in self.set.bonds.bonds.items() if b.slashed} <= {key_address(k) for k in LIARS}

    def told(self, name: str, *args: Any, sender: str, error: str) -> None:
        self.set.refused(self.registry, name, *args, sender=sender, expected=error)
        self.note(f"{name} {error or 'taken'}")

    def bonded(self, key: int, shares: int, sender: str, *, consented: bool) -> None:
        who, error = key_address(key), ""
        digest = self.evm.ok(self.registry, "consent", who, sender if consented else TREASURY)
        signed = signature(key, digest)
        try:
            self.set.bonds.bond(who, shares, sender, consented=consented)
            self.set.purses[sender] -= shares
        except ModelRefused as e:
            error = str(e)
        self.told("bond", who, shares, signed[:32], signed[32:], sender=sender, error=error)

    @rule(
        key=st.integers(0, 8), shares=st.sampled_from([0, 7, 2**96 - 10**18]), sender=BONDERS, consented=st.booleans()
    )
    def bond(self, key: int, shares: int, sender: str, *, consented: bool) -> None:
        self.bonded(key, shares, sender, consented=consented)

    @rule(key=KEY, shares=st.sampled_from([0, 1, 10**18, 10**18 + 1]), sender=BONDERS)
    def ask_back(self, key: int, shares: int, sender: str) -> None:
        who, error = key_address(key), ""
        try:
            self.set.bonds.ask(who, shares, sender, self.evm.now)
        except ModelRefused as e:
            error = str(e)
        self.told("requestLeave", who, shares, sender=sender, error=error)

    @rule(after_s=st.sampled_from([0, 449, 450]), at=st.integers(0, 8), sender=BONDERS)
    def leave(self, after_s: int, at: int, sender: str) -> None:
        self.evm.jump(after_s)
        asked = [s for s, b in self.set.bonds.bonds.items() if b.leaving] or [key_address(0)]
        who, error = asked[at % len(asked)], ""
        try:
            self.set.purses[sender] += self.set.bonds.leave(who, sender, self.evm.now)
        except ModelRefused as e:
            error = str(e)
        self.told("leave", who, sender=sender, error=error)

    @rule(more=st.integers(-1, 2), keys=st.lists(KEY, max_size=2), sender=BONDERS)
    def snapshot(self, more: int, keys: list[int], sender: str) -> None:
        error, who, epoch = "", [key_address(k) for k in keys], max(0, self.set.bonds.last_epoch + more)
        try:
            weights = self.set.bonds.snapshot(epoch, who, sender)
        except ModelRefused as e:
            error = str(e)
        self.told("snapshot", epoch, who, sender=sender, error=error)
        if not error:
            assert [self.evm.ok(self.registry, "weightIn", epoch, w) for w in who] == weights

    @rule(
        key=KEY,
        epoch=st.integers(1, 2),
        at=st.integers(1, 2),
        kind=KIND,
        words=st.lists(
            st.tuples(st.integers(0, 1), st.integers(1, 2)), min_size=1, max_size=2, unique_by=lambda w: w[0]
        ),
    )
    def speak(self, key: int, epoch: int, at: int, kind: int, words: list[tuple[int, int]]) -> None:
        """A word of a round, of either kind. An honest key repeats what it has said of a token in that round."""
        body = b""
        for index, price in words:
            item = packed(index, (price, price))
            body += item if key in LIARS else self.said.setdefault((key, at, index), item)
        batch = batch_bytes(epoch, at, body)
        self.words.append((batch, signature(key, self.set.digest(batch, kind)), kind))

    @rule(
        at=st.tuples(st.integers(0, 99), st.integers(0, 99)),
        index=st.integers(0, 2),
        spoil=st.sampled_from([""] * 6 + ["item", "parity", "other's", "kind", "cut", "nothing"]),
    )
    def prove(self, at: tuple[int, int], index: int, spoil: str) -> None:
        if not self.words:
            return
        a, (batch, signed, kind) = (self.words[-1 - i % len(self.words)] for i in at)
        if spoil == "item":
            batch = batch[:-1] + bytes([batch[-1] ^ 1])
        elif spoil == "parity":
            signed = signed[:32] + bytes([signed[32] ^ 0x80]) + signed[33:]
        elif spoil == "other's":
            signed = a[1]
        elif spoil == "kind":
            kind = (kind + 1) % (STEPS + 1)
        elif spoil == "cut":
            batch = batch[: at[1] % len(batch)]
        elif spoil == "nothing":
            signed = bytes(64)
        self.proven(a, (batch, signed, kind), index)

    @rule(
        key=st.sampled_from(LIARS),
        epoch=st.integers(1, 2),
        at=st.integers(3, 4),
        kinds=st.tuples(KIND, KIND),
        swap=st.booleans(),
        back=st.booleans(),
    )
    def lie(self, key: int, epoch: int, at: int, kinds: tuple[int, int], *, swap: bool, back: bool) -> None:
        """Two words of a liar, and the proof of it."""
        batches = [batch_bytes(1, at, packed(0, (5, 5))), batch_bytes(epoch, at, packed(1, (5, 0)) + packed(0, (5, 6)))]
        words = zip(batches[::-1] if swap else batches, kinds, strict=True)
        pair = [(b, signature(key, self.set.digest(b, k)), k) for b, k in words]
        self.proven(pair[0], pair[1], 0)
        if back:
            self.settled(next(reversed(self.set.bonds.penalties), bytes(32)), GUARDIAN, back=True)

    def proven(self, a: tuple[bytes, bytes, int], b: tuple[bytes, bytes, int], index: int) -> None:
        (one, first), (two, second) = self.set.word(*a), self.set.word(*b)
        error, evidence = "", b""
        try:
            evidence = self.set.bonds.prove(one, two, index, self.evm.now)
        except ModelRefused as e:
            error = str(e)
        self.told("prove", first, second, index, sender=STRANGER, error=error)
        if evidence:
            assert self.evm.ok(self.registry, "penalties", evidence)[3] == Outcome.LOCKED

    @rule(
        after_s=st.sampled_from([0, 49, 50]),
        at=st.integers(0, 2),
        back=st.booleans(),
        sender=st.sampled_from([GUARDIAN, GUARDIAN, STRANGER]),
    )
    def settle(self, after_s: int, at: int, sender: str, *, back: bool) -> None:
        self.evm.jump(after_s)
        known = [*self.set.bonds.penalties, bytes(32)]
        self.settled(known[at % len(known)], sender, back=back)

    def settled(self, evidence: bytes, sender: str, *, back: bool) -> None:
        error = ""
        try:
            paid = self.set.bonds.settle(evidence, sender, self.evm.now, back=back)
            to = self.set.bonds.bonds[self.set.bonds.penalties[evidence].signer].owner if back else TREASURY
            self.set.purses[to] += paid
        except ModelRefused as e:
            error = str(e)
        self.told("giveBack" if back else "release", evidence, sender=sender, error=error)
