"""Members of an instance in one place: real keys, real signatures, a network that does what a test says."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import coincurve

from oracle.agree.instance import begin, hear, hear_values, next_tick_ms, tick
from oracle.agree.messages import (
    Advance,
    Advancing,
    Commit,
    Heard,
    Propose,
    Ready,
    advance_digest,
    propose_digest,
    ready_digest,
)
from oracle.agree.state import (
    Ask,
    Decided,
    Effect,
    FaultEvidence,
    Found,
    Give,
    Instance,
    OwnView,
    Say,
    SignCommit,
    Turn,
)
from oracle.agree.terms import CommonRules, Terms, Timing
from oracle.agree.verify import hear_values_of, verify
from oracle.model.types import Report
from oracle.report.wire import encode_items
from oracle.sign.eip712 import Domain, address_of, observed_digest, sealed_digest, sign_compact
from oracle.sign.messages import SignedValues, SignerSet
from oracle.sign.verified_values import VerifiedValues
from tests.oracle.report.reports import report

ROUND_S = 1_700_000_000
INDEXES = {"wdivETH/ETH": 0, "weETH/ETH": 1, "ETH/USD": 2}
DOMAIN = Domain(chain_id=31337, store=bytes(range(20)))


def report_key(n: int) -> coincurve.PrivateKey:
    return coincurve.PrivateKey(bytes([n + 1]) * 32)


def network_key(n: int) -> coincurve.PrivateKey:
    return coincurve.PrivateKey(bytes([n + 101]) * 32)


def terms_of(weights: Sequence[int] = (1, 1, 1, 1), threshold: int = 3, timing: Timing | None = None) -> Terms:
    """Members lead in the order of their listing."""
    addresses = tuple(address_of(report_key(n)) for n in range(len(weights)))
    signers = SignerSet(domain=DOMAIN, epoch=1, signers=addresses, weights=tuple(weights), threshold=threshold)
    return Terms(
        target="home",
        signers=signers,
        round_time_s=ROUND_S,
        indexes=INDEXES,
        rules=CommonRules(),
        order=addresses,
        timing=timing or Timing(),
    )


def view_of(*prices: str) -> dict[int, Report]:
    """The prices of feeds 0, 1, ...; "" for none."""
    return {i: replace(report(p, "1.06"), round_time_s=ROUND_S) for i, p in enumerate(prices) if p}


def own_values(terms: Terms, n: int, view: Mapping[int, Report]) -> VerifiedValues:
    items = encode_items(view)
    digest = observed_digest(DOMAIN, 1, ROUND_S, items, terms=terms.binding)
    key = report_key(n)
    signed = SignedValues(
        operator=f"op{n}", address=address_of(key), round_time_s=ROUND_S, items=items, signature=sign_compact(key, digest),
        terms=terms.binding,
    )  # fmt: skip
    return hear_values_of(terms, signed)


def signed_word(terms: Terms, n: int, said: Propose | Ready | Advance) -> Propose | Ready | Advance:
    """With the member's network signature."""
    digests: dict[type, Callable[..., bytes]] = {Propose: propose_digest, Ready: ready_digest, Advance: advance_digest}
    digest = digests[type(said)](terms.binding, ROUND_S, said)
    fields = {f: getattr(said, f) for f in said.__struct_fields__}
    return type(said)(**{**fields, "signature": sign_compact(network_key(n), digest)})


def signed_commit(terms: Terms, n: int, effect: SignCommit) -> Commit:
    key, certificate = report_key(n), effect.certificate
    seal = sealed_digest(DOMAIN, terms.signers.epoch, ROUND_S, certificate.step, certificate.content.items)
    return Commit(address_of(key), certificate, sign_compact(key, seal))


@dataclass
class Members:
    """Honest members; what one says reaches those whom ``reaches`` lets it reach, in order, at once."""

    terms: Terms
    views: Sequence[Mapping[int, Report]]
    reaches: Callable[[int, int, object], bool] = lambda _from, _to, _said: True
    now_ms: int = 0
    states: list[Instance] = field(default_factory=list)
    evidence: list[tuple[int, FaultEvidence]] = field(default_factory=list)
    said: list[tuple[int, object]] = field(default_factory=list)
    _mail: deque[tuple[int, int, object]] = field(default_factory=deque)

    def __post_init__(self) -> None:
        self.keys = {address_of(report_key(n)): (address_of(network_key(n)),) for n in range(len(self.views))}
        self.states = [
            begin(self.terms, address_of(report_key(n)), OwnView(reports=v)) for n, v in enumerate(self.views)
        ]

    def start(self, *speaking: int) -> None:
        """Those members send their values; all of them by default."""
        for n in speaking or range(len(self.views)):
            self.tell(n, own_values(self.terms, n, self.views[n]))
        self.settle()

    def tell(self, n: int, said: object) -> None:
        """Member ``n`` says something to all, itself included."""
        self.said.append((n, said))
        self._mail.extend((n, to, said) for to in range(len(self.views)))

    def settle(self) -> None:
        """Deliver until nothing is under way."""
        while self._mail:
            sender, to, said = self._mail.popleft()
            if sender == to or self.reaches(sender, to, said):
                self.deliver(to, said)

    def deliver(self, to: int, said: object) -> None:
        state = self.states[to]
        if isinstance(said, VerifiedValues):
            self._take(to, hear_values(state, said, self.now_ms))
        else:
            heard: Heard = verify(self.terms, self.keys, said)  # type: ignore[arg-type]
            self._take(to, hear(state, heard, self.now_ms))

    def pass_time(self, until_ms: int, *silent: int) -> None:
        """Let the clock go on, step by step; ``silent`` ones are dead."""
        while self.now_ms < until_ms:
            moments = [next_tick_ms(s) for n, s in enumerate(self.states) if n not in silent]
            self.now_ms = min([until_ms, *(m for m in moments if m is not None)])
            for n, state in enumerate(self.states):
                if n not in silent:
                    self._take(n, tick(state, self.now_ms))
            self.settle()

    def _take(self, n: int, turn: Turn) -> None:
        self.states[n], effects = turn
        for effect in effects:
            self._carry_out(n, effect)

    def _carry_out(self, n: int, effect: Effect) -> None:
        numbers = {address_of(report_key(i)): i for i in range(len(self.views))}
        match effect:
            case Say(said, named):
                word = signed_word(self.terms, n, said)
                self.tell(n, Advancing(word, named) if isinstance(word, Advance) else word)
            case SignCommit():
                self.tell(n, signed_commit(self.terms, n, effect))
            case Give(to, values):
                self._mail.append((n, numbers[to], values))
            case Ask(to, hashes):
                known = self.states[numbers[to]].values_by_hash()
                self._mail.extend((numbers[to], n, known[h]) for h in hashes if h in known)
            case Found(evidence):
                self.evidence.append((n, evidence))
            case Decided():
                pass
