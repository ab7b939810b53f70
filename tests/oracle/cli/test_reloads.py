"""A config that is read anew: by signal and by command, one after the other, and not at all where something is wrong."""

from __future__ import annotations

import asyncio
import stat
from collections.abc import AsyncIterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from oracle.app import App
from oracle.assemble.network import common_rules
from oracle.build import build
from oracle.cli.reloads import Reloads
from oracle.cli.switching import course_of
from oracle.config.resolve import ResolvedConfig, resolve
from oracle.config.sections import Config, load
from oracle.reload.control import ControlSocket, NoProcess, ask, socket_path
from oracle.reload.outcome import ReloadResult
from oracle.serve.metrics import Metrics
from tests.oracle.assemble.keyed_config import ENVIRON, keyed_config
from tests.oracle.cli.command import run
from tests.oracle.runtime.log_tools import piped
from tests.oracle.serve.exposition import samples

pytestmark = pytest.mark.loopback
TEXT = """
[oracle]
database = "o.db"
[chains.local]
chain_id = 31337
endpoints = ["http://127.0.0.1:1"]
[targets.home]
chain = "local"
store = "0x5555555555555555555555555555555555555555"
[[operators]]
name = "a"
keyfile = "a.json"
journal = "a.db"
[feeds."ETH/USD"]
max_age_s = 40
sources = [{ type = "coinbase", symbol = "ETH-USD" }, { type = "kraken", symbol = "ETH/USD" }]
"""
WIDER = TEXT.replace("max_age_s = 40", "max_age_s = 45")
NETWORK = TEXT + "[network]\n"
NEXT = '[network]\nnext = "next.toml"\nnext_from = "{time}"\n'
FILE = Path("config.toml")


def say(text: str, name: str = FILE.name) -> None:
    Path(name).write_text(text)


def named(name: str = FILE.name) -> dict[str, str]:
    return {"config": str(Path(name).absolute())}


def read(path: Path) -> ResolvedConfig:
    return resolve(load(path))


class Attended:
    """A process that is held in the state in which it runs, and what reads its config anew."""

    def __init__(self) -> None:
        self.told: list[Config] = []
        self.reloads = Reloads(FILE, read, on_config=self.told.append, environ=ENVIRON)
        self.course = course_of(FILE, read)
        self.app = App(build(self.course.resolved, environ=ENVIRON))

    async def begin(self, *, running: bool = True) -> Attended:
        await self.reloads.attend(self.app, self.course)
        self.app.is_running = running
        return self

    async def close(self) -> None:
        await self.reloads.close()
        await self.app.components.close()


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    keyed_config(tmp_path)
    say(TEXT)
    return tmp_path


@pytest.fixture
async def it(folder: Path) -> AsyncIterator[Attended]:  # noqa: ARG001 - the files are in it
    attended = Attended()
    yield await attended.begin()
    await attended.close()


@pytest.fixture
async def networked(folder: Path) -> AsyncIterator[Attended]:  # noqa: ARG001 - as well
    say(NETWORK)
    attended = Attended()
    yield await attended.begin()
    await attended.close()


async def turns() -> None:
    """Others have their turn, again and again."""
    for _ in range(50):
        await asyncio.sleep(0.01)


def mode_of(path: Path) -> int | None:
    return stat.S_IMODE(path.stat().st_mode) if path.exists() else None


def counted(metrics: Metrics, name: str) -> float:
    return samples(metrics)[name]


async def test_reloads_come_one_after_the_other(it: Attended) -> None:
    say(WIDER)
    outcomes = await asyncio.gather(it.reloads.reload(), it.reloads.reload(), it.reloads.reload(dry=True))
    assert [o.result for o in outcomes] == [ReloadResult.APPLIED, ReloadResult.UNCHANGED, ReloadResult.UNCHANGED]
    assert it.told == [it.app.resolved.config] * 2
    assert outcomes[0].rules[0] != outcomes[0].rules[1] == outcomes[1].rules[0]
    assert counted(it.app.metrics, 'lrt_oracle_reloads_total{result="applied"}') == 1


async def test_one_that_comes_before_the_process_runs_waits_for_it() -> None:
    attended = await Attended().begin(running=False)
    say(WIDER)
    asked = asyncio.create_task(attended.reloads.reload())
    await turns()
    assert not asked.done()
    attended.app.is_running = True
    assert (await asked).result is ReloadResult.APPLIED
    await attended.close()


async def test_one_that_comes_while_the_process_ends_changes_nothing(it: Attended) -> None:
    say(WIDER)
    it.app.is_running, it.app.has_ended = False, True
    before = it.app.resolved
    outcome = await it.reloads.reload()
    assert (outcome.result, it.app.resolved) == (ReloadResult.REFUSED, before)


async def test_the_log_has_every_reload_at_once_however_alike_they_are(it: Attended) -> None:
    await it.begin()
    with piped() as log:
        for age_s in (45, 46, 47):
            say(TEXT.replace("max_age_s = 40", f"max_age_s = {age_s}"))
            assert (await it.reloads.reload()).result is ReloadResult.APPLIED
        for text in ("1", "2"):
            say(TEXT + f"unknown_{text} = {text}\n")
            assert (await it.reloads.reload()).result is ReloadResult.REFUSED
        told = log.lines()
    changed = [str(line["changed"]) for line in told if line["event"] == "the config was read anew"]
    assert ["46" in changed[1], "47" in changed[2]] == [True, True]
    digests = [(x["before"], x["after"]) for x in told if x["event"] == "other rules from the next round on"]
    assert len(set(digests)) == 3, "each has both digests"
    assert all(one[1] == next_one[0] for one, next_one in pairwise(digests))
    assert sum(x["event"].startswith("the config is not taken over") for x in told) == 2


async def test_a_dry_one_changes_nothing(it: Attended) -> None:
    say(WIDER)
    outcome, before = await it.reloads.reload(dry=True), it.app.resolved
    assert [str(c) for c in outcome.changed] == ['feeds."ETH/USD".max_age_s: 40 becomes 45']
    assert it.app.resolved is before


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("x =", "is not TOML"),
        (TEXT.replace("kraken", "krakn"), "krakn"),
        (TEXT.replace('["http://127.0.0.1:1"]', "[]"), "is empty"),
        (TEXT.replace("a.json", "b.json"), "b.json does not exist"),
        (TEXT + '[targets.more]\nchain = "nowhere"\nstore = "0x6666666666666666666666666666666666666666"\n', "nowhere"),
    ],
)
async def test_a_bad_file_changes_nothing_and_says_why(it: Attended, text: str, says: str) -> None:
    before = it.app.resolved
    say(text)
    with capture_logs() as lines:
        outcome = await it.reloads.reload()
    assert outcome.result is ReloadResult.REFUSED
    assert any("the config is not taken over" in line["event"] for line in lines)
    assert any(says in str(p) for p in outcome.problems), outcome.problems
    assert it.app.resolved is before
    assert it.told == []
    assert counted(it.app.metrics, 'lrt_oracle_reloads_total{result="refused"}') == 1
    assert counted(it.app.metrics, "lrt_oracle_config_last_reload_successful") == 0


async def test_a_key_that_does_not_open_changes_nothing(it: Attended) -> None:
    it.app.components = replace(
        it.app.components,
        make_target=replace(it.app.components.make_target, environ={"LRT_ORACLE_GAS_PASSPHRASE": "another"}),
    )
    before = it.app.resolved
    say(TEXT.replace('chain = "local"\nstore', 'gas_keyfile = "a.json"\nchain = "local"\nstore'))
    outcome = await it.reloads.reload()
    assert any("wrong passphrase" in str(p) or "report key" in str(p) for p in outcome.problems), outcome.problems
    assert it.app.resolved is before


async def test_a_fault_of_the_program_is_told_and_nothing_is_changed(
    it: Attended, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks(_: object) -> None:
        raise TypeError("a fault")

    say(WIDER)
    before = it.app.resolved
    monkeypatch.setattr(it.app, "change", breaks)
    assert (await it.reloads.reload()).result is ReloadResult.FAILED
    assert it.app.resolved is before
    assert counted(it.app.metrics, 'lrt_oracle_reloads_total{result="failed"}') == 1


# --- with operators of other processes --------------------------------------------------------------------------------


async def test_rules_that_operators_share_change_at_their_round_alone(networked: Attended) -> None:
    it = networked
    before = it.app.resolved
    say(WIDER + "[network]\n")
    refused = await it.reloads.reload()
    assert refused.result is ReloadResult.REFUSED
    assert "name it there as network.next" in str(refused.problems[0])
    say(WIDER + "[network]\n", "next.toml")
    say(TEXT + NEXT.format(time="2099-01-31T00:00:03Z"))
    armed = await it.reloads.reload()
    assert armed.result is ReloadResult.APPLIED
    assert "it holds from round 4073500810" in armed.waits
    assert it.course.switch is not None
    assert (it.course.switch.from_s, it.course.switch.path) == (4_073_500_810, Path("next.toml"))
    assert armed.rules[0] == armed.rules[1] == f"0x{common_rules(before).digest.hex()}"
    assert f"0x{common_rules(it.course.switch.resolved).digest.hex()}" in armed.waits
    say(NETWORK)
    assert (await it.reloads.reload()).waits == ""
    assert it.course.switch is None, "it is called off"


async def test_what_is_each_operators_own_changes_at_once(networked: Attended) -> None:
    peer = '[network.peers.b]\naddress = "0x4444444444444444444444444444444444444444"\nurl = "ws://127.0.0.1:2"\n'
    say(NETWORK.replace("kraken", "bitstamp").replace('ETH/USD" }', 'ethusd" }') + peer)
    outcome = await networked.reloads.reload()
    assert (outcome.result, outcome.rules[0]) == (ReloadResult.APPLIED, outcome.rules[1])
    assert [c.key for c in outcome.changed] == ["network.peers.b", 'feeds."ETH/USD".sources']
    network = networked.app.components.network
    assert network is not None
    assert [p.name for p in network.place.peers.values()] == ["b"]


async def test_a_next_config_that_cannot_follow_changes_nothing(networked: Attended) -> None:
    say(TEXT + NEXT.format(time="2099-01-31T00:00:00Z"))
    outcome = await networked.reloads.reload()
    assert "network.next: next.toml does not exist" in str(outcome.problems[0])
    assert networked.course.switch is None


# --- how it is asked --------------------------------------------------------------------------------------------------


async def test_the_socket_is_its_users_alone_and_is_gone_afterwards(folder: Path) -> None:
    path = socket_path(folder / "o.db")
    say("of a process that was killed", path.name)
    attended = await Attended().begin()
    assert mode_of(path) == 0o600
    say(WIDER)
    document = await ask(path, named())
    assert (document["result"], document["changed"][0]["key"]) == ("applied", 'feeds."ETH/USD".max_age_s')
    say(TEXT, "other.toml")
    document = await ask(path, named("other.toml"))
    assert (document["result"], "put the new config there" in document["errors"][0]["text"]) == ("refused", True)
    await attended.close()
    assert mode_of(path) is None
    with pytest.raises(NoProcess, match="no process answers"):
        await ask(path, {})


async def test_a_folder_without_room_for_a_socket_is_told_and_nothing_else(folder: Path) -> None:
    with capture_logs() as lines:
        told = ControlSocket(folder / ("long" * 30), Reloads(FILE, read).answer)
        await told.start()
        await told.close()
    assert ["SIGHUP does" in line["event"] for line in lines] == [True]


def test_the_command_says_that_no_process_runs() -> None:
    result = run("reload")
    assert (result.exit_code, "no process answers at" in result.output) == (1, True)


@pytest.mark.parametrize(
    ("text", "why"), [("", "is empty"), ("x =", "is not TOML"), ('[feeds."ETH/USD"]\n', "has no [oracle]")]
)
def test_a_file_that_does_not_say_where_the_process_answers_does_not_say_that_none_runs(text: str, why: str) -> None:
    say(text)
    result = run("reload")
    assert result.exit_code == 2
    assert f"config.toml {why}" in result.output
    assert "send SIGHUP to the process" in result.output
    assert "not running" not in result.output


@pytest.mark.parametrize("text", [TEXT + "x =", '\ufeff[oracle]\ndatabase = "o.db"\n[feeds'])
async def test_a_file_that_is_no_toml_is_refused_and_counted_by_the_process(it: Attended, text: str) -> None:
    say(text)
    result = await asyncio.to_thread(run, "reload")
    assert (result.exit_code, "is not TOML" in result.output) == (2, True), result.output
    assert counted(it.app.metrics, 'lrt_oracle_reloads_total{result="refused"}') == 1


async def test_an_empty_file_is_refused_by_the_process_at_the_usual_place(folder: Path) -> None:
    (folder / "var").mkdir()
    say(TEXT.replace('database = "o.db"', ""))
    attended = await Attended().begin()
    say("")
    result = await asyncio.to_thread(run, "reload")
    assert result.exit_code == 2, result.output
    assert counted(attended.app.metrics, 'lrt_oracle_reloads_total{result="refused"}') == 1
    await attended.close()


async def test_one_that_is_refused_before_the_file_is_read_is_counted_too(it: Attended) -> None:
    say(TEXT, "other.toml")
    await it.reloads.answer({**named("other.toml"), "dry": True})
    assert counted(it.app.metrics, 'lrt_oracle_reloads_total{result="refused"}') == 0, "it was only asked"
    with capture_logs() as lines:
        await it.reloads.answer(named("other.toml"))
    assert counted(it.app.metrics, 'lrt_oracle_reloads_total{result="refused"}') == 1
    assert counted(it.app.metrics, "lrt_oracle_config_last_reload_successful") == 1, "it says nothing of the file"
    assert any("the config is not taken over" in line["event"] for line in lines)
