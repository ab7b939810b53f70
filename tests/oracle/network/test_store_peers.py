"""What operators tell each other beside the rounds of a store reaches every target there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from oracle.agree.wire import PushingWord
from oracle.network.store_peers import StorePeers
from oracle.sign.eip712 import Domain
from tests.oracle.network.agreement_world import agreements_here
from tests.oracle.sign.sign_world import DOMAIN, NOW_MS, ROUND_S, SIGNERS

SENDER = SIGNERS.signers[1]
WORD = PushingWord(((0, ROUND_S - 10),), False, bytes(32))


@dataclass
class Told:
    """Keeps what goes to all."""

    payloads: list[bytes] = field(default_factory=list)

    def payers(self, _domain: Domain) -> Mapping[bytes, bytes]:
        return {}

    def broadcast(self, payload: bytes) -> None:
        self.payloads.append(payload)


def test_two_targets_at_one_store_both_hear_and_one_at_another_store_does_not() -> None:
    told, agreements = Told(), agreements_here([], now_ms=lambda: NOW_MS)
    at_store = [StorePeers(domain=DOMAIN, agreements=agreements, network=told) for _ in range(2)]
    elsewhere = StorePeers(domain=replace(DOMAIN, chain_id=10), agreements=agreements, network=told)
    heard: list[tuple[str, bytes, int, object]] = []
    for name, peers in zip(("first", "second", "elsewhere"), (*at_store, elsewhere), strict=True):
        peers.listen(lambda sender, round_s, word, name=name: heard.append((name, sender, round_s, word)))  # type: ignore[misc]
    at_store[0].tell(ROUND_S, WORD)
    (payload,) = told.payloads
    assert agreements.inbox.receive(SENDER, payload) == ""
    assert heard == [(name, SENDER, ROUND_S, WORD) for name in ("first", "second")]


def test_a_store_that_nobody_here_is_at_is_said_so() -> None:
    told, agreements = Told(), agreements_here([], now_ms=lambda: NOW_MS)
    StorePeers(domain=DOMAIN, agreements=agreements, network=told).tell(ROUND_S, WORD)
    assert agreements.inbox.receive(SENDER, told.payloads[0]) == "of a store that is none of this process"
