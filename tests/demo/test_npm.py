from __future__ import annotations

from pathlib import Path

import pytest

from demo.world import npm


def test_a_missing_package_says_what_to_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(npm, "_MODULES", tmp_path)
    with pytest.raises(npm.MissingPackage, match="npm ci"):
        npm.balancer("20210418-vault", "Vault")
    with pytest.raises(npm.MissingPackage, match="npm ci"):
        npm.multicall3()
