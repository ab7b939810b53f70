"""Bytecode that the tests of pools need beside the demo's: other packages' artifacts, and our own small caller."""

from __future__ import annotations

import json
import re
import subprocess
from functools import lru_cache
from pathlib import Path

from demo.world import npm
from demo.world.npm import NpmArtifact

HERE = Path(__file__).parent
MODULES = npm.ROOT / "node_modules"
_LIBRARY = re.compile(r"__\$[0-9a-f]{34}\$__")
_COMPILE = """
const solc = require("solc"), fs = require("fs");
const name = process.argv[1];
const input = {language: "Solidity", sources: {[name]: {content: fs.readFileSync(0, "utf8")}}, settings: {
  evmVersion: "cancun", optimizer: {enabled: true}, outputSelection: {"*": {"*": ["abi", "evm.bytecode.object"]}}}};
const out = JSON.parse(solc.compile(JSON.stringify(input)));
const bad = (out.errors ?? []).filter((e) => e.severity === "error");
if (bad.length) { console.error(bad.map((e) => e.formattedMessage).join("\\n")); process.exit(1); }
const made = out.contracts[name][name];
console.log(JSON.stringify({abi: made.abi, bytecode: "0x" + made.evm.bytecode.object}));
"""


def caller() -> NpmArtifact:
    """``PoolCaller.sol``."""
    return compiled("PoolCaller")


@lru_cache(maxsize=4)
def compiled(name: str) -> NpmArtifact:
    """A contract of this folder, compiled with the solc of node_modules."""
    source = (HERE / f"{name}.sol").read_text()
    made = subprocess.run(
        ["node", "-e", _COMPILE, name],
        input=source, capture_output=True, text=True, check=True, cwd=npm.ROOT,
    ).stdout  # fmt: skip
    raw = json.loads(made)
    return NpmArtifact(abi=raw["abi"], bytecode=raw["bytecode"])


def hardhat(package: str, name: str) -> NpmArtifact:
    """Contract ``name`` of a package with Hardhat's layout."""
    return npm.read(MODULES / package / "artifacts" / "contracts" / f"{name}.sol" / f"{name}.json")


def truffle(package: str, name: str) -> NpmArtifact:
    """Contract ``name`` of one of Uniswap's version 2 packages."""
    return _marked(npm.read(MODULES / package / "build" / f"{name}.json"))


def balancer(task: str, name: str) -> NpmArtifact:
    """Contract ``name`` of a deployment task of Balancer v2, the old ones included, whose bytecode has no mark."""
    return _marked(npm.balancer(task, name))


def linked(artifact: NpmArtifact, library: str) -> NpmArtifact:
    """The artifact with its one library put in, by address."""
    return NpmArtifact(abi=artifact.abi, bytecode=_LIBRARY.sub(library[2:].lower(), artifact.bytecode))


def _marked(raw: NpmArtifact) -> NpmArtifact:
    return NpmArtifact(abi=raw.abi, bytecode="0x" + raw.bytecode.removeprefix("0x"))


def foundry(package: str, name: str, variant: str = "") -> NpmArtifact:
    """Contract ``name`` of a package with Foundry's layout."""
    raw = json.loads((MODULES / package / "foundry-out" / f"{name}.sol" / f"{name}{variant}.json").read_bytes())
    return NpmArtifact(abi=raw["abi"], bytecode=raw["bytecode"]["object"])
