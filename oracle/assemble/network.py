"""The operators of a process as members of its rounds, what they must have in common with others, and how they agree."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from oracle.agree.leaders import NO_RANDOMNESS, leader_order
from oracle.agree.outcome import RoundOutcome
from oracle.agree.terms import PROTOCOL_VERSION, CommonRules, timing_of
from oracle.config.resolve import ResolvedConfig
from oracle.model.canonical_json import digest
from oracle.model.spec import RULES_VERSION, FeedSpec
from oracle.network.agreements import Agreements
from oracle.network.sealed_rounds import SealedRounds
from oracle.network.seats import LocalMember
from oracle.network.times import AgreementClock
from oracle.round.seat import HomeStore
from oracle.runtime.clock import Clock
from oracle.sign.messages import SignerSet
from oracle.sign.operator import Operator

MakeMember = Callable[[Operator], LocalMember]


def make_member(operator: Operator) -> LocalMember:
    """The member of production; a demo may put a dishonest one in its place."""
    return LocalMember(operator=operator)


def home_store(resolved: ResolvedConfig) -> HomeStore | None:
    """The store whose operators seal what is published: the first target. None without targets or operators."""
    config = resolved.config
    if not config.targets or not config.operators:
        return None
    return HomeStore(target=next(iter(config.targets)), feeds=frozenset(resolved.pushed))


def common_rules(resolved: ResolvedConfig) -> CommonRules:
    """What all who agree must have in common: rules, interval and feeds, each without its sources."""
    feeds = tuple(_common(resolved.specs[f]) for f in sorted(resolved.pushed))
    interval_s = resolved.config.oracle.round_interval_s
    return CommonRules(
        version=PROTOCOL_VERSION, digest=bytes.fromhex(digest((str(RULES_VERSION), str(interval_s), feeds)))
    )


def _common(spec: FeedSpec) -> FeedSpec:
    """A feed without what is each operator's own: its sources, and when it pushes."""
    return replace(spec, sources=(), heartbeat_s=0, push_bps=0)


def agreements_of(
    resolved: ResolvedConfig,
    clock: Clock,
    members: Sequence[LocalMember],
    on_outcome: Callable[[RoundOutcome], None],
) -> Agreements:
    """Agreement among the operators of this process; with shared journals after the process that they are shared with."""
    timing = timing_of(resolved.config.oracle.round_interval_s)
    is_backup = any(o.shared_journal for o in resolved.config.operators)
    return Agreements(
        members,
        clock=AgreementClock(now_ms=clock.now_ms, clock_ok=clock.may_sign),
        rules=common_rules(resolved),
        timing=timing,
        yields_ms=timing.first_ms if is_backup else 0,
        order=_order,
        sealed=SealedRounds(),
        on_outcome=on_outcome,
    )


def _order(signers: SignerSet, round_time_s: int) -> tuple[bytes, ...]:
    return leader_order(signers, NO_RANDOMNESS, round_time_s)
