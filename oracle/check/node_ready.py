"""Whether what [node] and [nats] name is there: operators that serve this store, a server with a stream that keeps enough, the rights to it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field

import aiohttp
import orjson
from yarl import URL

from feeds.secret_refs import hide, host_and_port
from feeds.secret_values import SecretMissing, filled
from oracle.config.sections import Config
from oracle.config.tables.forms import raw_address
from oracle.config.tables.schema import Problem
from oracle.nats.link import can_sign, is_installed, nats_access, subject_of
from oracle.nats.stream_look import StreamLook, look_at_stream
from oracle.sign.eip712 import Domain

_PATIENCE_S, _MOST_BYTES = 8.0, 4 << 20
_LATE_ROUNDS, _HOUR_S, _MB = 3, 3_600, 1 << 20
_TWICE_S, _LEAST_PAYLOAD = 3_600, 256 << 10
_OK = 200


@dataclass(slots=True)
class NodeFindings:
    """What was found: ``problems`` keep it from working, ``alarms`` are to be mended, ``notes`` are good to know."""

    problems: list[Problem] = field(default_factory=list)
    alarms: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Told:
    """What one operator tells: of whose store, its newest round and the oldest of its stream, Unix s (0: none), or why nothing."""

    name: str
    domain: Domain | None = None
    newest_s: int = 0
    oldest_s: int = 0
    error: str = ""


async def node_findings(config: Config, now_s: int) -> NodeFindings:
    """All of it. Nothing where neither section names anybody."""
    found = NodeFindings()
    home = (config.network.home if config.network is not None else None) or next(iter(config.targets), None)
    if home is None or not (config.node.operators or config.nats.servers):
        return found
    target = config.targets[home]
    domain = Domain(chain_id=config.chains[target.chain].chain_id, store=raw_address(target.store))
    told = await asyncio.gather(*(_told(url) for url in config.node.operators))
    _of_operators(config, domain, told, now_s, found)
    if config.nats.servers:
        await _of_nats(config, domain, now_s, found)
    return found


# --- operators -------------------------------------------------------------------------------------------------------


async def _told(url: str) -> _Told:
    try:
        address = filled(url)
    except SecretMissing as e:
        return _Told(url.rsplit("//", maxsplit=1)[-1].split("/", maxsplit=1)[0], error=str(e))
    name, base = host_and_port(url, address.text), URL(address.text)
    try:
        async with asyncio.timeout(_PATIENCE_S), aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
            return await _asked(session, name, base)
    except (aiohttp.ClientError, OSError, TimeoutError, ValueError, KeyError, TypeError) as e:
        text = hide(str(e), address.hidden)[:200] or f"no answer within {_PATIENCE_S:g} s"
        return _Told(name, error=text)


async def _asked(session: aiohttp.ClientSession, name: str, base: URL) -> _Told:
    newest = (base / "v1" / "rounds" / "newest" / "sealed").with_query(base.query)
    async with session.get(newest, allow_redirects=False) as reply:
        body = await reply.content.read(_MOST_BYTES)
        while more := await reply.content.read(_MOST_BYTES):
            body += more
            if len(body) > _MOST_BYTES:
                raise ValueError("it answers without end")
        if reply.status != _OK:
            raise ValueError(f"it answers with status {reply.status}: {_message(body)}")
        said = orjson.loads(body)
        domain = Domain(chain_id=int(said["chain_id"]), store=bytes.fromhex(said["store"].removeprefix("0x")))
        newest_s = int(said["round"])
    oldest_s = 0
    stream = (base / "v1" / "rounds" / "stream").with_query({**base.query, "after": "0"})
    async with session.get(stream, allow_redirects=False) as reply:
        if reply.status != _OK:
            raise ValueError(f"its stream of rounds answers with status {reply.status}")
        while not oldest_s:
            line = await reply.content.readuntil(b"\n")
            if line.startswith(b"id: "):
                oldest_s = int(line[4:])
    return _Told(name, domain, newest_s, oldest_s)


def _message(body: bytes) -> str:
    with contextlib.suppress(ValueError, KeyError, TypeError):
        return str(orjson.loads(body)["error"]["message"])[:200]
    return "is it an operator?"


def _of_operators(config: Config, domain: Domain, told: list[_Told], now_s: int, found: NodeFindings) -> None:
    """What is wrong with those that are followed. One that is lost is an alarm; all of them, an error."""
    late_s = _LATE_ROUNDS * (config.oracle.round_interval_s + 1)
    good = 0
    for one in told:
        if one.error:
            text = f"node.operators: {one.name} tells nothing ({one.error})"
            found.alarms.append(f"{text}: correct its address, or ask its operator whether it runs")
            continue
        if one.domain != domain:
            theirs = one.domain or domain
            text = f"{one.name} serves the store 0x{theirs.store.hex()} on chain {theirs.chain_id}"
            advice = "correct its address, or choose one of its stores by ?target=NAME"
            found.problems.append(Problem("node.operators", f"{text}, not that of this config: {advice}"))
            continue
        good += 1
        if now_s - one.newest_s > late_s:
            text = f"node.operators: the newest round of {one.name} is {now_s - one.newest_s} s old"
            found.alarms.append(f"{text}: ask its operator whether rounds are sealed")
        wanted_s = config.node.keep_hours * _HOUR_S
        if now_s - one.oldest_s < wanted_s - late_s:
            kept = (now_s - one.oldest_s) / _HOUR_S
            found.notes.append(
                f"node.operators: {one.name} tells rounds of {kept:.1f} h, keep_hours asks for {config.node.keep_hours}"
            )
        else:
            found.notes.append(f"node.operators: {one.name} tells rounds of this store")
    if told and not good and not config.nats.servers:
        text = "none of them tells rounds of this store: this node would serve nothing: list one that does"
        found.problems.append(Problem("node.operators", text))


# --- NATS ------------------------------------------------------------------------------------------------------------


async def _of_nats(config: Config, domain: Domain, now_s: int, found: NodeFindings) -> None:
    nats = config.nats
    if not is_installed() or ((nats.credentials or nats.nkey) and not can_sign()):
        found.problems.append(Problem("nats.servers", "a library is missing: pip install 'lrt-oracle[nats]'"))
        return
    subject, hands_on = subject_of(domain), bool(config.operators)
    look = await look_at_stream(
        nats_access(nats), nats.stream, publish_to=subject if hands_on else "", read_from="" if hands_on else subject
    )
    found.problems += _nats_problems(config, look, subject, hands_on=hands_on)
    if look.error or not look.is_there:
        if not look.error and hands_on:
            found.notes.append(f"nats.stream: there is no stream {nats.stream} yet: it is made at the start")
        return
    found.alarms += _nats_alarms(config, look, now_s, hands_on=hands_on)
    found.notes.append(f"nats.stream: {nats.stream} has {look.messages} messages, the oldest of {(now_s - look.first_s) / _HOUR_S:.1f} h ago"
                       if look.messages else f"nats.stream: {nats.stream} is empty")  # fmt: skip


def _nats_problems(config: Config, look: StreamLook, subject: str, *, hands_on: bool) -> Iterator[Problem]:
    name = config.nats.stream
    if look.error:
        advice = "look at the address, at who this user is there, and whether the server runs with JetStream (-js)"
        yield Problem("nats.servers", f"{look.error}: {advice}")
    elif not look.is_there:
        if not hands_on:
            text = f"there is no stream {name}: correct its name, or start the operator that hands on to it"
            yield Problem("nats.stream", text)
    elif not any(_covers(s, subject) for s in look.subjects):
        kept = ", ".join(look.subjects)
        yield Problem(
            "nats.stream", f"{name} keeps {kept} and not {subject}: add lrt.> to its subjects, or use another name"
        )
    for why in (look.may_publish, look.may_read):
        if why:
            yield Problem(
                "nats.servers", f"{subject}: {why}: give this user the right to it, and to $JS.API.> and _INBOX.>"
            )


def _nats_alarms(config: Config, look: StreamLook, now_s: int, *, hands_on: bool) -> Iterator[str]:
    nats, name = config.nats, config.nats.stream
    if hands_on and look.max_age_s != nats.max_age_hours * _HOUR_S:
        kept = f"{look.max_age_s / _HOUR_S:g} h" if look.max_age_s else "without end"
        yield f"nats.max_age_hours: {name} keeps rounds {kept}, the config says {nats.max_age_hours} h: change one of them (`nats stream edit`)"
    if hands_on and look.max_bytes != nats.max_megabytes * _MB:
        kept = f"{look.max_bytes / _MB:g} MB" if look.max_bytes > 0 else "all that its disk holds"
        yield f"nats.max_megabytes: {name} keeps {kept}, the config says {nats.max_megabytes} MB: change one of them (`nats stream edit`)"
    if hands_on and look.twice_s < _TWICE_S:
        yield f"nats.stream: {name} knows a round that comes twice for {look.twice_s:g} s: set its duplicate window to an hour (`nats stream edit`)"
    if not look.drops_old:
        yield f"nats.stream: {name} takes no new round where it is full: set its discard policy to old (`nats stream edit`)"
    if look.payload < _LEAST_PAYLOAD:
        yield f"nats.servers: the server takes messages of {look.payload} bytes, and a round may have more: set max_payload to 1 MB"
    late_s = _LATE_ROUNDS * (config.oracle.round_interval_s + 1)
    if look.messages and now_s - look.last_s > late_s:
        yield f"nats.stream: nothing came to {name} for {now_s - look.last_s:.0f} s: look at the operator that hands on to it"
    if not hands_on and look.max_age_s and look.max_age_s < config.node.keep_hours * _HOUR_S:
        yield f"nats.stream: {name} keeps rounds {look.max_age_s / _HOUR_S:g} h, keep_hours asks for {config.node.keep_hours}: list operators too, or ask for less"


def _covers(pattern: str, subject: str) -> bool:
    """Whether a subject with wildcards stands for one."""
    wanted, parts = pattern.split("."), subject.split(".")
    for i, word in enumerate(wanted):
        if word == ">":
            return len(parts) > i
        if i >= len(parts) or word not in {"*", parts[i]}:
            return False
    return len(wanted) == len(parts)
