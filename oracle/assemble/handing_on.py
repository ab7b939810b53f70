"""What hands sealed rounds of this process on to others than readers of its endpoint."""

from __future__ import annotations

from oracle.config.resolve import ResolvedConfig
from oracle.config.tables.forms import raw_address
from oracle.config.tables.schema import ConfigError, Problem
from oracle.nats.link import is_installed
from oracle.nats.publisher import RoundPublisher
from oracle.serve.history import HistoryReaders
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
    check_nats_installed()
    domains: dict[str, Domain] = {}
    for name, target in config.targets.items():
        domain = Domain(chain_id=config.chains[target.chain].chain_id, store=raw_address(target.store))
        if domain not in domains.values():
            domains[name] = domain
    stream = (config.nats.stream, config.nats.max_age_hours, config.nats.max_megabytes)
    return RoundPublisher(
        config.nats.servers, stream, domains, tuple(resolved.specs), read=readers.read, cursors=database
    )


def check_nats_installed() -> None:
    """ConfigError where the library of NATS is needed and not there."""
    if not is_installed():
        text = "the library of NATS is not installed: pip install 'lrt-oracle[nats]', or remove [nats]"
        raise ConfigError([Problem("nats.servers", text)])
