"""Commands of the watch: run it alone, and look at and prove what it has found."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from oracle.cli.shell import Exit, ExitCode, checked_config, print_result, run_until_signal

if TYPE_CHECKING:
    from oracle.config.sections import Config
    from oracle.watch.evidence import KeptEvidence
    from oracle.watch.kept import WatchRows


@click.command()
@click.option("--once", is_flag=True, help="Read the chains once, up to their heads, and end.")
@click.option("--json", "as_json", is_flag=True, help="With --once: print one JSON document.")
@click.pass_obj
def watch(config_path: Path, once: bool, as_json: bool) -> None:
    """Run the watch alone: what landed at every target is compared, and what contradicts is kept and proven.

    It needs no key of an operator and signs nothing. With a gas key it pays for proofs, and for what nobody else does for the
    contracts of stake.
    """
    document = run_until_signal(lambda stop: _watch(config_path, None if once else stop))
    if once:
        rows = [f"{t}: read up to block {n}" for t, n in document["blocks"].items()]
        rows += [f"{state}: {count}" for state, count in document["evidence"].items() if count]
        rows += [f"due: {name}" for name in document["due"]]
        print_result(as_json, document, rows)
        if document["unread"]:
            raise Exit(f"not read to the head: {', '.join(document['unread'])}; the log says why", ExitCode.FAILED)


async def _watch(config_path: Path, stop: asyncio.Event | None) -> dict[str, Any]:
    import structlog

    from oracle.assemble.keeping import keeper_of
    from oracle.assemble.watching import watch_of, watch_signer
    from oracle.chain.key_queue import KeyQueue
    from oracle.cli.banner import log_as_configured
    from oracle.runtime.clock import now_ms
    from oracle.runtime.supervise import Supervisor
    from oracle.sign.key_lock import sole_writer
    from oracle.storage.database import Database

    config = checked_config(config_path, network=True).config
    if stop is not None:
        log_as_configured(config)
    path = Path(config.oracle.database)
    with sole_writer(path), closing(Database(path)) as database:
        payer, queue = watch_signer(config, os.environ, now_ms), KeyQueue()
        duty = watch_of(config, database, now_ms, payer=payer, queue=queue)
        keeper = keeper_of(config, database, now_ms, payer=payer, queue=queue)
        if duty is None:
            raise Exit("there is nothing to watch: add a [targets.NAME], and leave watch.on true", ExitCode.USAGE)
        log = structlog.get_logger("oracle.cli.watching")

        def failed(task: str, error: Exception) -> None:
            log.error("a fault of this program", task=task, error=repr(error))

        unread: tuple[str, ...] = ()
        try:
            if stop is None:
                unread = await duty.look()
                if keeper is not None:
                    await keeper.look_once()
            else:
                keeps = keeper is not None and keeper.pays
                log.warning("watching", targets=list(duty.chains), proves=duty.proves, keeps=keeps)
                tasks = {**duty.tasks(failed), **({} if keeper is None else keeper.tasks(failed))}
                running = asyncio.create_task(Supervisor(tasks).run())
                await stop.wait()
                running.cancel()
                await asyncio.gather(running, return_exceptions=True)
            counts = {s.value: n for s, n in duty.watcher.rows.counts().items()}
            due = [] if keeper is None else [d.text for d in keeper.due.duties]
            blocks = {n: c.read_block for n, c in duty.chains.items()}
            return {"blocks": blocks, "unread": list(unread), "evidence": counts, "due": due}
        finally:
            await duty.close()
            if keeper is not None:
                await keeper.close()


@click.group()
def evidence() -> None:
    """Words of operators that contradict each other, as this process's watch has found them."""


@evidence.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document: anybody can prove what is in it.")
@click.pass_obj
def list_evidence(config_path: Path, as_json: bool) -> None:
    """What was found, what became of it, and what a proof would cost and bring now."""
    config = checked_config(config_path, network=True).config
    with _rows(config, only_looks=True) as rows:
        documents = asyncio.run(_offers(config, rows.evidence()))
    _print(as_json, documents)


@evidence.command("prove")
@click.argument("name", required=False, metavar="[ID]")
@click.option("--file", "file", type=click.Path(exists=True, dir_okay=False, path_type=Path),
              help="Evidence of somebody else, as `evidence list --json` prints it.")  # fmt: skip
@click.option("--dry", is_flag=True, help="Only say what it would cost and bring.")
@click.option("--keyfile", type=click.Path(path_type=Path), help="Key that pays instead of the watch's.")
@click.option(
    "--passphrase-env",
    default="LRT_ORACLE_WATCH_PASSPHRASE",
    show_default=True,
    help="Variable with the passphrase of that keyfile.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_obj
def prove_evidence(
    config_path: Path,
    /,
    *,
    name: str | None,
    file: Path | None,
    dry: bool,
    keyfile: Path | None,
    passphrase_env: str,
    as_json: bool,
) -> None:
    """Prove evidence on chain, all that is not settled without an ID; what is proven costs its operator stake.

    ID: the first digits are enough. It cannot be undone; an arbiter may give back within the dispute.
    """
    from oracle.watch.by_hand import pick

    config = checked_config(config_path, network=True).config
    with _rows(config, must_exist=file is None, only_looks=dry and file is None) as rows:
        names = [name] if file is None else _taken_in(rows, file)
        chosen = [k for n in names for k in pick(rows, n)]
        if not chosen:
            raise Exit("there is no evidence that is not settled", ExitCode.ABSTAINED)
        if dry:
            _print(as_json, asyncio.run(_offers(config, chosen)))
            return
        payer = None if keyfile is None else (keyfile, passphrase_env)
        done = asyncio.run(_prove(config, rows, chosen, payer))
        documents = asyncio.run(_offers(config, done))
    _print(as_json, documents)
    if any(d["state"] != "proven" for d in documents):
        raise SystemExit(ExitCode.ABSTAINED)


def _print(as_json: bool, documents: list[dict[str, Any]]) -> None:
    from oracle.watch.by_hand import lines

    rows = [line for d in documents for line in lines(d)] or ["nothing was found"]
    print_result(as_json, {"evidence": documents}, rows)


async def _offers(config: Config, chosen: list[KeptEvidence]) -> list[dict[str, Any]]:
    from oracle.watch.by_hand import listed, offer_of
    from oracle.watch.configured import proof_contract

    contract = proof_contract(config, None)
    try:
        return [listed(k, await offer_of(contract, k)) for k in chosen]
    finally:
        if contract is not None:
            await contract.close()


async def _prove(
    config: Config, rows: WatchRows, chosen: list[KeptEvidence], payer: tuple[Path, str] | None
) -> list[KeptEvidence]:
    from oracle.assemble.watching import proof_payer
    from oracle.watch.by_hand import prove
    from oracle.watch.configured import proof_contract

    with proof_payer(config, os.environ, payer) as signer:
        contract = proof_contract(config, signer)
        if contract is None:
            raise Exit("no contract takes evidence: there is no target", ExitCode.USAGE)
        try:
            if not await contract.is_there():
                raise Exit(
                    "no contract takes evidence: signers of the store have no stake; else set watch.penalties",
                    ExitCode.USAGE,
                )
            return await prove(contract, rows, chosen)
        finally:
            await contract.close()


def _taken_in(rows: WatchRows, file: Path) -> list[str]:
    """Evidence of somebody else, checked and kept; its ids."""
    from oracle.runtime.clock import now_ms
    from oracle.watch.evidence import BadEvidence, EvidenceState, read_document

    try:
        listed = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as e:
        raise Exit(f"{file} is not JSON as `lrt-oracle evidence list --json` prints it: {e}", ExitCode.USAGE) from None
    documents = listed.get("evidence", [listed]) if isinstance(listed, dict) else listed
    if not isinstance(documents, list):
        raise Exit(f"{file} is no list of evidence as `lrt-oracle evidence list --json` prints it", ExitCode.USAGE)
    ids = []
    for document in documents:
        try:
            found = read_document(document)
        except BadEvidence as e:
            raise Exit(f"{file}: {e}", ExitCode.USAGE) from None
        rows.add(found, EvidenceState.FOUND, now_ms(), f"from {file.name}")
        ids.append(found.evidence_id.hex())
    return ids


@contextmanager
def _rows(config: Config, *, must_exist: bool = True, only_looks: bool = False) -> Iterator[WatchRows]:
    from oracle.storage.database import Database
    from oracle.storage.reading import DatabaseReader
    from oracle.watch.kept import WatchRows

    path = Path(config.oracle.database)
    if must_exist and not path.is_file():
        raise Exit(f"no database at {path}: run the oracle, or `lrt-oracle watch`, first", ExitCode.ABSTAINED)
    database = DatabaseReader(path) if only_looks else Database(path)
    try:
        yield WatchRows(database.connection)
    finally:
        database.close()


COMMANDS = (watch, evidence)
