"""Commands for what must outlive a machine: sign journals that move, and backups."""

from __future__ import annotations

import os
from pathlib import Path

import click

from oracle.cli.shell import Exit, ExitCode, checked_config, print_result

_OPERATOR = click.option("--operator", "name", help="Whose journal; default: the only one of the config.")
_LOST = click.option(
    "--the-other-machine-is-lost", "other_is_lost", is_flag=True,
    help="The machine that the key moved to never comes back, nor its disk: otherwise the key signs twice, and is slashed.",
)  # fmt: skip
_SINGLE = "the machine that was lost must never start again with its key: both would sign, and the key is slashed"
_KEEP_SINGLE = "! copy neither this folder nor this machine until the file is imported: a clone would take it too, and sign beside this one"
_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")


@click.group()
def journal() -> None:
    """Sign journals: what a report key has signed moves with it to another machine."""


@journal.command()
@_OPERATOR
@_JSON
@click.pass_obj
def ticket(config_path: Path, /, *, name: str | None, as_json: bool) -> None:
    """On the new machine: make a journal that waits, and print the ticket to which the old one is exported.

    Copy neither its folder nor the machine between ticket and import: two whole clones would both take the file, and sign two things.
    """
    from oracle.assemble.journals import journal_seat
    from oracle.runtime.clock import now_ms
    from oracle.runtime.private_files import private_folder
    from oracle.sign.journal_moves import make_ticket

    seat = journal_seat(checked_config(config_path).config, name, os.environ)
    private_folder(seat.path.parent)
    with seat.alone() as witness:
        drawn = make_ticket(seat.path, seat.address, witness=witness, now_ms=now_ms()).hex()
    click.echo(_KEEP_SINGLE, err=True)  # not among what a script reads
    document = {"operator": seat.name, "address": f"0x{seat.address.hex()}", "journal": str(seat.path), "ticket": drawn}
    print_result(as_json, document, [drawn])


def _drawn(_: click.Context, __: click.Parameter, text: str | None) -> bytes | None:
    from oracle.sign.journal_ticket import TICKET_BYTES

    try:
        drawn = None if text is None else bytes.fromhex(text.strip())
    except ValueError:
        drawn = b""
    if drawn is not None and len(drawn) != TICKET_BYTES:
        raise click.BadParameter("write the ticket as `lrt-oracle journal ticket` prints it on the new machine")
    return drawn


@journal.command("export")
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--to", "drawn", metavar="TICKET", callback=_drawn, help="Ticket of the new machine: the journal is sealed."
)
@click.option("--copy", "as_copy", is_flag=True, help="Seal nothing: who imports it is mute for a while.")
@_OPERATOR
@_JSON
@click.pass_obj
def journal_export(
    config_path: Path, /, *, file: Path, drawn: bytes | None, as_copy: bool, name: str | None, as_json: bool
) -> None:
    """On the old machine: write what a key has signed to FILE, and seal its journal. It never signs here again."""
    from oracle.assemble.journals import journal_seat
    from oracle.runtime.clock import now_ms
    from oracle.sign.journal_moves import export_journal

    if (drawn is None) == (not as_copy):
        text = "either --to the ticket that `lrt-oracle journal ticket` prints on the new machine, or --copy"
        raise Exit(text, ExitCode.USAGE)
    seat = journal_seat(checked_config(config_path).config, name, os.environ)
    with seat.alone() as witness:
        document = export_journal(
            seat.path, seat.address, file, ticket=drawn or b"", witness=witness, now_ms=now_ms(),
            window_s=seat.window_s, known_s=seat.known_s(),
        )  # fmt: skip
    shown = {
        "operator": seat.name, "address": f"0x{seat.address.hex()}", "file": str(file), "sealed": bool(document.ticket),
        "newest_round": document.last_round_s, "lines": len(document.rounds), "epochs": len(document.epochs),
        "votes": len(document.votes), "whole": document.mute_confirmed,
    }  # fmt: skip
    sealed = (
        "sealed: this machine signs nothing with it any more" if document.ticket else "a copy: the journal stays open"
    )
    rows = [f"{len(document.rounds)} lines up to round {document.last_round_s} in {file}", sealed]
    if not document.mute_confirmed:
        rows.append("the journal was restored, or is mute: the key is mute for a while on the new machine too")
    print_result(as_json, shown, rows)


@journal.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--as-copy", is_flag=True, help="Nothing signs with this key any more: take it as a copy, and be mute for a while."
)
@_LOST
@_OPERATOR
@_JSON
@click.pass_obj
def journal_import(
    config_path: Path, /, *, file: Path, as_copy: bool, other_is_lost: bool, name: str | None, as_json: bool
) -> None:
    """On the new machine: take over what a key has signed, from the FILE that was exported to this journal's ticket."""
    from oracle.assemble.journals import journal_seat
    from oracle.runtime.clock import now_ms
    from oracle.sign.interchange import from_json
    from oracle.sign.journal_moves import import_journal

    if other_is_lost and not as_copy:
        raise Exit(
            "--the-other-machine-is-lost goes with --as-copy: only a copy is taken instead of it", ExitCode.USAGE
        )
    seat = journal_seat(checked_config(config_path).config, name, os.environ)
    document = from_json(file.read_text(encoding="utf-8"))
    with seat.alone() as witness:
        import_journal(
            seat.path, document, seat.address, witness=witness, now_ms=now_ms(), mute_ms=seat.mute_ms, as_copy=as_copy,
            other_is_lost=other_is_lost,
        )  # fmt: skip
    waits_s = 0 if document.mute_confirmed and not as_copy else seat.mute_ms // 1_000
    shown = {"operator": seat.name, "address": f"0x{seat.address.hex()}", "journal": str(seat.path), "mute_s": waits_s}
    text = f"mute for {waits_s} s of a confirmed time after the start" if waits_s else "signs from the next round on"
    rows = [f"{seat.path} knows {len(document.rounds)} lines; the operator {text}"]
    print_result(as_json, shown, [*rows, _SINGLE] if other_is_lost else rows)


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@_JSON
@click.pass_obj
def backup(config_path: Path, file: Path, as_json: bool) -> None:
    """Write database and copies of the journals to FILE (.tar.gz), while the process runs. No keys are in it."""
    from oracle.assemble.backups import back_up

    manifest = back_up(checked_config(config_path).config, file, os.environ)
    rows = [f"{file}: database, and journals of {', '.join(o['name'] for o in manifest['operators']) or 'nobody'}"]
    print_result(as_json, {"file": str(file), **manifest}, [*rows, "not in it: keyfiles, certificates, the config"])


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@_LOST
@_JSON
@click.pass_obj
def restore(config_path: Path, file: Path, *, other_is_lost: bool, as_json: bool) -> None:
    """Put a backup back where nothing is: the database, and journals as copies, whose keys are mute for a while at first."""
    from oracle.assemble.backups import restore as put_back

    manifest = put_back(checked_config(config_path).config, file, os.environ, other_is_lost=other_is_lost)
    names = ", ".join(o["name"] for o in manifest["operators"])
    rows = [f"database of {manifest['made']} restored"]
    if names:
        rows.append(f"mute at first, until nothing that they signed since can be pushed any more: {names}")
    if other_is_lost:
        rows.append(_SINGLE)
    print_result(as_json, {"file": str(file), **manifest}, rows)


COMMANDS = (journal, backup, restore)
