"""What is in the way of a demo is told before anything is made."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from demo.main import unfit
from demo.testbed import Options


@pytest.mark.loopback
def test_a_port_that_is_taken_and_a_folder_with_keys_are_told_first(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert "write another one" in unfit(Options(seconds=0, scenario="calm", port=port, folder=tmp_path))
    assert unfit(Options(seconds=0, scenario="calm", port=port, folder=tmp_path)) == ""
    (tmp_path / "alpha.key.json").touch()
    assert "write another --folder" in unfit(Options(seconds=0, scenario="calm", port=port, folder=tmp_path))
