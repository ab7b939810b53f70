from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from oracle.sign.eip712 import address_of
from oracle.sign.sign_journal import SignJournal
from oracle.storage.database import Database
from tests.oracle.check.push_site import KEYS, Site, running_site


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def site(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    async with running_site(tmp_path_factory.mktemp("ill")) as made:
        yield made


@pytest.fixture
def healthy(site: Site, tmp_path: Path) -> dict[str, Any]:
    """A set-up with which nothing is wrong, its files in a folder of its own."""
    table = site.config()
    table["oracle"] = {"database": str(tmp_path / "o.db"), "witness": str(tmp_path / "witness")}
    Database(tmp_path / "o.db").close()
    for i, operator in enumerate(table["operators"]):
        operator["journal"] = str(tmp_path / f"{i}.db")
        keyfile = tmp_path / f"{i}.json"
        shutil.copy(operator["keyfile"], keyfile)
        keyfile.chmod(0o600)
        operator["keyfile"] = str(keyfile)
        SignJournal(Path(operator["journal"]), address_of(KEYS[i]), now_ms=0, mute_ms=0, newborn=True).close()
    return table
