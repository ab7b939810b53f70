"""What keeps others from reaching this operator is told by `check`, before anything runs: files, ports, addresses, journals."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from oracle.check.check import check
from oracle.config.resolve import resolve
from oracle.config.sections import parse
from oracle.network.mesh.network_key import load_or_make
from tests.oracle.network.mesh.pem_files import write_pair

STORE = "0x" + "22" * 20
PEER = {"address": "0x" + "11" * 20, "url": "wss://alpha.example:8651"}


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    _, private_key = write_pair(tmp_path, "tls")
    private_key.chmod(0o600)
    load_or_make(Path("network.key"))
    Path("mine.db").touch()
    Path("mine.json").write_text("{}")
    Path("mine.json").chmod(0o600)
    return tmp_path


def told(**network: Any) -> tuple[list[str], list[str]]:
    """Errors and notes of a config that is right but for what is given; None leaves a key out."""
    keys = {
        "listen": "0.0.0.0:8651", "url": "wss://mine.example:8651", "certificate": "tls.pem", "private_key": "tls.key",
        "keyfile": "network.key", "peers": {"alpha": PEER}, **network,
    }  # fmt: skip
    sources = [{"type": "coinbase", "symbol": "ETH-USD"}, {"type": "kraken", "symbol": "ETH/USD"}]
    config = parse(
        {
            "feeds": {"ETH/USD": {"sources": sources}},
            "chains": {"local": {"chain_id": 31_337, "endpoints": ["http://127.0.0.1:1"]}},
            "targets": {"main": {"chain": "local", "store": STORE}},
            "operators": [{"name": "mine", "keyfile": "mine.json", "journal": "mine.db"}],
            "network": {k: v for k, v in keys.items() if v is not None},
        }
    )
    document = asyncio.run(check(resolve(config), offline=True, environ={}))
    return [f"{e['key']}: {e['text']}" for e in document["errors"]], document["notes"]


def test_what_is_right_is_no_matter() -> None:
    errors, notes = told()
    assert errors == []
    assert [n for n in notes if n.startswith(("network", "others may read")) or "journal" in n] == []


@pytest.mark.parametrize(
    ("spoil", "key", "says"),
    [
        (lambda: Path("tls.key").unlink(), "network.certificate", "tls.key cannot be read"),
        (lambda: Path("network.key").chmod(0o644), "network.keyfile", "run chmod 600 network.key"),
        (lambda: Path("network.key").write_text("none"), "network.keyfile", "is no network key"),
    ],
)
def test_a_file_that_keeps_the_process_from_starting_is_an_error(spoil: Callable[[], Any], key: str, says: str) -> None:
    spoil()
    errors, _ = told()
    assert [e for e in errors if e.startswith(key) and says in e], errors


@pytest.mark.parametrize(
    ("network", "says"),
    [
        ({"url": "wss://localhost:8651"}, "network.url: localhost is an address of this machine alone"),
        ({"url": "wss://10.1.2.3:8651"}, "network.url: 10.1.2.3 is an address of a private network"),
        ({"listen": "127.0.0.1:8651"}, "network.listen: 127.0.0.1 is an address of this machine alone"),
        ({"url": "wss://mine.example"}, "others dial port 443, this process listens at port 8651"),
        ({"listen": None, "url": None, "certificate": None, "private_key": None, "peers": {}}, "knows nobody to dial"),
    ],
)  # fmt: skip
def test_what_may_keep_others_away_is_a_note(network: dict[str, Any], says: str) -> None:
    errors, notes = told(**network)
    assert errors == []
    assert [n for n in notes if says in n], notes


def test_behind_a_proxy_address_and_port_are_the_proxys() -> None:
    errors, notes = told(
        behind_proxy=True, url="wss://mine.example", listen="127.0.0.1:8651", certificate=None, private_key=None
    )
    assert errors == []
    assert [n for n in notes if n.startswith("network")] == []


def test_a_secret_that_others_may_read_and_a_journal_that_is_not_there_are_notes() -> None:
    Path("mine.json").chmod(0o640)
    Path("mine.db").unlink()
    _, notes = told()
    assert "others may read mine.json: run chmod 600 mine.json" in notes
    assert [n for n in notes if n.startswith("operator mine: mine.db does not exist")]
