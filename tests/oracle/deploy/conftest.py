"""Desks on a local chain, and on one that counts as real."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.oracle.deploy.deploy_desk import DeployDesk, running_desk


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[DeployDesk]:
    yield from running_desk(tmp_path, monkeypatch)


@pytest.fixture
def real(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[DeployDesk]:
    yield from running_desk(tmp_path, monkeypatch, chain_id=4_242)
