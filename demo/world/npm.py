"""Unmodified contracts of other protocols, read from the installed npm packages.

They are inputs of the demo and of the tests, installed by ``npm`` and not part of this project.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from feeds.errors import LrtOracleError

ROOT = Path(__file__).resolve().parents[2]
_OWN = Path(__file__).resolve().parents[1] / "artifacts"
_MULTICALL3 = re.compile(r"multicall3Bytecode\s*=\s*'(0x[0-9a-f]+)'")


NODE_MODULES = "LRT_ORACLE_NODE_MODULES"
"""Variable with the folder of the packages, where there is no checkout."""
DEMO_PACKAGES = {
    "@aave/core-v3": "1.19.3",
    "@balancer-labs/v2-deployments": "3.2.0",
    "@foundry-rs/anvil": "1.7.1",
    "@uniswap/v3-core": "1.0.1",
    "@uniswap/v3-periphery": "1.4.4",
    "viem": "2.38.0",
}
"""What the demo runs, as package.json has it: contracts that it deploys, and the local chain. Its story of stake needs a checkout."""


def node_modules() -> Path:
    """Folder of the packages: the one that the variable names, else the checkout's."""
    named = os.environ.get(NODE_MODULES)
    return Path(named) if named else ROOT / "node_modules"


def how_to_install() -> str:
    """The one command that brings the packages, in a checkout or beside an installed wheel."""
    if (ROOT / "package.json").is_file():
        return f"run `make setup-demo` in {ROOT}"
    packages = " ".join(f"{name}@{version}" for name, version in DEMO_PACKAGES.items())
    command = f"npm install --prefix ~/lrt-oracle-demo --legacy-peer-deps --ignore-scripts --omit=peer {packages}"
    return f"run `{command}` (Node 20 or later), then the demo with {NODE_MODULES}=~/lrt-oracle-demo/node_modules"


class MissingPackage(LrtOracleError, RuntimeError):
    """An npm package, or a file of it, is not installed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        super().__init__(f"{path} is missing: {how_to_install()}")


@dataclass(frozen=True, slots=True)
class NpmArtifact:
    """A compiled contract: its ABI and its creation code (hex with 0x)."""

    abi: list[dict[str, Any]]
    bytecode: str


def read(path: Path) -> NpmArtifact:
    """Read a JSON artifact that has the keys ``abi`` and ``bytecode``; MissingPackage if there is no such file."""
    try:
        raw = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise MissingPackage(path) from None
    return NpmArtifact(abi=raw["abi"], bytecode=raw["bytecode"])


def own(name: str) -> NpmArtifact:
    """Contract ``name`` of the demo itself, from ``demo/artifacts``."""
    return read(_OWN / f"{name}.json")


@dataclass(frozen=True, slots=True)
class NpmPackages:
    """The packages installed in a ``node_modules`` folder. Every method raises MissingPackage for a file that is not there."""

    folder: Path

    def uniswap(self, package: str, name: str) -> NpmArtifact:
        """Contract ``name`` of ``@uniswap/package`` (``v3-core`` or ``v3-periphery``)."""
        return read(self.folder / "@uniswap" / package / "artifacts" / "contracts" / f"{name}.sol" / f"{name}.json")

    def balancer(self, task: str, name: str) -> NpmArtifact:
        """Contract ``name`` of a deployment task of Balancer v2."""
        tasks = self.folder / "@balancer-labs" / "v2-deployments" / "dist" / "tasks"
        return read(tasks / task / "artifact" / f"{name}.json")

    def aave(self, folder: str, name: str) -> NpmArtifact:
        """Contract ``name`` of Aave v3 below ``contracts/folder``."""
        core = self.folder / "@aave" / "core-v3" / "artifacts" / "contracts"
        return read(core / folder / f"{name}.sol" / f"{name}.json")

    def optimism(self, name: str) -> NpmArtifact:
        """Predeploy ``name`` of Optimism's first system (pre-Bedrock)."""
        predeploys = self.folder / "@eth-optimism" / "contracts" / "artifacts" / "contracts" / "L2" / "predeploys"
        return read(predeploys / f"{name}.sol" / f"{name}.json")

    def symbiotic(self, name: str) -> NpmArtifact:
        """Contract ``name`` of Symbiotic's core v1 or rewards: the package of the rewards carries both, compiled."""
        path = self.folder / "@symbioticfi" / "rewards" / "out" / f"{name}.sol" / f"{name}.json"
        try:
            raw = json.loads(path.read_bytes())
        except FileNotFoundError:
            raise MissingPackage(path) from None
        return NpmArtifact(abi=raw["abi"], bytecode=raw["bytecode"]["object"])

    def multicall3(self) -> str:
        """Creation code of Multicall3 (hex with 0x)."""
        path = self.folder / "viem" / "constants" / "contracts.ts"
        try:
            bytecode = _MULTICALL3.search(path.read_text())
        except FileNotFoundError:
            raise MissingPackage(path) from None
        if bytecode is None:
            raise MissingPackage(path)
        return bytecode.group(1)


_INSTALLED = NpmPackages(node_modules())
uniswap, balancer, aave = _INSTALLED.uniswap, _INSTALLED.balancer, _INSTALLED.aave
optimism, multicall3, symbiotic = _INSTALLED.optimism, _INSTALLED.multicall3, _INSTALLED.symbiotic
