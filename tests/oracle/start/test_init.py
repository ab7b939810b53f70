"""`lrt-oracle init`: whatever it makes passes the check, holds no secret, and is never laid over what is there."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import re
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from oracle.config.sections import load
from oracle.sign.keyfiles import checksum_address
from oracle.sign.keyfiles import load as load_key
from oracle.start.shipped_feeds import chain_names, chosen_feeds, feeds_on, feeds_part
from tests.oracle.cli.command import run

ROOT = Path(__file__).resolve().parents[3]
NOBODY = "http://127.0.0.1:1/"
OFFLINE = ("--endpoint", NOBODY, "--offline")
STORE = "0x" + "12" * 20
PASSPHRASE = "a passphrase of the test"


def made(folder: Path, *args: str) -> dict[str, Any]:
    done = run("init", str(folder), *args, "--json")
    assert done.exit_code == 0, done.output
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def refused(*args: str) -> str:
    done = run("init", *args)
    assert done.exit_code == 2, done.output
    return done.stderr


def checked(folder: Path) -> dict[str, Any]:
    done = run("--config", str(folder / "config.toml"), "check", "--offline", "--json")
    assert done.exit_code == 0, done.output
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_packaged_feeds_are_those_of_the_config() -> None:
    config = (ROOT / "config.toml").read_text(encoding="utf-8")
    assert (ROOT / "oracle" / "start" / "feeds.toml").read_text(encoding="utf-8") == feeds_part(config)
    read = load(ROOT / "config.toml").feeds
    assert set(feeds_on("ethereum")) == {name for name, feed in read.items() if not feed.off}


@pytest.mark.parametrize("chain", chain_names())
def test_what_is_made_passes_the_check(chain: str, tmp_path: Path) -> None:
    folder = tmp_path / "new" / "place"
    document = made(folder, "--chain", chain, *OFFLINE)
    report = checked(folder)
    assert [f["feed"] for f in report["feeds"]]
    assert len(report["feeds"]) == len(document["feeds"])
    assert mode(folder) == mode(folder / "data") == 0o700
    assert mode(folder / "config.toml") == 0o600
    assert sorted(p.name for p in folder.iterdir()) == ["config.toml", "data"]


@pytest.mark.parametrize("name", sorted(feeds_on("ethereum")))
def test_each_feed_comes_with_all_that_it_needs(name: str, tmp_path: Path) -> None:
    document = made(tmp_path, "--feed", name, *OFFLINE)
    assert name in document["feeds"]
    report = checked(tmp_path)
    alone = {f["feed"]: f["groups"] for f in report["feeds"]}
    assert set(alone) == set(document["feeds"])


def test_a_cross_needs_its_legs_and_their_quotes() -> None:
    names = [f.name for f in chosen_feeds("ethereum", ["rETH/USD"])]
    assert {"rETH/USD", "rETH/ETH", "ETH/USD", "USDT/USD", "wstETH/ETH"} <= set(names)
    assert "cbETH/ETH" not in names


def test_an_operator_gets_a_key_that_may_sign_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LRT_ORACLE_PASSPHRASE", PASSPHRASE)
    document = made(tmp_path, "--operator", "--target", STORE, *OFFLINE)
    assert checked(tmp_path)["errors"] == []
    config = load(tmp_path / "config.toml")
    (operator,) = config.operators
    key = load_key(Path(operator.keyfile or ""), "LRT_ORACLE_PASSPHRASE")
    assert checksum_address(key) == document["address"]
    assert mode(Path(operator.keyfile or "")) == mode(Path(operator.journal)) == 0o600
    assert config.targets["ethereum"].store == STORE
    text = (tmp_path / "config.toml").read_text(encoding="utf-8")
    assert PASSPHRASE not in text
    assert key.secret.hex() not in text


def test_the_passphrase_may_come_from_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "word").write_text(f"{PASSPHRASE}\n")
    monkeypatch.setenv("LRT_ORACLE_PASSPHRASE_FILE", str(tmp_path / "word"))
    made(tmp_path / "new", "--operator", *OFFLINE)
    assert load_key(tmp_path / "new" / "data" / "mine.key.json", "X", {"X": PASSPHRASE}).secret


def test_without_a_passphrase_nothing_is_made(tmp_path: Path) -> None:
    assert "set LRT_ORACLE_PASSPHRASE, or" in refused(str(tmp_path / "new"), "--operator", *OFFLINE)
    assert not (tmp_path / "new").exists()


def test_without_a_key_the_config_says_how_to_add_one(tmp_path: Path) -> None:
    assert made(tmp_path, "--operator", "--key", "none", *OFFLINE)["address"] is None
    checked(tmp_path)
    text = (tmp_path / "config.toml").read_text(encoding="utf-8")
    assert f"lrt-oracle keys new {tmp_path}/data/mine.key.json --journal {tmp_path}/data/mine.journal.db" in text


@pytest.mark.parametrize(
    "url",
    [
        "https://rpc.example.org/v2/abcdefgh12345678",
        "https://user:word@rpc.example.org/",
        "https://rpc.example.org/?apikey=short",
    ],
)
def test_an_address_that_may_hold_a_key_is_not_in_the_config(url: str, tmp_path: Path) -> None:
    document = made(tmp_path, "--endpoint", url, "--offline")
    checked(tmp_path)
    (hidden,) = map(Path, document["hidden"])
    assert hidden.read_text(encoding="utf-8").strip() == url
    assert mode(hidden) == 0o600
    assert mode(hidden.parent) == 0o700
    assert url not in (tmp_path / "config.toml").read_text(encoding="utf-8")


def test_an_address_that_names_its_secret_stays_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_KEY", "abcdefgh12345678")
    url = "https://rpc.example.org/v2/${SOME_KEY}"
    assert made(tmp_path, "--endpoint", url, "--offline")["hidden"] == []
    assert load(tmp_path / "config.toml").chains["ethereum"].endpoints == (url,)
    assert "abcdefgh12345678" not in (tmp_path / "config.toml").read_text(encoding="utf-8")


def test_nothing_is_overwritten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LRT_ORACLE_PASSPHRASE", PASSPHRASE)
    made(tmp_path, "--operator", *OFFLINE)
    before = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    assert "exists and is never overwritten" in refused(str(tmp_path), *OFFLINE)
    (tmp_path / "config.toml").unlink()
    assert "mine.key.json exists and is never overwritten" in refused(str(tmp_path), "--operator", *OFFLINE)
    before.pop(tmp_path / "config.toml")
    assert {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()} == before


def test_a_file_with_an_address_is_not_overwritten_either(tmp_path: Path) -> None:
    url = "https://rpc.example.org/v2/abcdefgh12345678"
    made(tmp_path, "--endpoint", url, "--offline")
    (tmp_path / "config.toml").unlink()
    assert "ethereum-1 exists and is never overwritten" in refused(str(tmp_path), "--endpoint", url, "--offline")


@pytest.mark.parametrize(
    ("args", "says"),
    [
        ((), "give --endpoint"),
        (("--endpoint", "rpc.example.org"), "write http:// or https://"),
        (("--endpoint", "https://a.org", "--endpoint", "https://A.org:443/"), "these make no config"),
        (("--chain", "etherum", *OFFLINE), "did you mean 'ethereum'?"),
        (("--feed", "wstEHT/ETH", *OFFLINE), "did you mean 'wstETH/ETH'?"),
        (("--target", "0x12", *OFFLINE), "--target '0x12'"),
        (("--operator", "--name", "a b/../c", *OFFLINE), "--name"),
    ],
)
def test_what_makes_no_config_is_refused_with_what_to_write(args: tuple[str, ...], says: str, tmp_path: Path) -> None:
    assert says in refused(str(tmp_path / "new"), *args)
    assert not (tmp_path / "new").exists()


def test_a_secret_in_a_wrong_address_is_not_repeated(tmp_path: Path) -> None:
    said = refused(str(tmp_path / "new"), "--endpoint", "ftp://rpc.example.org/v2/abcdefgh12345678")
    assert "write http:// or https://" in said
    assert "abcdefgh12345678" not in said


def test_a_config_elsewhere_is_asked_for_by_its_folder(tmp_path: Path) -> None:
    done = run("--config", str(tmp_path / "c.toml"), "init", str(tmp_path), *OFFLINE)
    assert done.exit_code == 2
    assert "leave out --config" in done.stderr


@pytest.fixture
def chain_1() -> Iterator[str]:
    """An endpoint that says it is of chain 1, in a thread of its own: the command has its own loop."""

    async def answer(asked: web.Request) -> web.Response:
        return web.json_response({"jsonrpc": "2.0", "id": (await asked.json())["id"], "result": "0x1"})

    started, urls, stop = threading.Event(), [], asyncio.Event()

    async def serve() -> None:
        app = web.Application()
        app.router.add_post("/", answer)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        urls.append(f"http://127.0.0.1:{runner.addresses[0][1]}/")
        loop.append(asyncio.get_running_loop())
        started.set()
        await stop.wait()
        await runner.cleanup()

    loop: list[asyncio.AbstractEventLoop] = []
    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    started.wait()

    yield urls[0]
    loop[0].call_soon_threadsafe(stop.set)
    thread.join()


@pytest.mark.loopback
def test_an_endpoint_is_asked_for_its_chain(chain_1: str, tmp_path: Path) -> None:
    assert made(tmp_path / "a", "--endpoint", chain_1)["endpoints"] == ["serves it"]
    said = refused(str(tmp_path / "b"), "--endpoint", chain_1, "--chain", "base")
    assert "endpoint 1 serves chain 1, base is 8453" in said
    assert not (tmp_path / "b").exists()


@pytest.mark.loopback
def test_on_a_terminal_it_asks_and_never_shows_the_passphrase(tmp_path: Path) -> None:
    """A real terminal, from the first question to the key."""
    folder = tmp_path / "new"
    us, them = pty.openpty()
    environ = {k: v for k, v in os.environ.items() if not k.startswith("LRT_ORACLE_")}
    command = [sys.executable, "-m", "oracle", "init", str(folder), "--offline"]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=them, stdout=them, stderr=them, env=environ, start_new_session=True
    ) as process:
        os.close(them)
        shown, at = "", 0
        for question, answer in (
            ("Chain", ""),
            ("Endpoint 1", "bogus-with-a-secret"),
            ("Error: this address", None),
            ("Endpoint 1", NOBODY),
            ("Endpoint 2", ""),
            ("Feeds", "nope"),
            ("Error: 'nope' is not among", None),
            ("Feeds", "wstETH/ETH"),
            ("Sign prices", "y"),
            ("Make its report key", ""),
            ("Passphrase", PASSPHRASE),
            ("Repeat", PASSPHRASE),
            ("Next:", None),
        ):
            while not (found := _asked(shown, at, question, is_question=answer is not None)):
                shown += os.read(us, 4096).decode()
            at = found
            if answer is not None:
                os.write(us, f"{answer}\n".encode())
        shown += _rest(us)
        assert process.wait() == 0
    os.close(us)
    assert PASSPHRASE not in shown
    assert load_key(folder / "data" / "mine.key.json", "X", {"X": PASSPHRASE}).secret
    assert [f["feed"] for f in checked(folder)["feeds"]] == ["wstETH/ETH"]


def _asked(shown: str, at: int, text: str, *, is_question: bool) -> int:
    """Where a text ends that is shown from a place on, a question with the colon or bracket that it ends with; 0 while it is not."""
    found = re.search(re.escape(text) + (r"[^\n]*?[:\]] *$" if is_question else ""), shown[at:])
    return at + found.end() if found else 0


def _rest(terminal: int) -> str:
    """What is still shown; a terminal whose other side has ended is an error on Linux, and its end elsewhere."""
    shown = b""
    try:
        while part := os.read(terminal, 4096):
            shown += part
    except OSError:
        pass
    return shown.decode()
