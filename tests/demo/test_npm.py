from __future__ import annotations

import json
from pathlib import Path

import pytest

from demo.world import npm
from demo.world.npm import MissingPackage, NpmPackages


def test_a_missing_package_says_what_to_run(tmp_path: Path) -> None:
    packages = NpmPackages(tmp_path)
    with pytest.raises(MissingPackage, match="make setup-demo"):
        packages.balancer("20210418-vault", "Vault")
    with pytest.raises(MissingPackage, match="make setup-demo"):
        packages.multicall3()


def test_the_command_beside_an_installed_wheel_brings_what_package_json_has() -> None:
    manifest = json.loads((npm.ROOT / "package.json").read_text(encoding="utf-8"))
    anvil = {v for name, v in manifest["optionalDependencies"].items() if name.startswith("@foundry-rs/anvil-")}
    assert anvil == {npm.DEMO_PACKAGES["@foundry-rs/anvil"]}
    of_checkouts = {"@symbioticfi/rewards"}
    listed = manifest["dependencies"].items()
    assert {n: v for n, v in listed if n not in of_checkouts} == {
        n: v for n, v in npm.DEMO_PACKAGES.items() if n != "@foundry-rs/anvil"
    }


def test_without_a_checkout_one_line_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(npm, "ROOT", tmp_path)
    said = npm.how_to_install()
    assert "\n" not in said
    assert "npm install --prefix" in said
    assert "viem@" in said
    assert npm.NODE_MODULES in said
    monkeypatch.setenv(npm.NODE_MODULES, str(tmp_path / "elsewhere"))
    assert npm.node_modules() == tmp_path / "elsewhere"
