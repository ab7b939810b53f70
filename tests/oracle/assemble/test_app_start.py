"""A process that cannot start closes what it has opened."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest

from oracle.app import App
from oracle.build import build
from oracle.runtime.listening import CannotListen
from tests.oracle.assemble.open_files import left_open
from tests.oracle.assemble.small_config import small_config


@pytest.mark.loopback
async def test_where_its_port_is_taken_it_closes_everything(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        api = {"host": "127.0.0.1", "port": taken.getsockname()[1]}
        app = App(build(small_config(tmp_path / "o.db", api=api), environ={}))
        assert left_open(tmp_path), "the control: it has its database open"
        with pytest.raises(CannotListen, match=r"api: another program listens at 127\.0\.0\.1:\d+ already"):
            await app.run(asyncio.Event())
    assert left_open(tmp_path) == []
