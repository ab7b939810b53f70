"""`lrt-oracle doctor`: all looks, each once, beside a running process or without one. Nothing is changed."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Collection, Coroutine, Iterable, Iterator, Mapping
from typing import Any

import aiohttp

from feeds.errors import LrtOracleError
from feeds.units import MS
from oracle.assemble.peering import tried_peers
from oracle.check.check import check
from oracle.check.push_ready import config_problems
from oracle.check.reaching import PeerFinding
from oracle.check.seat_reading import NoSeat, SeatReading
from oracle.config.resolve import ResolvedConfig
from oracle.doctor.archive import look_at_archive
from oracle.doctor.endpoints import EndpointLook, endpoint_findings, look_at_endpoints
from oracle.doctor.files import (
    database_findings,
    journal_findings,
    lock_findings,
    rights_findings,
    room_findings,
)
from oracle.doctor.findings import HealthFinding, critical, info, ok, split_advice, warning
from oracle.doctor.machine import (
    clock_findings,
    file_findings,
    memory_findings,
    version_findings,
)
from oracle.doctor.seat import seat_findings
from oracle.runtime.clock import now_ms

_SOURCES = ("sources", "venues.")
_STORES = ("targets.", "operators.")
_SERVING = ("node.", "nats.")
_KEYFILES = ("keyfile", "gas_keyfile")
_REPLACED = "look whether the venue lists it still; replace or remove it in the feed's sources"


class Examination:
    """One look at everything. What several looks need is asked once.

    Args:
        resolved: the checked config, its secrets filled in.
        environ: where passphrases are.
    """

    def __init__(self, resolved: ResolvedConfig, environ: Mapping[str, str]) -> None:
        self._resolved, self._config, self._environ = resolved, resolved.config, environ
        self._asked: dict[str, asyncio.Task[Any]] = {}
        self.checks: dict[str, Callable[[], Coroutine[Any, Any, Iterable[HealthFinding]]]] = {
            "keys": self._keys,
            "locks": self._locks,
            "journals": self._journals,
            "database": self._database,
            "clock": self._clock,
            "disk": self._disk,
            "memory": self._memory,
            "files": self._files,
            "versions": self._versions,
            "config": self._settings,
            "endpoints": self._endpoints,
            "sources": self._sources,
            "store": self._store,
            "gas": self._gas,
            "peers": self._peers,
            "node": self._node,
            "nats": self._nats,
            "archive": self._archive,
        }

    async def run(self, only: Collection[str] = ()) -> list[HealthFinding]:
        """All findings, or those of some looks. A look that fails is a finding too."""
        found: list[HealthFinding] = []
        for name, look in self.checks.items():
            if only and name not in only:
                continue
            try:
                found += await look()
            except (LrtOracleError, sqlite3.Error, aiohttp.ClientError, OSError) as e:
                text, advice = split_advice(str(e))
                found.append(critical(name, f"this look failed: {text}", advice))
        for task in self._asked.values():
            await asyncio.gather(task, return_exceptions=True)
        return found

    async def _once(self, name: str, ask: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        if name not in self._asked:
            self._asked[name] = asyncio.create_task(ask())
        return await self._asked[name]

    async def _checked(self) -> Mapping[str, Any]:
        """All that `lrt-oracle check` says."""
        document: Mapping[str, Any] = await self._once(
            "check", lambda: check(self._resolved, offline=False, environ=self._environ)
        )
        return document

    async def _looks(self) -> Mapping[str, list[EndpointLook]]:
        async def ask() -> dict[str, list[EndpointLook]]:
            chains = self._config.chains
            looks = await asyncio.gather(*(look_at_endpoints(c) for c in chains.values()))
            return dict(zip(chains, looks, strict=True))

        looks: Mapping[str, list[EndpointLook]] = await self._once("endpoints", ask)
        return looks

    # --- this machine ------------------------------------------------------------------------------------------------

    async def _keys(self) -> Iterable[HealthFinding]:
        rights = list(rights_findings(self._config))
        problems = await asyncio.to_thread(lambda: list(config_problems(self._resolved, self._environ)))
        unusable = [critical("keys", *_key_and_advice(p.key, p.text)) for p in problems if _is_keyfile(p.key)]
        return [*rights, *unusable]

    async def _locks(self) -> Iterable[HealthFinding]:
        return list(lock_findings(self._config))

    async def _journals(self) -> Iterable[HealthFinding]:
        return list(journal_findings(self._config, self._environ, now_ms()))

    async def _database(self) -> Iterable[HealthFinding]:
        return await asyncio.to_thread(lambda: list(database_findings(self._config)))

    async def _clock(self) -> Iterable[HealthFinding]:
        looks, document = await self._looks(), await self._checked()
        heads = {
            chain: max(o.time_s for o in said) * MS - now_ms()
            for chain, looked in looks.items()
            if (said := [o for o in looked if not o.error and o.chain_id == self._config.chains[chain].chain_id])
        }
        return list(clock_findings(document["clocks"], heads))

    async def _disk(self) -> Iterable[HealthFinding]:
        return await asyncio.to_thread(lambda: list(room_findings(self._config, growth=True)))

    async def _memory(self) -> Iterable[HealthFinding]:
        return list(memory_findings())

    async def _files(self) -> Iterable[HealthFinding]:
        return list(file_findings())

    async def _versions(self) -> Iterable[HealthFinding]:
        return list(version_findings())

    # --- what the config reaches -------------------------------------------------------------------------------------

    async def _settings(self) -> Iterable[HealthFinding]:
        document = await self._checked()
        found = list(
            _problems(
                "config", document["errors"], lambda k: not _is_source(k) and not k.startswith((*_STORES, *_SERVING))
            )
        )
        found += [warning("config", *split_advice(a)) for a in document["alarms"] if not a.startswith(_SERVING)]
        others = ("venue ", "others may read", *_SERVING)
        found += [info("config", n) for n in document["notes"] if not n.startswith(others)]
        return found or [ok("config", "nothing is wrong with it")]

    async def _endpoints(self) -> Iterable[HealthFinding]:
        looks = await self._looks()
        return [f for c, s in self._config.chains.items() for f in endpoint_findings(c, s, looks.get(c, []), now_ms())]

    async def _sources(self) -> Iterable[HealthFinding]:
        return list(source_findings(await self._checked()))

    async def _store(self) -> Iterable[HealthFinding]:
        if not self._config.targets:
            return [info("store", "no targets: nothing is pushed")]
        document = await self._checked()
        found = list(_problems("store", document["errors"], lambda k: k.startswith(_STORES) and not _is_keyfile(k)))
        return [*found, *await seat_findings(self._resolved, gas=False)]

    async def _gas(self) -> Iterable[HealthFinding]:
        return await seat_findings(self._resolved, gas=True)

    async def _peers(self) -> Iterable[HealthFinding]:
        try:
            findings, reading, unread = await tried_peers(self._resolved, self._environ)
        except NoSeat as e:
            return [info("peers", f"no others to reach: {e}")]
        return list(peer_findings(findings, reading, unread))

    async def _node(self) -> Iterable[HealthFinding]:
        if not self._config.node.operators:
            return [info("node", "this config is no node's: [node] lists nobody")]
        return list(serving_findings("node", await self._checked()))

    async def _nats(self) -> Iterable[HealthFinding]:
        if not self._config.nats.servers:
            return [info("nats", "no NATS server is named")]
        return list(serving_findings("nats", await self._checked()))

    async def _archive(self) -> Iterable[HealthFinding]:
        return await look_at_archive(self._config, now_ms() // MS)


def serving_findings(name: str, document: Mapping[str, Any]) -> Iterator[HealthFinding]:
    """What was found of [node] or [nats]. Pure."""
    begins = f"{name}."
    bad = [*_problems(name, document["errors"], lambda k: k.startswith(begins))]
    bad += [warning(name, *split_advice(a)) for a in document["alarms"] if a.startswith(begins)]
    notes = [n for n in document["notes"] if n.startswith(begins)]
    yield from bad
    yield from (info(name, n) if bad else ok(name, n) for n in notes)
    if not bad and not notes:
        yield ok(name, "nothing is wrong with it")


def source_findings(document: Mapping[str, Any]) -> Iterator[HealthFinding]:
    """Sources that said nothing, or what cannot be, and feeds without a price because of it. Pure."""
    silent = [r for r in document["sources"] if r["error"] is not None]
    for row in silent:
        text = f"{row['feed']}: {row['source']} at {row['at']} says nothing ({row['error']})"
        yield warning("sources", text, _REPLACED)
    for feed in document["feeds"]:
        answered, least = int(feed.get("groups_answered", 0)), int(feed["min_groups"])
        if "groups_answered" in feed and answered < least:
            text = f"{feed['feed']} has no price: {answered} of {least} groups answered"
            yield critical(
                "sources", text, f"mend its sources, or add groups: {', '.join(feed['silent_groups'])} are silent"
            )
    told = {str(r["source"]) for r in silent}
    yield from _problems("sources", document["errors"], lambda k: _is_source(k) and not any(t in k for t in told))
    if not silent:
        yield ok("sources", f"all {len(document['sources'])} sources answer")


def peer_findings(findings: Iterable[PeerFinding], reading: SeatReading | None, unread: str) -> Iterator[HealthFinding]:
    """Other operators, and whether those that are reached can sign with this one. Pure."""
    there = list(findings)
    if unread:
        yield warning("peers", f"who the members are is not known from the chain: {unread}", "look at the endpoints")
    for peer in there:
        name, why = peer.probe.name, peer.probe.reason or peer.silence
        if peer.reached == "not":
            yield warning(
                "peers", f"{name} is not reached: {why}",
                "ask its operator whether it runs; look at its url in [network.peers] or the directory, and at firewalls",
            )  # fmt: skip
        else:
            yield ok("peers", f"{name} is reached ({peer.reached}), weight {peer.weight}")
    if reading is not None:
        lost = sum(p.weight or 0 for p in there if p.reached == "not")
        rest, threshold = sum(reading.signers.weights) - lost, reading.signers.threshold
        if rest < threshold:
            text = f"those that are reached weigh {rest}, T is {threshold}: no round is sealed"
            yield critical("peers", text, "find out whether this machine is cut off: `lrt-oracle peers` from elsewhere")


def _problems(name: str, errors: Iterable[Mapping[str, str]], wanted: Callable[[str], bool]) -> Iterator[HealthFinding]:
    for error in errors:
        if wanted(error["key"]):
            text, advice = split_advice(error["text"])
            yield critical(name, f"{error['key']}: {text}", advice)


def _key_and_advice(key: str, text: str) -> tuple[str, str]:
    said, advice = split_advice(text)
    return f"{key}: {said}", advice


def _is_keyfile(key: str) -> bool:
    return key.rpartition(".")[2] in _KEYFILES


def _is_source(key: str) -> bool:
    return any(part in key for part in _SOURCES)
