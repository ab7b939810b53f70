from __future__ import annotations

from pathlib import Path

import pytest

from demo.world.npm import MissingPackage, NpmPackages


def test_a_missing_package_says_what_to_run(tmp_path: Path) -> None:
    packages = NpmPackages(tmp_path)
    with pytest.raises(MissingPackage, match="npm ci"):
        packages.balancer("20210418-vault", "Vault")
    with pytest.raises(MissingPackage, match="npm ci"):
        packages.multicall3()
