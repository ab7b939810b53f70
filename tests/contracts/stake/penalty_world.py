"""Penalties over stand-ins of set, key book and sources, on the EVM of this process: operators, their keys, lies and proofs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from eth_abi import decode
from eth_utils.crypto import keccak

import contracts
from oracle.sign.eip712 import Domain, address_of, batch_bytes
from tests.contracts.contract_tools import WAD, Compiled, Item, compiled
from tests.contracts.evm_process import KEYS, OWNER, STRANGER, Evm, signature, word_digest, word_evidence

ARBITER = "0x" + "e" * 40
STORE = "0x" + "51" * 20
DAY = 86_400
EPOCH_S, ANSWER_S, DISPUTE_S, EXECUTION_S, JAIL_S = DAY, 5 * DAY, 3 * DAY, DAY, 30 * DAY
KEEPS_S = 2 * DAY
REACH_S = KEEPS_S + ANSWER_S + DISPUTE_S + EXECUTION_S
LEAST, FINDER_BPS = WAD // 100, 500
NONE, DISPUTED, TAKEN, RETURNED = range(4)
FOREVER = 2**48 - 1
BATCH, SEALED = 0, 1
"""Kinds of a word as `word_digest` has them: a batch, the certificate of step 0."""

Word = tuple[int, int, bytes, bytes, bytes]
Case = tuple[str, int, int, int, int, int, int, int, str]


def standin(name: str) -> Compiled:
    return compiled("tests/contracts/solidity/PenaltyStandIns.sol")[name]


def operator(number: int) -> str:
    return f"0x{0x0B0000 + number:040x}"


def key(number: int) -> str:
    return "0x" + address_of(KEYS[number]).hex()


@dataclass(frozen=True)
class Lie:
    """Two words of one operator, by keys of these numbers, for these epochs, as these kinds."""

    keys: tuple[int, int]
    epochs: tuple[int, int] = (1, 1)
    kinds: tuple[int, int] = (BATCH, BATCH)
    round_s: int = 1_000
    markets: tuple[int, int] = (WAD, WAD + 1)


class PenaltyWorld:
    """A set of operators of which number n signs with key n, with `stake` in every source."""

    def __init__(
        self,
        weights: tuple[int, ...] = (1, 1, 1, 1),
        *,
        sources: int = 1,
        hostile: bool = False,
        stake: int = 32 * WAD,
        evm: Evm | None = None,
    ) -> None:
        self.evm = evm or Evm()
        self.weights = weights
        self.domains = [Domain(chain_id=1, store=bytes.fromhex(STORE[2:])), Domain(chain_id=10, store=b"\x52" * 20)]
        self.set = self.evm.create(standin("SetStandIn"), ANSWER_S)
        self.book = self.evm.create(standin("BookStandIn"))
        self.evm.ok(self.set, "connect", OWNER, STORE)
        kind = standin("HostileSource" if hostile else "SourceStandIn")
        self.sources = [self.evm.create(kind, REACH_S) for _ in range(sources)]
        self.penalties = self.evm.create(contracts.load("Penalties"), *self.arguments())
        self.evm.ok(self.set, "connect", self.penalties, STORE)
        for number in range(len(weights)):
            self.evm.ok(self.book, "set", operator(number), key(number))
        for source in self.sources:
            self.evm.ok(source, "connect", self.penalties, self.set)
            for number in range(len(weights)):
                self.bond(source, number, stake)
        self.freeze(1)

    def arguments(self, **changes: Any) -> tuple[Any, ...]:
        """Of the constructor."""
        settings = {
            "dispute": DISPUTE_S,
            "execution": EXECUTION_S,
            "least": LEAST,
            "jail": JAIL_S,
            "finder": FINDER_BPS,
        }
        own = {k: v for k, v in changes.items() if k in settings}
        domains = [(d.chain_id, "0x" + d.store.hex()) for d in self.domains]
        terms = {"sources": self.sources, "book": self.book, "domains": domains} | changes
        told = tuple((settings | own).values())
        return self.set, terms["book"], terms["sources"], ARBITER, told, terms["domains"]

    # --- the world -----------------------------------------------------------------------------------------------

    def bond(self, source: str, number: int, value: int) -> None:
        if value:
            data = keccak(text="bond(address)")[:4] + bytes.fromhex(operator(number)[2:]).rjust(32, b"\0")
            self.evm.pay(OWNER, source, data, value)

    def freeze(self, epoch: int, *, weights: dict[int, int] | None = None, keys: dict[int, int] | None = None) -> None:
        """Freeze a set now: weights by operator, and the keys of those that do not sign with their own number's."""
        told = weights if weights is not None else dict(enumerate(self.weights))
        total = sum(told.values())
        frozen = (self.evm.now, self.evm.now + ANSWER_S, total * 2 // 3 + 1, total)
        with_keys = [key((keys or {}).get(n, n)) for n in told]
        self.evm.ok(self.set, "freeze", epoch, frozen, with_keys, [operator(n) for n in told], list(told.values()))

    def stake(self, number: int, source: int = 0) -> int:
        return int(self.evm.ok(self.sources[source], "stakes", operator(number)))

    def balance(self, who: str) -> int:
        return int(self.evm.evm.get_balance(who))

    def jailed_until(self, number: int) -> int:
        return int(self.evm.ok(self.set, "jailedUntil", operator(number)))

    def is_removed(self, number: int) -> bool:
        return bool(self.evm.ok(self.set, "removed", operator(number)))

    # --- words ---------------------------------------------------------------------------------------------------

    def word(
        self, by: int, *, epoch: int = 1, kind: int = BATCH, round_s: int = 1_000, market: int = WAD, domain: int = 0
    ) -> Word:
        batch = batch_bytes(epoch, round_s, Item(0, market=market).packed())
        return word_evidence(kind, batch, signature(by, word_digest(self.domains[domain], kind, batch)))

    def words(self, lie: Lie, *, domain: int = 0) -> tuple[Word, Word]:
        told = zip(lie.keys, lie.epochs, lie.kinds, lie.markets, strict=True)
        a, b = (
            self.word(by, epoch=e, kind=kind, round_s=lie.round_s, market=market, domain=domain)
            for by, e, kind, market in told
        )
        return a, b

    # --- calls ---------------------------------------------------------------------------------------------------

    def call(self, name: str, *args: Any, sender: str = STRANGER) -> tuple[str, Any]:
        return self.evm.call(self.penalties, name, *args, sender=sender)

    def ok(self, name: str, *args: Any, sender: str = STRANGER) -> Any:
        return self.evm.ok(self.penalties, name, *args, sender=sender)

    def refused(self, name: str, *args: Any, sender: str = STRANGER) -> str:
        return self.call(name, *args, sender=sender)[0]

    def prove(self, lie: Lie, *, sender: str = STRANGER) -> bytes:
        """Prove a lie; the case."""
        case_id = self.ok("prove", *self.words(lie), 0, sender=sender)[1]
        assert isinstance(case_id, bytes)
        return case_id

    def lied(self, number: int, **changes: Any) -> bytes:
        """Prove that an operator lied with its own key."""
        return self.prove(Lie(keys=(number, number), **changes))

    def case(self, case_id: bytes) -> Case:
        told: Case = self.ok("caseOf", case_id)
        return told

    def outcome(self, case_id: bytes) -> int:
        return self.case(case_id)[7]

    def fraction(self, case_id: bytes) -> int:
        return self.case(case_id)[4]

    def record(self, epoch: int, number: int) -> tuple[int, int, int]:
        """Weight that counts, when its case was given back, how many cases."""
        told: tuple[int, int, int] = self.ok("records", epoch, operator(number))
        return told

    def give_back(self, case_id: bytes) -> None:
        self.ok("giveBack", case_id, sender=ARBITER)

    def end_dispute(self, case_id: bytes) -> None:
        self.evm.jump(max(0, self.case(case_id)[2] - self.evm.now))

    def carry_out(self, case_id: bytes) -> None:
        self.end_dispute(case_id)
        self.ok("carryOut", case_id)

    def events(self, name: str) -> list[tuple[list[bytes], tuple[Any, ...]]]:
        """Events of this name in the last call: topics after the first, and data."""
        kinds = {e["name"]: e for e in contracts.load("Penalties").abi if e["type"] == "event"}
        inputs = kinds[name]["inputs"]
        topic = keccak(text=f"{name}({','.join(i['type'] for i in inputs)})")
        plain = [i["type"] for i in inputs if not i["indexed"]]
        out = []
        for log in self.evm.evm.result.logs:
            topics = [bytes.fromhex(str(t).removeprefix("0x")) for t in log.topics]
            if topics and topics[0] == topic:
                data = log.data[1] if isinstance(log.data, tuple) else log.data
                out.append((topics[1:], tuple(decode(plain, bytes(data)))))
        return out
