"""One local chain with pools that live and pools that died, for every test of the catalogue; none changes it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from demo.world import anvil
from demo.world.deploy import backdated
from tests.oracle.check.catalog_site import CatalogSite, build


@pytest.fixture(scope="session")
def catalogued() -> Iterator[CatalogSite]:
    with anvil.running(extra=backdated()) as node:
        yield asyncio.run(build(node.url))
