"""[node] and [nats]: a process that only serves what operators sealed, and the stream server that carries it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from oracle.config.tables.forms import http_url, nats_url, postgres_url
from oracle.model.keys import key

_DOC = "[nodes](nodes.md)"


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeSection:
    """[node]: what `lrt-oracle serve` follows."""

    operators: tuple[str, ...] = key(
        (),
        "public endpoints (the API) of operators or of other nodes, e.g. `https://oracle.example`, with `?target=NAME` where the"
        " store is not their first. Each may lie: what does not verify is not served. The words of a round (texts of reasons,"
        " who was late) are those of the first of them that tells it: list them in the same order on all nodes",
        form=http_url,
        see=_DOC,
    )
    keep_hours: int = key(
        24,
        "how far back rounds are kept in memory, and asked for at the start: all of the last hour, before that one a minute",
        least=1,
        most=168,
    )
    archive: str | None = key(
        None,
        "PostgreSQL database of an archive, which is only read: history, changes and means are answered from it beyond the"
        " memory. Written as `archive.dsn`",
        form=postgres_url,
        see="[the archive](archive.md)",
    )
    relay: bool = key(
        False,  # noqa: FBT003 - the default of a key
        "ask an operator for what a node has not (inputs, indications, signed reports, pushes, operators, stake) and hand on"
        " what it says, with its name. Off: the answer names the operators to ask",
        see=_DOC,
    )

    def problems(self) -> Iterator[tuple[str, str]]:
        """What is wrong with the keys: the key, and what to write."""
        if self.relay and not self.operators:
            yield "relay", "nobody is there to ask: list operators, or turn relay off"


@dataclass(frozen=True, slots=True, kw_only=True)
class NatsSection:
    """[nats]: a NATS server with JetStream. An operator's process hands every sealed round to it, a node takes them from it."""

    servers: tuple[str, ...] = key(
        (),
        "addresses of one server or cluster, `nats://host:4222` or `tls://...`; a user, password or token as `${NAME}`. None:"
        " rounds go to readers of the endpoint alone",
        form=nats_url,
        see=_DOC,
    )
    stream: str = key("LRT_ORACLE_ROUNDS", "name of the stream, made where there is none")
    per_feed: bool = key(
        False,  # noqa: FBT003 - the default of a key
        "hand each feed's record on under a subject of its own too, with what proves it: for consumers of single feeds",
        see=_DOC,
    )
    credentials: str | None = key(None, "file with a user's JWT and seed, as `nsc` writes it", see=_DOC)
    nkey: str | None = key(None, "file with a user's nkey seed", see=_DOC)
    authority: str | None = key(
        None, "file with the certificates (PEM) that a `tls://` server's is held against; None: those of this machine"
    )
    certificate: str | None = key(None, "file with this client's certificate (PEM), where the server asks for one")
    private_key: str | None = key(None, "file with its private key (PEM, without a password)", beside="certificate")
    max_age_hours: int = key(168, "how long the stream keeps rounds", least=1)
    max_megabytes: int = key(2_048, "how much of them it keeps; the oldest go first", least=1)

    def problems(self) -> Iterator[tuple[str, str]]:
        """What is wrong with the keys: the key, and what to write."""
        if not self.stream or not self.stream.isascii() or any(c in ".*>/\\" or c.isspace() for c in self.stream):
            yield "stream", "a stream's name has no spaces, dots, slashes or wildcards: write letters, digits, - and _"
        if self.credentials is not None and self.nkey is not None:
            yield "nkey", "a file of credentials holds the seed already: write one of credentials and nkey"
