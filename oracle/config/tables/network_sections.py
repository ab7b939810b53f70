"""[network]: how this operator reaches the others that sign for the same store, each in a process of its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from oracle.config.tables.forms import is_every_address, listen_at, peer_url, raw_address, sha256_hash, utc_time
from oracle.model.keys import key, required


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerSection:
    """[network.peers.NAME]: what this operator knows of another one, in place of what that one announces."""

    address: str = field(metadata=required("address of the other's report key", form=raw_address))
    url: str | None = key(None, "where it is dialled, in place of the addresses that it announces", form=peer_url)
    certificate: str | None = key(
        None,
        "SHA-256 of the certificate that it shows there, 64 hex digits, in place of the one that it announces",
        form=sha256_hash,
        beside="url",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkSection:
    """[network]: this process is one operator among several, which agree on each round over a network."""

    listen: str | None = key(
        None,
        "address and port that other operators dial, `0.0.0.0:8651` say; none: this operator only dials, which is enough"
        " behind a router that lets nobody in",
        form=listen_at,
    )
    url: str | None = key(
        None,
        "what is announced to the others: where they reach `listen`, from outside. `wss://`: with TLS 1.3; `ws://`: without",
        form=peer_url,
    )
    keyfile: str = key(
        "var/network.key",
        "file of the network key, which signs what goes between operators and has no say about prices; made, readable by"
        " its owner only, where there is none",
    )
    certificate: str | None = key(
        None,
        "file with the certificate (PEM) that is shown at `listen`. None: one is made at each start, and its hash announced",
        beside="private_key",
    )
    private_key: str | None = key(None, "file with its private key (PEM, without a password)", beside="certificate")
    behind_proxy: bool = key(
        default=False,
        says="a proxy in front of `listen` does TLS, with a certificate of a public authority: listen without TLS and"
        " announce no certificate",
    )
    directory: str | None = key(
        None,
        "address of an OperatorDirectory on the chain of `home`, where operators announce themselves. None: the first"
        " contacts are those of [network.peers]",
        form=raw_address,
    )
    home: str | None = key(
        None, "name of the target whose signers seal what is published", shown="the first of `[targets.*]`"
    )
    next: str | None = key(
        None,
        "config file, its path relative to the folder of this one, whose rules and feeds hold from `next_from` on: all"
        " operators go over at the same round, without a restart at that time. Read at a start and at a reload",
        beside="next_from",
    )
    next_from: str | None = key(
        None,
        "from which round_time on, in UTC as `2027-01-31T00:00:00Z`: agreed beforehand, and the same with every operator",
        form=utc_time,
        beside="next",
    )
    peers: Mapping[str, PeerSection] = field(default_factory=dict)

    @property
    def has_tls(self) -> bool:
        """Whether this process itself does TLS where it listens."""
        return not self.behind_proxy and self.url is not None and urlsplit(self.url).scheme == "wss"

    def problems(self) -> Iterator[tuple[str, str]]:
        """What is wrong with the keys together: the key, and what to write."""
        if self.listen is not None and self.url is None:
            text = "listen without url: nobody is told where; write the address that others reach it at, wss://HOST:PORT say"
            yield "url", text
        if self.url is not None:
            yield from self._url_problems(self.url)
        if self.certificate is not None and self.behind_proxy:
            text = "certificate and behind_proxy: the proxy shows its own; leave out certificate and private_key, or behind_proxy"
            yield "certificate", text
        elif self.certificate is not None and not self.has_tls:
            yield "certificate", "no TLS is asked for, so it would never be shown: write url = wss://..."
        yield from self._peer_problems()

    def _url_problems(self, url: str) -> Iterator[tuple[str, str]]:
        if self.listen is None:
            text = (
                "url without listen: others are told where nobody listens; write listen = HOST:PORT, or leave url out for an"
                " operator that only dials"
            )
            yield "url", text
        host = urlsplit(url).hostname or ""
        if is_every_address(host):
            text = f"{host} is no address that others can dial: write this machine's name or address as others reach it"
            yield "url", text

    def _peer_problems(self) -> Iterator[tuple[str, str]]:
        names: dict[bytes, str] = {}
        for name, peer in self.peers.items():
            first = names.setdefault(raw_address(peer.address), name)
            if first != name:
                yield f"peers.{name}.address", f"is also the address of {first!r}: leave one of the two out"
            if peer.certificate is not None and peer.url is not None and urlsplit(peer.url).scheme != "wss":
                yield f"peers.{name}.certificate", "none is shown at ws://: write url = wss://..., or leave it out"
            if peer.url is not None and peer.url == self.url:
                yield f"peers.{name}.url", "is this operator's own url: write the other's"
