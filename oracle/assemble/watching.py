"""The watch of a process: over what its operators hear, and over the stores of its targets; and what evidence is proven with."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import structlog

from oracle.chain.chain_links import ChainLinks
from oracle.chain.key_queue import KeyQueue
from oracle.chain.manual_payer import ManualPayer, NoGasKey
from oracle.chain.store_client import GasSigner
from oracle.chain.store_reads import StoreReads
from oracle.config.check_watch import watch_target
from oracle.config.sections import Config
from oracle.config.tables.forms import raw_address
from oracle.network.agreements import Agreements
from oracle.sign import keyfiles
from oracle.sign.eip712 import Domain
from oracle.sign.key_lock import DatabaseInUse, sole_writer
from oracle.sign.remote.open_key import open_key, opened_key
from oracle.storage.database import Database
from oracle.watch.chain_words import ChainWords, WatchedBlocks
from oracle.watch.configured import proof_contract
from oracle.watch.duty import WatchDuty
from oracle.watch.endpoint_words import EndpointWords, SharedRounds
from oracle.watch.evidence import KeptEvidence
from oracle.watch.kept import WatchRows
from oracle.watch.prover import Prover
from oracle.watch.watcher import Watcher

_DAY_S = 86_400
_log = structlog.get_logger("oracle.assemble.watching")


def watch_of(
    config: Config,
    database: Database,
    now_ms: Callable[[], int],
    *,
    agreements: Agreements | None = None,
    on_proven: Callable[[KeptEvidence], None] = lambda _kept: None,
    payer: GasSigner | None = None,
    queue: KeyQueue | None = None,
    links: ChainLinks | None = None,
) -> WatchDuty | None:
    """The watch of a config; None where it is off, or there is nothing to watch.

    Args:
        config: the checked config.
        database: of the process.
        now_ms: the clock.
        agreements: where words are heard; None: the chains alone are watched.
        on_proven: called with evidence that was proven, by whomever.
        payer: the key that pays for proofs, see `watch_signer`; None: evidence is kept.
        queue: of that key.
        links: know who asks which chain.
    """
    if not config.watch.on or not config.targets:
        return None
    members = agreements.members if agreements is not None else ()
    by_key = {m.address: m for m in members}

    def silence(key: bytes) -> None:
        if agreements is not None:
            agreements.mute(by_key[key])

    watcher = Watcher(WatchRows(database.connection), now_ms, own=by_key, on_own=silence)
    if agreements is not None:
        agreements.heard.on_said, agreements.heard.on_cut = watcher.hear_said, watcher.hear_cut
    stores = _stores(config)
    blocks = WatchedBlocks(catch_up=config.watch.catch_up_blocks)
    chains = {n: ChainWords(s, watcher.rows, watcher.hear, blocks) for n, s in stores.items()}
    contract = proof_contract(config, payer)
    if links is not None:
        for name, store in stores.items():
            links.note(config.targets[name].chain, store.nodes)
        if contract is not None and (over := watch_target(config)) is not None:
            links.note(config.targets[over].chain, contract.nodes)
    endpoints = _endpoints(config, watcher, chains, now_ms)
    return WatchDuty(
        watcher,
        tuple(stores.values()),
        chains,
        None if contract is None else Prover(contract, watcher.rows, on_proven=on_proven, queue=queue),
        close_prover=None if contract is None else contract.close,
        endpoints=endpoints,
        keep_s=config.watch.keep_days * _DAY_S,
        now_ms=now_ms,
    )


def watch_signer(config: Config, environ: Mapping[str, str], now_ms: Callable[[], int]) -> GasSigner | None:
    """The key that pays for proofs and duties; None, with a warning where one is named, where there is none.

    Raises:
        KeyfileError: its keyfile does not open.
    """
    watch = config.watch
    if not watch.on and not config.keeper.on:
        return None
    remote = open_key(watch, environ, now_ms=now_ms)
    if remote is not None:
        return remote
    if watch.gas_keyfile is None:
        return None
    if not keyfiles.has_passphrase(watch.passphrase_env, environ):
        _log.warning(
            "the watch keeps evidence and proves nothing, and no duty is done from here: its key is closed",
            set=watch.passphrase_env,
        )
        return None
    return keyfiles.LocalSigner(keyfiles.load(Path(watch.gas_keyfile), watch.passphrase_env, environ))


@contextmanager
def proof_payer(config: Config, environ: Mapping[str, str], other: tuple[Path, str] | None) -> Iterator[GasSigner]:
    """Who pays for a proof by hand: the watch's key, as long as no process uses its nonces, or another one that is named.

    Args:
        config: the checked config.
        environ: where passphrases are.
        other: keyfile of another key, and the variable of its passphrase.

    Raises:
        NoGasKey: there is none that may pay now.
        KeyfileError: its keyfile does not open.
    """
    watch, name = config.watch, watch_target(config)
    if other is not None and name is not None:
        payer = ManualPayer(config, name, environ, other)
        with payer.queue():
            yield payer.signer
        return
    if watch.gas_keyfile is None and watch.signer_url is None:
        raise NoGasKey("[watch] has no gas key: give --keyfile PATH of any key with ether")
    try:
        with sole_writer(config.oracle.database):
            yield opened_key(watch, watch.gas_keyfile, environ)
    except DatabaseInUse as e:
        text = (
            f"the watch's key has one queue, and a process uses it ({e}): it proves by itself; or give --keyfile PATH"
        )
        raise NoGasKey(f"{text} of another key") from None


def _endpoints(
    config: Config, watcher: Watcher, chains: Mapping[str, ChainWords], now_ms: Callable[[], int]
) -> list[EndpointWords]:
    """Operators' public endpoints; what any of them and the chains tell of a round the others are asked for."""
    by_domain = {c.domain: c for c in chains.values()}
    rounds = SharedRounds()
    if config.watch.endpoints:
        watcher.on_word = lambda word: rounds.note(word.domain, word.round_time_s)
    return [
        EndpointWords(
            url, rounds, keys_of=lambda d: by_domain[d].keys, domains=tuple(by_domain), hear=watcher.hear, now_ms=now_ms,
            keep_s=config.watch.keep_days * _DAY_S,
        )
        for url in config.watch.endpoints
    ]  # fmt: skip


def _stores(config: Config) -> dict[str, StoreReads]:
    """Every store of the targets once."""
    domains: dict[Domain, StoreReads] = {}
    by_name = {}
    for name, target in config.targets.items():
        chain = config.chains[target.chain]
        domain = Domain(chain_id=chain.chain_id, store=raw_address(target.store))
        if domain not in domains:
            by_name[name] = domains[domain] = StoreReads(chain.endpoints, domain, agree=target.agree)
    return by_name
