"""The public benchmark: cases as files, answers, and their score."""

from __future__ import annotations

from pathlib import Path

import click

from oracle.cli.shell import Exit, ExitCode, print_result

_FOLDER = click.Path(file_okay=False, path_type=Path)
_DATA = click.option(
    "--data",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder of recorded series; default: the facts typed in.",
)


@click.group()
def benchmark() -> None:
    """Run any oracle on the incidents of the laboratory, and score what it answered."""


@benchmark.command("export")
@click.argument("folder", type=_FOLDER)
@_DATA
def export_cases(folder: Path, data: Path | None) -> None:
    """Write the cases as files: FOLDER/CASE/case.json, quotes.csv, truth.csv."""
    from lab.benchmark.command import USAGE_ERRORS, exported

    try:
        names = exported(folder, data)
    except USAGE_ERRORS as e:
        raise Exit(str(e), ExitCode.USAGE) from None
    click.echo(f"{len(names)} cases in {folder}")


@benchmark.command("answers")
@click.argument("folder", type=_FOLDER)
@click.option("--design", "designs", default="all", show_default=True, help="Names with commas: lrt-oracle, pyth, ...")
@_DATA
def write_answers(folder: Path, designs: str, data: Path | None) -> None:
    """Write what we and the designs of others answer: FOLDER/DESIGN/CASE.csv."""
    from lab.benchmark.command import USAGE_ERRORS, answered

    try:
        names = answered(folder, designs, data)
    except USAGE_ERRORS as e:
        raise Exit(str(e), ExitCode.USAGE) from None
    click.echo(f"answers of {', '.join(names)} in {folder}")


@benchmark.command("score")
@click.argument("cases", type=_FOLDER)
@click.argument("answers", type=_FOLDER, nargs=-1, required=True)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def score_answers(cases: Path, answers: tuple[Path, ...], as_json: bool) -> None:
    """Score folders of answers, each with a CASE.csv for each case: time, price, spread_bps, state."""
    from lab.benchmark.command import USAGE_ERRORS, scored

    try:
        document, rows = scored(cases, answers)
    except USAGE_ERRORS as e:
        raise Exit(str(e), ExitCode.USAGE) from None
    print_result(as_json, document, rows)


COMMANDS = (benchmark,)
