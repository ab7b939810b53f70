"""The laboratory as a regression test: every case's results are stored, and a change of them must be explained.

``lab/expected.json`` holds, for each case, the changes of our status, our figures, and the largest error of each peer; under
``facts`` as played from the facts typed in, under ``recorded`` as played from the recorded series, where a case uses one. The
newest decision record in ``docs/adr`` names the fingerprint of that file. ``python -m lab.regression --write [--data DIR]``
rewrites the file and prints what changed and the fingerprint, for the record.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lab.outcome.measure import OURS
from lab.outcome.replay import Replay, replay
from lab.scenario import case as cases

FILE = Path(__file__).parent / "expected.json"
_FINGERPRINT_DIGITS = 16
Stored = dict[str, dict[str, Any]]


def case_result(played: Replay) -> dict[str, Any]:
    """A case's results as they are stored: times in seconds since the case began."""
    ours = played.designs.get(OURS)
    return {
        "passed": played.passed,
        "refused": list(played.refused),
        "changes": [[c.t_ms // 1_000, c.after.word, *c.codes] for c in played.changes],
        "ours": ours.document() if ours else None,
        "peers_error_bps": {n: o.error_bps for n, o in played.designs.items() if n != OURS},
    }


def computed(data: Path | None) -> Stored:
    """All cases, now; ``recorded`` holds those that find a recorded series in the folder."""
    results: Stored = {"facts": {}, "recorded": {}}
    for name in cases.names():
        file = cases.CASES / f"{name}.toml"
        results["facts"][name] = case_result(replay(cases.load(file)))
        case = cases.load(file, data)
        if case.recorded:
            results["recorded"][name] = case_result(replay(case))
    return results


def stored() -> Stored:
    """The stored results."""
    results: Stored = json.loads(FILE.read_text(encoding="utf-8"))
    return results


def text_of(results: Stored) -> str:
    """The file's text."""
    return json.dumps(results, indent=1, sort_keys=True) + "\n"


def fingerprint(results: Stored) -> str:
    """The fingerprint that a decision record must name."""
    return hashlib.sha256(text_of(results).encode()).hexdigest()[:_FINGERPRINT_DIGITS]


def differences(old: Stored, new: Stored) -> list[str]:
    """A line for every figure that changed: case, figure, before, after."""
    rows: list[str] = []
    for part in ("facts", "recorded"):
        before, after = _flat(old.get(part, {})), _flat(new.get(part, {}))
        moved = sorted(k for k in before.keys() | after.keys() if before.get(k) != after.get(k))
        rows += [f"| {part} {k} | {before.get(k, 'absent')} | {after.get(k, 'absent')} |" for k in moved]
    return rows


def _flat(results: Mapping[str, Any]) -> dict[str, str]:
    out: dict[str, str] = {}
    for name, result in results.items():
        for key, value in result.items():
            pairs = value.items() if isinstance(value, dict) else [("", value)]
            out |= {f"{name} {key} {k}".strip(): json.dumps(v, sort_keys=True) for k, v in pairs}
    return out


def main() -> None:
    """Compare, and with ``--write`` store."""
    parser = argparse.ArgumentParser(prog="python -m lab.regression", description=__doc__)
    parser.add_argument("--write", action="store_true", help="store the cases' present results")
    parser.add_argument("--data", type=Path, help="folder of recorded series")
    options = parser.parse_args()
    old = stored() if FILE.is_file() else {"facts": {}, "recorded": {}}
    new = computed(options.data)
    if not new["recorded"]:
        new["recorded"] = old["recorded"]
    rows = differences(old, new)
    print("\n".join(rows) or "nothing changed")  # noqa: T201 - a command
    if options.write:
        FILE.write_text(text_of(new), encoding="utf-8")
        print(f"fingerprint {fingerprint(new)}: name it in a new record in docs/adr, with the reason")  # noqa: T201


if __name__ == "__main__":
    main()
