"""A PriceStore on an EVM in this process whose owner changes its signers as he likes, and what its sets were at every block."""

from __future__ import annotations

import random
from collections import Counter

import contracts
from oracle.chain.signer_sets import NEVER_S, NEXT_SET, PREVIOUS_SET, SET
from oracle.network.membership import SetChange
from oracle.sign.eip712 import Domain, address_of, batch_bytes, batch_digest
from oracle.sign.messages import SignerSet
from oracle.sign.stored_sets import SetState, StoredSet, decode_members
from tests.contracts.evm_process import GUARDIAN, KEYS, OWNER, STRANGER, Evm, signature
from tests.contracts.whole_set import packed

DELAY_S, OVERLAP_S, MAX_AGE_S = 100, 60, 60
KEY_OF = {address_of(k): i for i, k in enumerate(KEYS)}
WAD = 10**18


class OwnedStore:
    """A store of one feed. Blocks come as ``block`` makes them."""

    def __init__(self, rng: random.Random, *, delay_s: int = DELAY_S, longest_s: int = 0) -> None:
        self.rng, self.evm = rng, Evm()
        self.counts: Counter[str] = Counter()
        signers, weights, threshold = self.drawn()
        roles = (OWNER, GUARDIAN, MAX_AGE_S, delay_s, OVERLAP_S, longest_s)
        self.store = self.evm.create(
            contracts.load("PriceStore"), roles, [(1, 9_999, 1)], signers, weights, threshold, threshold
        )
        self.domain = Domain(chain_id=1, store=bytes.fromhex(self.store[2:]))
        self.evm.ok(self.store, "register", b"T0/ETH".ljust(32, b"\0"), True, True, 0)
        self.changes: list[SetChange] = []
        self.note()

    @property
    def now(self) -> int:
        return self.evm.now

    def drawn(self) -> tuple[list[str], list[int], int]:
        """Signers, weights and a threshold of more than two thirds."""
        keys = self.rng.sample(range(len(KEYS)), self.rng.randrange(4, 8))
        weights = [self.rng.randrange(1, 6) for _ in keys]
        return ["0x" + address_of(KEYS[k]).hex() for k in keys], weights, sum(weights) * 2 // 3 + 1

    def note(self) -> None:
        """What the block that ends here leaves behind."""
        state = self.state()
        if not self.changes or self.changes[-1].state != state:
            self.changes.append(SetChange(self.now, state))

    def state(self) -> SetState:
        """As this test reads it: by pyrevm, not through a node."""
        present, before, coming = (self.evm.evm.storage(self.store, p) for p in (SET, PREVIOUS_SET, NEXT_SET))
        ends_s = present >> 217
        first = self._set(present)
        assert first is not None
        known = None if ends_s == NEVER_S else ends_s
        return SetState(present=first, before=self._set(before), coming=self._set(coming), ends_s=known)

    def _set(self, word: int) -> StoredSet | None:
        if not word:
            return None
        account = self.evm.evm.basic("0x" + (word & (1 << 160) - 1).to_bytes(20, "big").hex())
        assert account.code is not None
        size = 1 + 32 * (1 + (word >> 208 & 0xFF))
        return decode_members(self.domain, word >> 160 & (1 << 48) - 1, bytes(account.code)[:size])

    # --- the owner -----------------------------------------------------------------------------------------------

    def act(self) -> None:
        """Something that the owner may do, but take back an armed set in its last half minute."""
        state, emergency = self.state(), ["emergency"] * (self.rng.random() < 0.2)
        waits = state.coming is not None and self.now < state.coming.from_s
        what = self.rng.choice(["arm", "arm", "remove_next", "remove", *emergency] if waits else ["name", "remove"])
        near = state.ends_s is not None and self.now < state.ends_s <= self.now + 30
        if what in {"name", "emergency"}:
            if near:
                return
            function = "setSigners" if what == "name" else "setSignersInEmergency"
            signers, weights, threshold = self.drawn()
            error = self.evm.call(self.store, function, signers, weights, threshold, threshold)[0]
        elif what == "arm":
            error = self._arm(state)
        else:
            error = self._remove(state, coming=what == "remove_next")
        self.counts[f"{what} {error or 'taken'}"] += 1

    def _arm(self, state: SetState) -> str:
        error, digest = self.evm.call(self.store, "armDigest")
        if error or state.coming is None:
            return str(error)
        signed = self.signatures(state.coming.signers, digest)
        return str(self.evm.call(self.store, "arm", signed, sender=STRANGER)[0])

    def _remove(self, state: SetState, *, coming: bool) -> str:
        one = state.coming if coming else state.present
        if one is None:
            return "nobody"
        index = self.rng.randrange(len(one.signers.signers))
        return str(self.evm.call(self.store, "removeSigners", one.signers.epoch, [index])[0])

    # --- operators -----------------------------------------------------------------------------------------------

    @staticmethod
    def signatures(signers: SignerSet, digest: bytes) -> bytes:
        """Of all members with weight."""
        return b"".join(
            bytes([i]) + signature(KEY_OF[a], digest)
            for i, (a, w) in enumerate(zip(signers.signers, signers.weights, strict=True))
            if w
        )

    def push(self, signers: SignerSet, round_s: int) -> str:
        """A batch of a round, signed by all of a set; the store's error."""
        items = packed(0, (WAD, WAD))
        digest = batch_digest(self.domain, signers.epoch, round_s, items)
        batch = batch_bytes(signers.epoch, round_s, items)
        error = self.evm.call(self.store, "push", batch, self.signatures(signers, digest), sender=STRANGER)[0]
        return str(error)
