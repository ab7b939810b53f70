"""`lrt-oracle watch` and `lrt-oracle evidence`: a machine without a report key watches, lists what it found, and proves it by hand."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import coincurve
import pytest
from click.testing import CliRunner, Result

from demo.world import anvil
from demo.world.chain import account
from oracle.__main__ import main
from oracle.sign.key_lock import sole_writer
from oracle.sign.keyfiles import save
from oracle.storage.database import Database
from oracle.watch.kept import WatchRows
from oracle.watch.watcher import Watcher
from tests.contracts.contract_tools import connected
from tests.oracle.watch.chain_world import ONE, OTHER, REPORT_KEYS, WatchedChain, operator_in, watched_chain

pytestmark = pytest.mark.chain
WORD = "a passphrase"
ENV = {"LRT_ORACLE_WATCH_PASSPHRASE": WORD, "OTHER": WORD}


@dataclass
class Desk:
    """A machine that watches."""

    world: WatchedChain
    folder: Path

    def config(self, watch: str = "") -> Path:
        path = self.folder / "config.toml"
        path.write_text(f"""
[oracle]
database = "{self.folder}/o.db"
[chains.local]
chain_id = 31337
endpoints = ["{self.world.url}"]
[targets.t]
chain = "local"
store = "{self.world.bench.store.address}"
[watch]
{watch or f'penalties = "{self.world.judge.penalties}"'}
[feeds."ETH/USD"]
sources = [{{ type = "coinbase", symbol = "ETH-USD" }}, {{ type = "kraken", symbol = "ETH/USD" }}]
""")
        return path

    def run(self, *args: str, watch: str = "", config: Path | None = None) -> Result:
        whole = ["--config", str(config or self.config(watch)), *args]
        return CliRunner().invoke(main, whole, env=ENV, catch_exceptions=False)

    def said(self, *args: str, watch: str = "") -> dict[str, Any]:
        result = self.run(*args, "--json", watch=watch)
        assert result.exit_code == 0, result.output
        return dict(json.loads(result.stdout))

    def lie(self, n: int = 0) -> None:
        """A batch landed, and this machine has heard a certificate that contradicts it."""
        bench = self.world.bench
        round_s = bench.at(bench.now + 5)
        sealed = asyncio.run(self.world.sealed_by(operator_in(self.folder / f"s{n}", n), round_s, ONE))
        assert sealed is not None
        self.world.push(round_s, OTHER, (n, 2))
        database = Database(self.folder / "o.db")
        heard = Watcher(WatchRows(database.connection), lambda: 1)
        heard.hear(sealed)
        heard.flush()
        database.close()


@pytest.fixture(scope="module")
def chain() -> Iterator[WatchedChain]:
    with anvil.running() as node, connected(node.url) as web3:
        yield watched_chain(node.url, web3)


@pytest.fixture
def desk(chain: WatchedChain, tmp_path: Path) -> Desk:
    fresh = watched_chain(chain.url, chain.bench.web3)
    for name, n in (("gas", 5), ("other", 6)):
        save(tmp_path / f"{name}.json", coincurve.PrivateKey(bytes(account(n).key)), WORD, iterations=1)
    return Desk(fresh, tmp_path)


def with_key(desk: Desk) -> str:
    return f'penalties = "{desk.world.judge.penalties}"\ngas_keyfile = "{desk.folder}/gas.json"'


def test_a_machine_without_a_report_key_watches_the_chain_and_proves_by_hand(desk: Desk) -> None:
    assert desk.said("watch", "--once")["evidence"]["found"] == 0
    assert desk.run("evidence", "list").output.strip() == "nothing was found"
    desk.lie()
    done = desk.said("watch", "--once")
    assert done["blocks"]["t"] == desk.world.bench.web3.eth.block_number
    assert done["evidence"]["found"] == 1
    (listed,) = desk.said("evidence", "list")["evidence"]
    assert (listed["state"], listed["index"], listed["store"]) == ("found", 1, desk.world.bench.store.address)
    assert listed["proof"]["gas"] > 30_000
    assert int(listed["proof"]["cost_wei"]) > 0
    assert "the finder's share" in listed["proof"]["brings"]
    dry = desk.said("evidence", "prove", listed["id"][:10], "--dry")["evidence"][0]
    assert dry["proof"]["gas"] == listed["proof"]["gas"]
    assert "undone: never" in desk.run("evidence", "prove", "--dry").output
    assert not desk.world.slashed(0)
    refused = desk.run("evidence", "prove", listed["id"])
    assert (refused.exit_code, "no gas key" in refused.output) == (1, True)
    proven = desk.said("evidence", "prove", listed["id"], "--keyfile", str(desk.folder / "other.json"), "--passphrase-env", "OTHER")  # fmt: skip
    assert (proven["evidence"][0]["state"], proven["evidence"][0]["prover"]) == ("proven", account(6).address)
    assert desk.world.slashed(0)
    again = desk.run("evidence", "prove")
    assert (again.exit_code, "no evidence that is not settled" in again.output) == (3, True)


def test_with_a_key_it_proves_by_itself_and_a_running_process_keeps_its_queue(desk: Desk) -> None:
    desk.lie()
    watch = with_key(desk)
    with sole_writer(desk.folder / "o.db"):
        assert desk.run("watch", "--once", watch=watch).exit_code == 1, "one database, one process"
    for _ in range(3):
        done = desk.said("watch", "--once", watch=watch)
    assert done["evidence"]["proven"] == 1
    assert desk.world.slashed(0)
    desk.lie(1)
    desk.said("watch", "--once")
    with sole_writer(desk.folder / "o.db"):
        refused = desk.run("evidence", "prove", watch=watch)
        assert (refused.exit_code, "it proves by itself" in refused.output) == (1, True)
    assert desk.run("evidence", "prove", watch=watch).exit_code == 0
    assert desk.world.slashed(1)


def test_anybody_can_prove_what_somebody_else_has_listed(desk: Desk, tmp_path: Path) -> None:
    desk.lie()
    desk.said("watch", "--once")
    told = desk.folder / "evidence.json"
    told.write_text(desk.run("evidence", "list", "--json").stdout)
    there = tmp_path / "there"
    there.mkdir()
    config = desk.config(with_key(desk))
    elsewhere = there / "config.toml"
    elsewhere.write_text(config.read_text().replace(f"{desk.folder}/o.db", f"{there}/o.db"))
    done = desk.run("evidence", "prove", "--file", str(told), config=elsewhere)
    assert done.exit_code == 0, done.output
    assert "proven" in done.output
    assert desk.world.slashed(0)
    document = json.loads(told.read_text())
    document["evidence"][0]["index"] = 0
    told.write_text(json.dumps(document))
    refused = desk.run("evidence", "prove", "--file", str(told), config=elsewhere)
    assert (refused.exit_code, "the same of token 0" in refused.output) == (2, True)


@pytest.mark.parametrize(
    "text", ["", "5", '"words"', "[5]", '{"evidence": 5}', '{"evidence": [5]}', '{"evidence": [{}]}', "\xff"]
)
def test_a_file_that_is_no_evidence_is_said_to_be_none(desk: Desk, tmp_path: Path, text: str) -> None:
    path = tmp_path / "told.json"
    path.write_bytes(text.encode("latin-1"))
    refused = desk.run("evidence", "prove", "--file", str(path))
    assert refused.exit_code == 2, refused.output
    assert "evidence" in refused.output.replace(str(path), "")
    assert "`lrt-oracle evidence list --json` prints it" in refused.output


def test_what_was_meant_must_be_there(desk: Desk) -> None:
    missing = desk.run("evidence", "list", config=_elsewhere(desk))
    assert (missing.exit_code, "no database" in missing.output) == (3, True)
    desk.said("watch", "--once")
    unknown = desk.run("evidence", "prove", "0x77")
    assert (unknown.exit_code, "no evidence begins with 0x77" in unknown.output) == (1, True)
    off = desk.run("watch", "--once", watch="on = false")
    assert (off.exit_code, "nothing to watch" in off.output) == (2, True)
    desk.lie()
    desk.said("watch", "--once")
    down = _elsewhere(desk)
    down.write_text(down.read_text().replace(desk.world.url, "http://127.0.0.1:9"))
    unread = desk.run("watch", "--once", config=down)
    assert (unread.exit_code, "not read to the head: t" in unread.output) == (1, True), "silence is not good news"
    unset = desk.said("evidence", "list", watch="keep_days = 7")["evidence"][0]
    assert (unset["proof"]["gas"], "watch.penalties" in unset["proof"]["brings"]) == (None, True)
    wrong = f'penalties = "{desk.world.judge.source}"'
    told = desk.said("evidence", "list", watch=wrong)["evidence"][0]["proof"]
    assert (told["gas"], "refused now" in told["brings"] or "takes no evidence" in told["brings"]) == (None, True)


def _elsewhere(desk: Desk) -> Path:
    path = desk.folder / "elsewhere.toml"
    path.write_text(desk.config().read_text().replace("o.db", "none.db"))
    return path


@pytest.mark.parametrize(
    ("watch", "told"),
    [
        ('target = "x"', "watch.target: 'x' is not a target"),
        ('on = false\ngas_keyfile = "gas.json"\n[keeper]\non = false', "watch.on: there is a key that pays"),
        (f'penalties = "0x{"11" * 20}"\nsigner_url = "http://127.0.0.1:1"\nsigner_address = "0x{"22" * 20}"\ngas_keyfile = "x"',
         "watch.gas_keyfile: gas_keyfile and signer_url are two keys"),
        ("keep_days = 0", "watch.keep_days: 0 is out of range"),
        ('penalties = "0x12"', "watch.penalties"),
    ],
)  # fmt: skip
def test_what_is_wrong_in_the_config_is_told_at_its_key(desk: Desk, watch: str, told: str) -> None:
    result = desk.run("watch", "--once", watch=watch)
    assert result.exit_code == 2
    assert told in result.output


def test_the_key_that_pays_for_proofs_has_no_other_use(desk: Desk) -> None:
    save(desk.folder / "report.json", REPORT_KEYS[0], WORD, iterations=1)
    config = desk.config(with_key(desk))
    text = config.read_text().replace("[watch]", f'gas_keyfile = "{desk.folder}/gas.json"\n[watch]')
    config.write_text(text)
    result = desk.run("watch", "--once", config=config)
    assert (result.exit_code, "also the gas key of target 't'" in result.output) == (2, True)
    operator = f'[[operators]]\nname = "a"\nkeyfile = "{desk.folder}/report.json"\njournal = "{desk.folder}/j.db"\n'
    own = with_key(desk).replace("gas.json", "report.json")
    config.write_text(desk.config(own).read_text() + operator)
    result = desk.run("watch", "--once", config=config)
    assert (result.exit_code, "also the report key of operator 'a'" in result.output) == (2, True)
