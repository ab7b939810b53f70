"""Rules of the state machine about what operators sign: words, lies, proofs before penalties."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import invariant, rule

from oracle.sign.eip712 import BadSignature, batch_bytes, recover
from tests.contracts.courts import judge
from tests.contracts.evm_process import STEPS, STRANGER, signature, word_evidence
from tests.contracts.rules_roles import RoleRules
from tests.contracts.set_models import EvidenceModel, Word
from tests.contracts.stake.penalty_world import operator
from tests.contracts.store_words import ModelRefused
from tests.contracts.whole_set import key_address, packed

LIARS, HONEST = (7, 8), (0, 1, 2)
KEY = st.sampled_from([*HONEST * 2, *LIARS * 2, 3])
"""The last one speaks for nobody."""
KIND = st.integers(0, STEPS)
"""Of a word: a batch, or the certificate of a round in some step."""


class WordRules(RoleRules):
    """Some keys never say two things; two do."""

    def __init__(self) -> None:
        super().__init__()
        self.words: list[tuple[bytes, bytes, int]] = []
        self.said: dict[tuple[int, int, int], bytes] = {}
        people = (*HONEST, *LIARS)
        self.judge = judge(self.evm, self.set.domain, {n: key_address(n) for n in people})
        self.evidence = EvidenceModel({key_address(n): operator(n) for n in people})

    @invariant()
    def who_loses_is_who_was_proven_and_never_honest(self) -> None:
        proven = {n for n in LIARS if operator(n) in self.evidence.proven.values()}
        assert set(self.judge.guilty()) == proven
        assert set(self.evidence.proven.values()) <= {operator(n) for n in LIARS}

    def word(self, batch: bytes, signed: bytes, kind: int) -> tuple[Word, tuple[int, int, bytes, bytes, bytes]]:
        """A word as the model and as `prove` take it, whoever signed it."""
        digest = self.set.digest(batch, kind) if len(batch) >= 10 else bytes(32)
        try:
            signer: str | None = "0x" + recover(digest, signed).hex()
        except BadSignature:
            signer = None
        return Word(signer, digest, batch), word_evidence(kind, batch, signed)

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
    )
    def lie(self, key: int, epoch: int, at: int, kinds: tuple[int, int], *, swap: bool) -> None:
        """Two words of a liar, and the proof of it."""
        batches = [batch_bytes(1, at, packed(0, (5, 5))), batch_bytes(epoch, at, packed(1, (5, 0)) + packed(0, (5, 6)))]
        words = zip(batches[::-1] if swap else batches, kinds, strict=True)
        pair = [(b, signature(key, self.set.digest(b, k)), k) for b, k in words]
        self.proven(pair[0], pair[1], 0)

    def proven(self, a: tuple[bytes, bytes, int], b: tuple[bytes, bytes, int], index: int) -> None:
        (one, first), (two, second) = self.word(*a), self.word(*b)
        error, evidence = "", b""
        try:
            evidence = self.evidence.prove(one, two, index)
        except ModelRefused as e:
            error = str(e)
        self.set.refused(self.judge.penalties, "prove", first, second, index, sender=STRANGER, expected=error)
        self.note(f"prove {error or 'taken'}")
        if evidence:
            assert self.evm.ok(self.judge.penalties, "isProven", evidence)
