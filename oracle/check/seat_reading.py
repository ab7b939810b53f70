"""The seat of this config's operator in the network of its home store: who sits there, and who it would be among them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from feeds.errors import LrtOracleError
from feeds.units import MS
from oracle.chain.directory import Directory, DirectoryEntry
from oracle.chain.store_reads import StoreReads
from oracle.config.sections import Config
from oracle.config.tables.forms import raw_address
from oracle.config.tables.network_sections import NetworkSection
from oracle.config.tables.operator_sections import OperatorSection
from oracle.network.members_reader import MembersReader
from oracle.network.mesh.roster import Peer
from oracle.runtime.clock import now_ms
from oracle.sign.eip712 import Domain
from oracle.sign.messages import SignerSet


class NoSeat(LrtOracleError, RuntimeError):
    """The config names no seat among others: which section is missing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SeatPlace:
    """What the config says of it.

    Attributes:
        config: the whole.
        home: name of the target whose signers seal what is published.
        network: the section.
        operator: the one of this process.
        peers: others that the config names, by report address.
    """

    config: Config
    home: str
    network: NetworkSection
    operator: OperatorSection
    peers: Mapping[bytes, Peer]

    @property
    def domain(self) -> Domain:
        """Of the home store."""
        target = self.config.targets[self.home]
        return Domain(chain_id=self.config.chains[target.chain].chain_id, store=raw_address(target.store))

    def store(self) -> StoreReads:
        """The home store, to be read; whoever asks closes it."""
        chain = self.config.chains[self.config.targets[self.home].chain]
        return StoreReads(chain.endpoints, self.domain, agree=chain.agree)


@dataclass(frozen=True, slots=True, kw_only=True)
class SeatReading:
    """What the chain says.

    Attributes:
        signers: the set that signs rounds of now.
        others: report addresses of members of that set and of the one to come.
        head_ahead_ms: how far the newest block's time is ahead of this machine's clock.
        entries: what the directory has of them; empty without one.
    """

    signers: SignerSet
    others: frozenset[bytes]
    head_ahead_ms: int
    entries: Mapping[bytes, DirectoryEntry]


def seat_place(config: Config, home: str | None, peers: Mapping[bytes, Peer]) -> SeatPlace:
    """The seat that a config is about.

    Raises:
        NoSeat: it has no [network], no operator, or no target.
    """
    if config.network is None:
        raise NoSeat(
            "no [network] in the config: write it with url and listen, or empty for an operator that only dials"
        )
    if not config.operators:
        raise NoSeat("no [[operators]] in the config: make a key with `lrt-oracle keys new` and name it there")
    if home is None:
        raise NoSeat("no [targets.*] in the config: name the store whose operators you are to join")
    return SeatPlace(config=config, home=home, network=config.network, operator=config.operators[0], peers=peers)


async def read_seat(place: SeatPlace, own: bytes) -> SeatReading:
    """Ask the store's chain, and the directory where the config names one.

    Args:
        place: of the config.
        own: the operator's report address.

    Raises:
        ChainError: too few endpoints answer.
    """
    store = place.store()
    try:
        members = MembersReader(store)
        await members.refresh()
        head = await store.head()
        signers = members.newest_at(now_ms() // MS)
        others = members.addresses() | frozenset(place.peers)
        directory = place.network.directory
        entries: Mapping[bytes, DirectoryEntry] = {}
        if directory is not None:
            reader = Directory(store.nodes, raw_address(directory), place.domain)
            entries = await reader.read(sorted(others | {own}))
        ahead_ms = head.time_s * MS - now_ms()
    finally:
        await store.close()
    return SeatReading(signers=signers, others=others - {own}, head_ahead_ms=ahead_ms, entries=entries)
