"""Two operators over real sockets, as each sees the other; the command asks the process that runs, else its database."""

from __future__ import annotations

import asyncio
import json
import socket
from functools import partial
from pathlib import Path

import coincurve
import pytest
from structlog.testing import capture_logs

from feeds.units import MS
from oracle.network.agreements import Agreements
from oracle.network.mesh.roster import Peer
from oracle.network.operator_network import NetworkPlace, OperatorNetwork
from oracle.network.reach import run_and_tell
from oracle.network.tally import Tally
from oracle.runtime.clock import now_ms
from oracle.runtime.listening import CannotListen
from oracle.runtime.supervise import Supervisor
from oracle.serve.operators import OperatorWatch, link_faults
from oracle.serve.server import serve
from oracle.storage.database import Database
from tests.oracle.cli.command import run
from tests.oracle.network.agreement_world import BRISK, ApartWorld
from tests.oracle.network.mesh.mesh_world import until
from tests.oracle.serve.endpoint_client import NOW_MS
from tests.oracle.serve.memory_service import filled
from tests.oracle.serve.operators_world import DIALLING, seen
from tests.oracle.serve.service_world import ServiceWorld
from tests.oracle.sign.sign_world import DOMAIN, SIGNERS, ScriptedOperator, scripted_operators

pytestmark = pytest.mark.loopback
CONFIG = """
[oracle]
database = "{database}"
[api]
host = "127.0.0.1"
port = {port}
[chains.local]
chain_id = 31337
endpoints = ["http://127.0.0.1:1"]
[targets.main]
chain = "local"
store = "0x000102030405060708090a0b0c0d0e0f10111213"
[[operators]]
name = "op0"
keyfile = "op0.json"
journal = "op0.db"
passphrase_env = "NONE"
[feeds."ETH/USD"]
[[feeds."ETH/USD".sources]]
type = "coinbase"
symbol = "ETH-USD"
[[feeds."ETH/USD".sources]]
type = "kraken"
symbol = "ETH/USD"
"""


class Kept:
    """Announcements in memory."""

    def announcements(self) -> list[bytes]:
        return []

    def save_announcement(self, address: bytes, counter: int, raw: bytes) -> None:
        """Not asked for again."""


def network(operator: ScriptedOperator, peers: dict[bytes, Peer], *, host: str, port: int = 0) -> OperatorNetwork:
    place = NetworkPlace(
        domain=DOMAIN, urls=(), host=host, port=port, tls=None, peers=peers, interval_s=1,
        versions=(1,), build="9.9",
    )  # fmt: skip
    return OperatorNetwork(place, operator, coincurve.PrivateKey(), Kept(), now_ms=now_ms)


def watch(operator: ScriptedOperator, agreements: Agreements, linked: OperatorNetwork) -> OperatorWatch:
    return OperatorWatch(Tally(), "home", [operator], agreements, linked, unable=lambda _: "", build="9.9")


async def test_each_sees_how_the_other_is_reached_and_the_log_says_so_at_the_start(tmp_path: Path) -> None:
    a, b, gone = scripted_operators(tmp_path)
    world = ApartWorld.of([a, b, gone], timing=BRISK)
    bob, erin = Peer(address=b.address, name="bob"), Peer(address=gone.address, name="erin", urls=("ws://127.0.0.1:1",))
    at_a = network(a, {b.address: bob, gone.address: erin}, host="127.0.0.1")
    with capture_logs() as logs:
        running = [asyncio.create_task(run_and_tell(at_a))]
        await until(lambda: at_a.port > 0)
        url = f"ws://127.0.0.1:{at_a.port}"
        at_b = network(b, {a.address: Peer(address=a.address, name="alice", urls=(url,))}, host="")
        running.append(asyncio.create_task(run_and_tell(at_b)))
        seen_by_a, seen_by_b = watch(a, world.processes[a.address], at_a), watch(b, world.processes[b.address], at_b)
        await until(lambda: any(log.get("reached") == 1 and log.get("of") == 2 for log in logs))
        await until(lambda: any(log.get("reached") == 1 and log.get("of") == 1 for log in logs))
    ours, *others = [(r.name, r.path) for r in seen_by_a.view().rows]
    assert (ours, sorted(others)) == (("op0", "here"), [("bob", "inbound"), ("erin", "none")])
    assert [(r.name, r.path) for r in seen_by_b.view().rows] == [("op1", "here"), ("alice", "direct")]
    assert {r.build for r in seen_by_a.view().rows if r.path != "none"} == {"9.9"}
    assert link_faults(seen_by_b.view()) == []
    unreached = [log for log in logs if log["event"] == "an operator is not reached" and log["operator"] == "erin"]
    assert unreached[-1]["why"]
    running[0].cancel()
    await asyncio.gather(running[0], return_exceptions=True)
    await until(lambda: seen_by_b.view().rows[1].path == "none")
    assert "linked to none of 1 other operators" in link_faults(seen_by_b.view())[0]
    running[1].cancel()
    await asyncio.gather(*running, return_exceptions=True)
    for one in (a, b, gone):
        one.journal.close()


async def ends(_pause_s: float) -> None:
    raise AssertionError("the task was to be started again")


async def test_where_the_port_for_other_operators_is_taken_the_process_ends_and_says_what_to_do(tmp_path: Path) -> None:
    operators = scripted_operators(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as taken, capture_logs() as logs:
        port = taken.getsockname()[1]
        linked = network(operators[0], {}, host="127.0.0.1", port=port)
        with pytest.raises(CannotListen, match=f"network.listen: another program listens at 127.0.0.1:{port} already"):
            await Supervisor({"network": partial(run_and_tell, linked)}, sleep=ends).run()
    assert [log for log in logs if log["log_level"] == "error"] == [], "the sentence is all that is told"
    for one in operators:
        one.journal.close()


async def test_the_command_asks_the_process_that_runs(tmp_path: Path) -> None:
    service = filled()
    service.seen = seen()
    server = await serve(service, host="127.0.0.1", port=0, now_ms=lambda: NOW_MS, metrics=bytes)
    path = tmp_path / "config.toml"
    path.write_text(CONFIG.format(database=tmp_path / "none.db", port=server.url.rsplit(":", 1)[1]))
    told = await asyncio.to_thread(run, "--config", str(path), "operators")
    as_json = await asyncio.to_thread(run, "--config", str(path), "operators", "--json")
    await server.close()
    assert told.exit_code == 3, "something is wrong with the operator here"
    assert DIALLING in told.stdout
    assert json.loads(as_json.stdout)["operators"][0]["name"] == "alice"


def test_without_a_process_the_command_reads_the_database(tmp_path: Path) -> None:
    path, free = tmp_path / "config.toml", 1
    path.write_text(CONFIG.format(database=tmp_path / "rounds.db", port=free))
    nothing = run("--config", str(path), "operators")
    assert nothing.exit_code == 3
    assert "no process answers, and there is no database" in nothing.output
    database = Database(tmp_path / "rounds.db")
    world = ServiceWorld(tmp_path, database, started=False)
    now_s = now_ms() // MS // 10 * 10
    world.round(now_s - 20)
    database.close()
    told = run("--config", str(path), "operators")
    assert told.exit_code == 3
    assert "no running process answers" in told.stdout
    assert "1 rounds sealed in the last hour, 0 lost" in told.stdout
    keyfile, second = tmp_path / "own.json", SIGNERS.signers[1]
    keyfile.write_text(json.dumps({"address": second.hex()}))
    path.write_text(path.read_text().replace('"op0.json"', f'"{keyfile}"'))
    first, *others = json.loads(run("--config", str(path), "operators", "--json").stdout)["operators"]
    assert (first["here"], first["name"], first["address"].lower()) == (True, "op0", f"0x{second.hex()}"), "ours first"
    assert [o["here"] for o in others] == [False, False]
