"""Writes the table of the judge's rules in ``docs/methodology.md`` from the rules' own declarations: ``python -m lab.rules_table``."""

from __future__ import annotations

import argparse
from dataclasses import Field, fields
from pathlib import Path
from typing import Any

from lab.methodology import filled
from oracle.judge.evidence import JudgeRule
from oracle.judge.registry import RULES
from oracle.model.keys import key_of
from oracle.model.spec import Bands, Rules

PART = "rules"
_FIELDS: dict[str, Field[Any]] = {f.name: f for table in (Bands, Rules) for f in fields(table)}


def main() -> None:
    """Rewrite the table."""
    parser = argparse.ArgumentParser(prog="python -m lab.rules_table", description=__doc__)
    parser.add_argument("--docs", type=Path, default=Path("docs"))
    file = parser.parse_args().docs / "methodology.md"
    file.write_text(filled(file.read_text(encoding="utf-8"), {PART: rules_table()}), encoding="utf-8")


def rules_table() -> str:
    """One row for each rule, in the order of the registry."""
    rows = [f"| {rule.watches} | {_reasons(rule)} | {_thresholds(rule)} |" for rule in RULES]
    return "\n".join(["| a rule watches for | reason | keys and their defaults |", "|---|---|---|", *rows])


def _reasons(rule: JudgeRule) -> str:
    return ", ".join(reason.name for reason in rule.reasons) or "as of the other feed"


def _thresholds(rule: JudgeRule) -> str:
    return "; ".join([*(f"`{name}` {_default(name)}" for name in rule.keys), *([rule.note] if rule.note else [])])


def _default(name: str) -> str:
    """The default as the docs of the config state it."""
    field = _FIELDS[name]
    declared = key_of(field)
    if declared is not None and declared.follows is not None:
        return f"({declared.follows.words})"
    return f"({declared.shown})" if declared is not None and declared.shown else str(field.default)


if __name__ == "__main__":
    main()
