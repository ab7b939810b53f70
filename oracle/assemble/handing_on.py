"""What hands sealed rounds of this process on to others than readers of its endpoint."""

from __future__ import annotations

from typing import Protocol

from oracle.config.resolve import ResolvedConfig
from oracle.config.tables.forms import raw_address
from oracle.config.tables.schema import ConfigError, Problem
from oracle.nats.link import is_installed
from oracle.nats.publisher import RoundPublisher
from oracle.serve.history import HistoryReaders
from oracle.serve.metrics import Metrics
from oracle.serve.service import PriceService
from oracle.sign.eip712 import Domain
from oracle.storage.database import Database


class HandsOn(Protocol):
    """What of a process takes part in handing on."""

    @property
    def resolved(self) -> ResolvedConfig:
        """The checked config."""

    @property
    def database(self) -> Database:
        """Where rounds are."""

    @property
    def readers(self) -> HistoryReaders:
        """Who reads them."""

    @property
    def metrics(self) -> Metrics:
        """They show how far it has come."""

    @property
    def service(self) -> PriceService:
        """It warns where it does not go on."""


def round_publisher(process: HandsOn) -> RoundPublisher | None:
    """To NATS, as [nats] says; None where it names no server.

    Raises:
        ConfigError: its library is not installed.
    """
    resolved, config = process.resolved, process.resolved.config
    if not config.nats.servers:
        return None
    check_nats_installed()
    domains: dict[str, Domain] = {}
    for name, target in config.targets.items():
        domain = Domain(chain_id=config.chains[target.chain].chain_id, store=raw_address(target.store))
        if domain not in domains.values():
            domains[name] = domain
    stream = (config.nats.stream, config.nats.max_age_hours, config.nats.max_megabytes)
    made = RoundPublisher(
        config.nats.servers, stream, domains, tuple(resolved.specs), read=process.readers.read, cursors=process.database
    )
    process.metrics.nats.publisher, process.metrics.nats.behind = made, made.behind
    process.service.handed_on = made.warnings
    return made


def check_nats_installed() -> None:
    """ConfigError where the library of NATS is needed and not there."""
    if not is_installed():
        text = "the library of NATS is not installed: pip install 'lrt-oracle[nats]', or remove [nats]"
        raise ConfigError([Problem("nats.servers", text)])
