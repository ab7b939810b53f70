"""What hands sealed rounds of this process on to others than readers of its endpoint."""

from __future__ import annotations

from oracle.config.resolve import ResolvedConfig
from oracle.config.tables.forms import raw_address
from oracle.config.tables.node_sections import NatsSection
from oracle.config.tables.schema import ConfigError, Problem
from oracle.nats.link import can_sign, is_installed, nats_access
from oracle.nats.publisher import RoundPublisher, StreamPlan
from oracle.serve.history import HistoryReaders
from oracle.serve.metrics import Metrics
from oracle.serve.service import PriceService
from oracle.sign.eip712 import Domain
from oracle.storage.database import Database


def round_publisher(resolved: ResolvedConfig, database: Database, readers: HistoryReaders) -> RoundPublisher | None:
    """To NATS, as [nats] says; None where it names no server.

    Raises:
        ConfigError: its library is not installed.
    """
    config = resolved.config
    if not config.nats.servers:
        return None
    check_nats_installed(config.nats)
    domains: dict[str, Domain] = {}
    for name, target in config.targets.items():
        domain = Domain(chain_id=config.chains[target.chain].chain_id, store=raw_address(target.store))
        if domain not in domains.values():
            domains[name] = domain
    nats = config.nats
    plan = StreamPlan(name=nats.stream, hours=nats.max_age_hours, megabytes=nats.max_megabytes, per_feed=nats.per_feed)
    return RoundPublisher(nats_access(nats), plan, domains, tuple(resolved.specs), read=readers.read, cursors=database)


def show_publisher(publisher: RoundPublisher | None, metrics: Metrics, service: PriceService) -> None:
    """What is wrong with it is a warning of this process, and all of it is there for Prometheus."""
    if publisher is None:
        return
    metrics.outbox.publisher, found = publisher, service.found
    service.found = lambda: (*found(), *publisher.warnings())


def check_nats_installed(section: NatsSection) -> None:
    """ConfigError where a library of NATS is needed and not there."""
    if not is_installed():
        text = "the library of NATS is not installed: pip install 'lrt-oracle[nats]', or remove [nats]"
        raise ConfigError([Problem("nats.servers", text)])
    for name in ("credentials", "nkey"):
        if getattr(section, name) is not None and not can_sign():
            text = "needs the library of nkeys, which is not installed: pip install 'lrt-oracle[nats]'"
            raise ConfigError([Problem(f"nats.{name}", text)])
