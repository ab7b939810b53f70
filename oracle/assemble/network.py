"""The operators of a process as members of its rounds, what they must have in common with others, and how they agree."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

from oracle.agree.leaders import NO_RANDOMNESS, leader_order
from oracle.agree.outcome import RoundOutcome
from oracle.agree.terms import PROTOCOL_VERSION, CommonRules, timing_of
from oracle.config.resolve import ResolvedConfig
from oracle.config.sections import Config
from oracle.config.tables.forms import raw_address
from oracle.config.tables.network_sections import NetworkSection, PeerSection
from oracle.model.canonical_json import digest
from oracle.model.spec import RULES_VERSION, FeedSpec
from oracle.network.agreements import Agreements
from oracle.network.mesh.certificates import ServerTls, from_files, self_signed
from oracle.network.mesh.network_key import load_or_make
from oracle.network.mesh.roster import Peer
from oracle.network.operator_network import NetworkPlace, OperatorNetwork
from oracle.network.sealed_rounds import SealedRounds
from oracle.network.seats import LocalMember
from oracle.network.times import AgreementClock
from oracle.round.seat import HomeStore
from oracle.runtime.clock import Clock
from oracle.sign.eip712 import Domain
from oracle.sign.messages import SignerSet
from oracle.sign.operator import Operator
from oracle.storage.database import Database

MakeMember = Callable[[Operator], LocalMember]


def make_member(operator: Operator) -> LocalMember:
    """The member of production; a demo may put a dishonest one in its place."""
    return LocalMember(operator=operator)


def home_store(resolved: ResolvedConfig) -> HomeStore | None:
    """The store whose operators seal what is published: ``network.home``, else the first target.

    None without targets or operators.
    """
    name = home_target(resolved.config)
    if name is None or not resolved.config.operators:
        return None
    networked = resolved.config.network is not None
    return HomeStore(target=name, feeds=frozenset(resolved.pushed), networked=networked)


def home_target(config: Config) -> str | None:
    """Name of the home store, whether anybody signs here or not; None without targets."""
    named = config.network.home if config.network is not None else None
    return named or next(iter(config.targets), None)


def common_rules(resolved: ResolvedConfig) -> CommonRules:
    """What all who agree must have in common: rules, interval and feeds, each without its sources. The rules may be another version's."""
    rules = resolved.config.oracle.rules or RULES_VERSION
    feeds = tuple(_common(resolved.specs[f]) for f in sorted(resolved.pushed))
    interval_s = resolved.config.oracle.round_interval_s
    return CommonRules(version=PROTOCOL_VERSION, digest=bytes.fromhex(digest((str(rules), str(interval_s), feeds))))


def _common(spec: FeedSpec) -> FeedSpec:
    """A feed without what is each operator's own: its sources, and when it pushes."""
    return replace(spec, sources=(), heartbeat_s=0, push_bps=0)


def agreements_of(
    resolved: ResolvedConfig,
    clock: Clock,
    members: Sequence[LocalMember],
    on_outcome: Callable[[RoundOutcome], None],
    network: OperatorNetwork | None = None,
) -> Agreements:
    """Agreement among the operators of this process, and with those that a network reaches.

    With shared journals after the process that they are shared with.
    """
    timing = timing_of(resolved.config.oracle.round_interval_s)
    is_backup = any(o.shared_journal for o in resolved.config.operators)
    agreements = Agreements(
        members,
        clock=AgreementClock(now_ms=clock.now_ms, clock_ok=clock.may_sign),
        rules=common_rules(resolved),
        timing=timing,
        yields_ms=timing.first_ms if is_backup else 0,
        order=_order,
        sealed=SealedRounds(),
        on_outcome=on_outcome,
        transport=network,
        names={a: p.name for a, p in network.place.peers.items()} if network is not None else {},
    )
    if network is not None:
        network.receive, network.say_again = agreements.inbox.receive, agreements.inbox.say_again
        agreements.inbox.on_refused = network.note_refused
        network.on_clone = agreements.mute_all
    return agreements


def operator_network(
    resolved: ResolvedConfig, clock: Clock, database: Database, operators: Sequence[Operator]
) -> OperatorNetwork | None:
    """This process as one operator among others; None without [network], or where its operator has no key here.

    Raises:
        NetworkKeyError: the network key cannot be read or made.
        BadCertificate: the certificate cannot be used.
    """
    config, section = resolved.config, resolved.config.network
    home = home_target(config)
    if section is None or home is None or not operators:
        return None
    target = config.targets[home]
    host, port = section.listen.rsplit(":", 1) if section.listen is not None else ("", "0")
    place = NetworkPlace(
        domain=Domain(chain_id=config.chains[target.chain].chain_id, store=raw_address(target.store)),
        urls=(section.url,) if section.url is not None else (),
        host=host.strip("[]"),
        port=int(port),
        tls=_tls(section),
        peers=configured_peers(section),
        interval_s=config.oracle.round_interval_s,
        versions=(PROTOCOL_VERSION,),
        build=version("lrt-oracle"),
    )
    return OperatorNetwork(place, operators[0], load_or_make(Path(section.keyfile)), database, now_ms=clock.now_ms)


def configured_peers(section: NetworkSection) -> dict[bytes, Peer]:
    """Other operators as the config names them, by report address."""
    return {raw_address(p.address): _peer(name, p) for name, p in section.peers.items()}


def _tls(section: NetworkSection) -> ServerTls | None:
    if not section.has_tls or section.listen is None:
        return None
    if section.certificate is not None and section.private_key is not None:
        return from_files(Path(section.certificate), Path(section.private_key))
    return self_signed()


def _peer(name: str, section: PeerSection) -> Peer:
    return Peer(
        address=raw_address(section.address),
        name=name,
        urls=(section.url,) if section.url is not None else (),
        certificate=bytes.fromhex(section.certificate.removeprefix("0x")) if section.certificate is not None else b"",
    )


def _order(signers: SignerSet, round_time_s: int) -> tuple[bytes, ...]:
    return leader_order(signers, NO_RANDOMNESS, round_time_s)
