"""[oracle], [api] and [log]: the process, its endpoint and its log."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from oracle.config.tables.forms import ip_network, sha256_hash
from oracle.model.keys import key, required
from oracle.runtime.logs import LogFormat, LogLevel

_HOUR_S = 3_600
_LEAST_CONNECTIONS = 8
"""A few readers, a probe and a scraper."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OracleSection:
    """[oracle]: the process."""

    round_interval_s: int = key(10, "final rounds are made at multiples of this", least=1, most=_HOUR_S)
    database: str = key("var/lrt-oracle.db", "file of the SQLite database")
    live_coalesce_ms: int = key(
        5,
        "the longest rest of the live lane, in which news is gathered: half as long as its last work, none after a quiet moment",
        least=0,
    )
    witness: str = key(
        "",
        "folder with a small file for each report key: how much the key has signed. It tells that a journal was restored,"
        " so keep it where no snapshot of journals and database reaches",
        shown="`$XDG_STATE_HOME/lrt-oracle`, else `~/.local/state/lrt-oracle`",
        see="[a backup](push.md#a-backup)",
    )
    catalog_path: str = key(
        "",
        "file or folder with records of your own beside the shipped catalogue's, relative to the config file",
        see="[your own catalogue](#your-own-catalogue)",
    )
    rules: int | None = key(
        None,
        "RULES_VERSION that this file's rounds are made by. None: whichever the program makes. With other rules the program does"
        " not run; written here and in the file of `network.next`, programs are changed at an announced round",
        least=1,
        see="[upgrade](upgrade.md#together)",
    )
    scaled_times: bool = key(default=False, says="allow windows too short for real money: demo and tests only")


_PUBLIC = "[public](public.md)"
PROXY_HEADERS = ("x-forwarded-for", "forwarded")


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKeySection:
    """[api.keys.NAME]: a key of the endpoint that has limits of its own."""

    sha256: str = field(
        metadata=required(
            "SHA-256 of the key, as `lrt-oracle api-key new` prints it; the key itself is in no file", form=sha256_hash
        )
    )
    rate_per_s: int = key(200, "requests a second in the long run; 0: as many as come", least=0)
    burst: int = key(2_000, "requests at once after a pause", least=1)
    streams: int = key(100, "streams open at a time", least=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiSection:
    """[api]: the local endpoint."""

    host: str = key("127.0.0.1", "address that the endpoint listens at")
    port: int = key(8_551, "port that the endpoint listens at; 0 takes a free one", least=0, most=65_535)
    cors_origins: tuple[str, ...] = key(
        ("*",),
        'origins whose pages may read the endpoint, as browsers send them; `"*"`: all. Nothing but GET is there',
        shown='`["*"]`',
    )
    max_connections: int = key(
        1_024,
        "connections at a time; never more than half of the files that the process may open (`ulimit -n`)",
        least=_LEAST_CONNECTIONS,
    )
    idle_s: int = key(
        15, "how long a connection may take from one whole request to the next, or with taking an answer", least=1
    )
    first_s: int = key(10, "how long a new connection may take to its first whole request", least=1)
    max_streams: int = key(
        1_000, "streams open at a time; never more than three quarters of the connections", least=1, see=_PUBLIC
    )
    rate_per_s: int = key(
        20, "requests a second of one address in the long run; lists count 4, what is read from disk 10. 0: as many as come",
        least=0, see=_PUBLIC,
    )  # fmt: skip
    burst: int = key(200, "the same at once after a pause", least=10)
    connections_per_address: int = key(64, "connections of one address at a time", least=1)
    streams_per_address: int = key(16, "streams of one address at a time", least=0)
    unlimited: tuple[str, ...] = key(
        ("127.0.0.0/8", "::1/128"),
        "addresses and networks without limits: the operator's own. Not for what comes through a proxy there",
        form=ip_network, shown='`["127.0.0.0/8", "::1/128"]`',
    )  # fmt: skip
    trusted_proxies: tuple[str, ...] = key(
        (), "addresses and networks of your own proxies: whose word about the address behind them counts",
        form=ip_network, see=_PUBLIC,
    )  # fmt: skip
    proxy_header: str = key(
        PROXY_HEADERS[0],
        "header in which they say it, `x-forwarded-for` or `forwarded`: the one that they write themselves, whatever came in",
    )
    keys: Mapping[str, ApiKeySection] = field(default_factory=dict)

    def problems(self) -> Iterator[tuple[str, str]]:
        """What is wrong with the keys together: the key, and what to write."""
        if self.proxy_header.lower() not in PROXY_HEADERS:
            yield "proxy_header", f"is {self.proxy_header!r}: write one of: {', '.join(PROXY_HEADERS)}"
        hashes = [sha256_hash(k.sha256) for k in self.keys.values()]
        for name, own in self.keys.items():
            if hashes.count(sha256_hash(own.sha256)) > 1:
                yield f"keys.{name}", "another name has the same key: make one for each with `lrt-oracle api-key new`"


@dataclass(frozen=True, slots=True, kw_only=True)
class LogSection:
    """[log]: what the process tells, on the error output."""

    format: LogFormat = key(
        LogFormat.AUTO,
        "`console` for people, `json` for programs: one document a line; `auto`: for people on a terminal, for programs elsewhere",
        see="[the log](logs.md)",
    )
    level: LogLevel = key(LogLevel.INFO, "`debug`, `info`, `warning`, `error`: from this level on lines are written")
    levels: Mapping[str, LogLevel] = key(
        {},
        'the same by part, as `{ "oracle.push" = "warning", aiohttp = "info" }`: by the beginning of the name of a module or library',
        shown="libraries: `warning`",
    )
    repeat_s: int = key(
        60,
        "a fault that lasts is told again after this, then after twice as long, an hour at most, with how often it came",
        least=1,
        most=_HOUR_S,
    )
    over_s: int = key(
        150, "a fault that has not come again for so long is over; more than `repeat_s`", least=2, most=24 * _HOUR_S
    )

    def problems(self) -> Iterator[tuple[str, str]]:
        """What is wrong with the keys together."""
        if self.over_s <= self.repeat_s:
            yield (
                "over_s",
                f"{self.over_s} is not more than repeat_s, {self.repeat_s}: a fault would be over before it is told again",
            )
