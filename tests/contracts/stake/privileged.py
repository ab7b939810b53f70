"""Which functions of the stake contracts not everybody may call, by their sources: whatever looks at its caller to refuse it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import contracts

ROOT = Path(contracts.__file__).parent
_COMMENTS = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)
_HEADS = re.compile(r"^(?:abstract )?contract (\w+)(?: is ([^{]+))?\s*\{", re.MULTILINE)
_PARTS = re.compile(r"\b(function|modifier)\s+(\w+)\s*(?:\(([^)]*)\))?([^{};]*)\{")
_COMPARED = re.compile(r"[!=]=\s*msg\.sender|msg\.sender\s*[!=]=|\bis(?!Candidate\b)\w+[\[(]msg\.sender")
"""The caller is held against somebody, or looked up in a list of those who may: not only used as whose own matter it is, as
whether an operator has joined."""
_CALLED = re.compile(r"\b(_\w+)\s*\(")


@cache
def _sources() -> Mapping[str, tuple[tuple[str, ...], Mapping[str, tuple[str, str]]]]:
    """Of each contract: what it inherits, and of its functions and modifiers what follows their arguments, and their body."""
    found = {}
    for path in sorted((ROOT / "stake").rglob("*.sol")):
        text = _COMMENTS.sub("", path.read_text(encoding="utf-8"))
        for head in _HEADS.finditer(text):
            bases = tuple(re.sub(r"\(.*", "", b).strip() for b in (head[2] or "").split(","))
            body = _block(text, head.end())
            parts = {m[2]: (m[4], _block(body, m.end())) for m in _PARTS.finditer(body)}
            found[head[1]] = (bases, parts)
    return found


def _block(text: str, start: int) -> str:
    """From behind a bracket to the one that closes it."""
    depth, at = 1, start
    while depth:
        depth += {"{": 1, "}": -1}.get(text[at], 0)
        at += 1
    return text[start : at - 1]


def _part(contract: str, name: str) -> tuple[str, str] | None:
    """A function or modifier, of the contract or of what it inherits."""
    if contract not in _sources():
        return None
    bases, parts = _sources()[contract]
    if name in parts:
        return parts[name]
    return next((p for b in reversed(bases) if (p := _part(b, name)) is not None), None)


def _refuses(contract: str, name: str, seen: frozenset[str] = frozenset()) -> bool:
    """Whether the function, one of its modifiers, or what it calls inside holds the caller against somebody."""
    part = _part(contract, name)
    if part is None or name in seen:
        return False
    head, body = part
    if _COMPARED.search(body):
        return True
    within = {*re.findall(r"\b(?!returns|override|external|public|payable|virtual)(\w+)", head), *_CALLED.findall(body)}
    return any(_refuses(contract, w, seen | {name}) for w in within)


def deployed() -> tuple[str, ...]:
    """Contracts of stake that are deployed: those that inherit nothing abstract that is missing, and are in no other's bases."""
    inherited = {b for bases, _ in _sources().values() for b in bases}
    return tuple(c for c in _sources() if c not in inherited and contracts.load(c).bytecode)


def privileged() -> set[str]:
    """As Contract.function."""
    return {
        f"{contract}.{entry['name']}"
        for contract in deployed()
        for entry in contracts.load(contract).abi
        if entry["type"] == "function" and entry["stateMutability"] not in ("view", "pure")
        if _refuses(contract, entry["name"])
    }
