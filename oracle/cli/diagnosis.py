"""`lrt-oracle doctor`: what is wrong with a set-up, and what to do."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import click

from oracle.cli.shell import Exit, ExitCode, checked_config, comma_list, print_result


@click.command()
@click.option("--only", callback=comma_list, help="Only these looks, comma separated: clock,disk,gas,...")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_obj
def doctor(config_path: Path, /, *, only: list[str] | None, as_json: bool) -> None:
    """Look through machine, keys, journals, database, endpoints, sources, stores, gas and peers, each finding with what to do.

    Beside a running process or without one; nothing is changed. Exit status: 0 all is well, 3 a warning, 1 something critical.
    """
    from oracle.doctor.examine import Examination
    from oracle.doctor.findings import Severity, finding_lines, worst
    from oracle.model.suggest import nearest

    examination = Examination(checked_config(config_path, network=True), os.environ)
    for name in only or ():
        if name not in examination.checks:
            raise Exit(f"{name!r} is not a look; {nearest(name, examination.checks)}", ExitCode.USAGE)
    findings = asyncio.run(examination.run(only or ()))
    grade = worst(findings)
    document = {"worst": grade.word, "findings": [f.document() for f in findings]}
    print_result(as_json, document, finding_lines(findings))
    codes = {Severity.CRITICAL: ExitCode.FAILED, Severity.WARNING: ExitCode.ABSTAINED}
    sys.exit(codes.get(grade, ExitCode.DONE))


COMMANDS = (doctor,)
