"""[network] beside the rest: one operator with one key, a home store, and peers that are others."""

from __future__ import annotations

from collections.abc import Iterator

from oracle.config.check_keys import report_key
from oracle.config.sections import Config
from oracle.config.tables.forms import is_every_address, listen_at
from oracle.config.tables.network_sections import NetworkSection
from oracle.config.tables.schema import Problem
from oracle.model.suggest import nearest


def network_problems(config: Config) -> Iterator[Problem]:
    """What is wrong with [network] and the tables that it goes with."""
    network = config.network
    if network is None:
        return
    if len(config.operators) != 1:
        text = (
            f"there are {len(config.operators)} [[operators]]: with [network] a process is one operator among others on"
            " other machines; write exactly one here, and leave out [network] to have several in one process"
        )
        yield Problem("network", text)
    if not config.targets:
        yield Problem("network.home", "operators agree for a store: add a [targets.NAME]")
    elif network.home is not None and network.home not in config.targets:
        text = f"{network.home!r} is not a target of the config; {nearest(network.home, config.targets)}"
        yield Problem("network.home", text)
    yield from _port_problems(config, network)
    for operator in config.operators:
        if operator.keyfile == network.keyfile:
            text = "is the report key's file: the network key has one of its own, which is made where there is none"
            yield Problem("network.keyfile", text)
        if operator.shared_journal:
            text = (
                "with [network] one process signs with a key: a second one says other things and silences both; have the"
                " second machine take over only once the first has stopped for good, with its journal"
            )
            yield Problem(f"operators.{operator.name}.shared_journal", text)
        own = report_key(operator)
        for name, peer in network.peers.items():
            if own is not None and peer.address.lower() == f"0x{own}":
                text = f"is the key of operator {operator.name!r} here: leave this peer out, it is nobody else"
                yield Problem(f"network.peers.{name}.address", text)


def _port_problems(config: Config, network: NetworkSection) -> Iterator[Problem]:
    """Other operators and readers of prices come in by ports of their own."""
    if network.listen is None:
        return
    host, port = listen_at(network.listen)
    same_host = host == config.api.host or is_every_address(host) or is_every_address(config.api.host)
    if port == config.api.port and same_host:
        text = f"port {port} is that of [api] too: give the two different ports"
        yield Problem("network.listen", text)
