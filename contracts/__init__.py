"""Solidity sources, and what they compile to: interfaces and bytecode, checked in and compared by CI."""

from __future__ import annotations

import difflib
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from feeds.errors import LrtOracleError

ARTIFACTS = Path(__file__).parent / "artifacts"


class UnknownArtifact(LrtOracleError, LookupError):
    """There is no such contract, or its artifact was not built."""


@dataclass(frozen=True, slots=True)
class Artifact:
    """A compiled contract: its interface, the code that deploys it, the code that is then on chain.

    An interface or an abstract contract has no code: both are empty. Immutables are zeros in ``runtime``; the JSON says
    where.
    """

    name: str
    abi: list[dict[str, Any]]
    bytecode: bytes
    runtime: bytes


@cache
def load(name: str, folder: Path | None = None) -> Artifact:
    """Read the artifact of a contract.

    Args:
        name: of the contract, such as ``PriceStore``.
        folder: where artifacts are; the project's own without it.

    Raises:
        UnknownArtifact: names the nearest that are there.
    """
    folder = folder or ARTIFACTS
    path = folder / f"{name}.json"
    if not path.is_file():
        known = sorted(p.stem for p in folder.glob("*.json"))
        near = " or ".join(difflib.get_close_matches(name, known))
        hint = f"did you mean {near}?" if near else f"there are: {', '.join(known) or 'none, run make artifacts'}"
        raise UnknownArtifact(f"no artifact of {name}: {hint}")
    data = json.loads(path.read_text(encoding="utf-8"))
    code, runtime = (bytes.fromhex(data.get(k, "0x").removeprefix("0x")) for k in ("bytecode", "runtime"))
    return Artifact(name=data["name"], abi=data["abi"], bytecode=code, runtime=runtime)
