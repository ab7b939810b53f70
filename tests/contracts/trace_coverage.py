"""Which lines and branches of the contracts the tests run, by traces of every call and the compiler's source maps.

``LRT_ORACLE_CONTRACT_COVERAGE=FILE pytest tests/contracts -n0`` traces every call and transaction that a test makes on its
node, or that `mirror` makes beside the EVM in this process (then with ``--force-enable-socket``), and adds to FILE what ran;
``python tests/contracts/trace_coverage.py FILE [FOLDER]`` reports, of sources in FOLDER only; files of several runs are joined
with ``cat``. Measured on the code as shipped, optimised; what runs only in a constructor is not counted, neither as there nor
as run.

A line counts if code was made of a statement that begins there. A branch is a conditional jump that the compiler made of an
if, for, &&, || or ?: in the source; it is run if both ways were taken.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent.parent
FILE = os.environ.get("LRT_ORACLE_CONTRACT_COVERAGE", "")
_CALLS = {"CALL": -2, "STATICCALL": -2, "DELEGATECALL": -2, "CALLCODE": -2}
_OPTIONS = {"disableStorage": True, "disableMemory": True, "enableMemory": False}
_NAMES: dict[str, str] = {}
_KEPT: set[tuple[str, int, int]] = set()
_BRANCH = re.compile(r"^(if|for|while)\b|&&|\|\||\?")
_HEAD = re.compile(r"^\s*(abstract|contract|function|modifier|constructor|interface|library|fallback)\b")


def know(address: str, name: str) -> None:
    """A contract of ours is at this address."""
    _NAMES[address.lower()] = name


def watch(provider: Any) -> None:
    """Trace whatever goes through the provider from now on."""
    if not FILE or hasattr(provider, "is_traced"):
        return
    ask, provider.is_traced = provider.make_request, True

    def traced(method: str, params: Any) -> Any:
        answer = ask(method, params)
        if method in ("eth_call", "eth_estimateGas"):  # a transaction's gas is estimated before it is sent
            call = {k: v for k, v in dict(params[0]).items() if k not in ("gas", "nonce")}
            at = {"blockOverrides": params[3]} if len(params) > 3 else {}
            _record(call.get("to"), ask("debug_traceCall", [call, "latest", _OPTIONS | at]))
        return answer

    provider.make_request = traced


def _record(to: str | None, answer: Any) -> None:
    """Add what ran to the file."""
    keep(walk((answer.get("result") or {}).get("structLogs") or [], to), lambda at: _NAMES.get(at.lower(), ""))


@dataclass
class Frame:
    """A call within a call: whose code runs, in whose name (empty: of what is being made), and the slots it writes."""

    code: str
    holder: str
    slots: list[int]
    makes: bool = False


@dataclass
class Walk:
    """What ran, what may have been written, whom something happened to, what was made."""

    ran: set[tuple[str, int, int]] = field(default_factory=set)
    slots: set[tuple[str, int]] = field(default_factory=set)
    accounts: set[str] = field(default_factory=set)
    made: set[str] = field(default_factory=set)
    at_top: list[int] = field(default_factory=list)
    """Slots of what the whole call makes, if it makes something."""

    def close(self, frame: Frame, holder: str) -> None:
        """A frame ended, and this is in whose name it ran."""
        self.slots |= {(holder, slot) for slot in frame.slots}
        self.accounts.add(holder)
        if frame.makes:
            self.made.add(holder)


def walk(steps: Sequence[Any], to: str | None) -> Walk:  # noqa: C901 - one pass over millions of steps
    """Go along a trace: address of the code, place in it, the next place in the same frame if it is a conditional jump."""
    out, calling = Walk(), Frame("", "", [])
    frames = [Frame(to or "", to or "", out.at_top, makes=not to)]
    for step, after in zip(steps, [*steps[1:], None], strict=False):
        depth, op = step["depth"], step["op"]
        while len(frames) > depth:
            ended = frames.pop()
            made = int(step["stack"][-1], 16) if ended.makes and len(frames) == depth else 0
            if ended.holder or made:
                out.close(ended, ended.holder or f"0x{made:040x}")
        if len(frames) < depth:
            frames.append(calling)
        frame = frames[-1]
        if op in _CALLS:
            callee = "0x" + step["stack"][_CALLS[op]].removeprefix("0x").rjust(40, "0")[-40:]
            borrows = op in ("DELEGATECALL", "CALLCODE")
            calling = Frame(callee, frame.holder, frame.slots) if borrows else Frame(callee, callee, [])
            out.accounts.add(callee)
        elif op.startswith("CREATE"):
            calling = Frame("", "", [], makes=True)
        elif op == "SSTORE":
            frame.slots.append(int(step["stack"][-1], 16))
        if frame.code:
            jumped = after["pc"] if after and op == "JUMPI" and after["depth"] == depth else -1
            out.ran.add((frame.code, step["pc"], jumped))
    for frame in frames:
        if frame.holder:
            out.close(frame, frame.holder)
    return out


def keep(walked: Walk, name_of: Callable[[str], str]) -> None:
    """Add what ran to the file: name of the contract, place in its code, the next place in the same frame."""
    names = {code: name_of(code) for code in {code for code, _, _ in walked.ran}}
    seen = {(names[code], pc, after) for code, pc, after in walked.ran if names[code]} - _KEPT
    if seen:
        _KEPT.update(seen)
        with Path(FILE).open("a", encoding="utf-8") as out:
            out.write("".join(f"{n} {a} {b}\n" for n, a, b in sorted(seen)))


# ------------------------------------------------------------------------------------------------------------- report


def source_map(text: str) -> list[tuple[int, int, int]]:
    """Start, length and file of each instruction. Source: Solidity's documentation, source mappings."""
    out, last = [], ["0", "0", "-1"]
    for entry in text.split(";"):
        parts = entry.split(":")
        last = [(parts[i] if i < len(parts) and parts[i] else last[i]) for i in range(3)]
        out.append((int(last[0]), int(last[1]), int(last[2])))
    return out


def places(code: bytes) -> list[int]:
    """The place of each instruction in the code."""
    out, at = [], 0
    while at < len(code):
        out.append(at)
        at += 1 + (code[at] - 0x5F if 0x60 <= code[at] <= 0x7F else 0)
    return out


def report(file: Path, folder: str = "") -> dict[str, tuple[int, int, int, int, list[int]]]:
    """By source file: lines run and there, branches run and there, lines that never ran."""
    ran: dict[str, dict[int, set[int]]] = defaultdict(lambda: defaultdict(set))
    for line in file.read_text("utf-8").splitlines():
        name, pc, after = line.split()
        ran[name][int(pc)].add(int(after))
    lines: dict[str, dict[int, bool]] = defaultdict(dict)
    branches: dict[str, dict[tuple[int, int], set[bool]]] = defaultdict(lambda: defaultdict(set))
    for artifact in sorted((ROOT / "contracts" / "artifacts").glob("*.json")):
        made = json.loads(artifact.read_text("utf-8"))
        if made.get("runtime") and made["source"].startswith(folder):
            _add(made["name"], made["source"], ran[made["name"]], lines, branches)
    out = {}
    for source, found in sorted(lines.items()):
        ways = branches[source]
        both = sum(len(w) == 2 for w in ways.values())
        never = sorted(n for n, was in found.items() if not was)
        out[source] = (sum(found.values()), len(found), both, len(ways), never)
    return out


def _add(name: str, file: str, ran: dict[int, set[int]], lines: Any, branches: Any) -> None:
    command = ["node", "contracts/solc.mjs", file, "--combined-json", "all"]
    made = json.loads(subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout)
    one = made["contracts"][f"{file}:{name}"]
    code = bytes.fromhex(one["bin-runtime"])
    texts = {i: (ROOT / s).read_bytes() for i, s in enumerate(made["sourceList"])}
    for pc, (start, length, unit) in zip(places(code), source_map(one["srcmap-runtime"]), strict=False):
        if unit not in texts:
            continue
        body = texts[unit][start : start + length].decode()
        source, line = made["sourceList"][unit], texts[unit][:start].count(b"\n") + 1
        if _HEAD.match(body):
            continue
        lines[source][line] = lines[source].get(line, False) or pc in ran
        if code[pc] == 0x57 and _BRANCH.search(body.split("{")[0]):
            branches[source][start, length] |= {after == pc + 1 for after in ran.get(pc, ()) if after >= 0}


if __name__ == "__main__":
    total = [0, 0, 0, 0]
    for source, (run, there, both, ways, never) in report(Path(sys.argv[1]), *sys.argv[2:3]).items():
        total = [a + b for a, b in zip(total, (run, there, both, ways), strict=True)]
        sys.stdout.write(f"{source:44} lines {run:3}/{there:3}  branches {both:3}/{ways:3}  never {never}\n")
    sys.stdout.write("all: lines {}/{}, branches {}/{}\n".format(*total))
