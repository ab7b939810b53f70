"""Programs of two versions change over at an announced round: the one that does not make its rules ends, the other one waits."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest

from oracle.assemble.network import common_rules
from oracle.cli import switching
from oracle.cli.switching import OtherVersionDue, run_with_switches
from oracle.config.resolve import ResolvedConfig, resolve
from oracle.config.sections import load
from oracle.config.tables.schema import ConfigError
from oracle.model.spec import RULES_VERSION
from oracle.runtime.clock import Clock
from tests.oracle.cli.command import document, run
from tests.oracle.cli.switch_config import CONFIG, NEXT

LATER = "2099-01-31T00:00:00Z"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def by_rules(rules: int | None) -> str:
    return CONFIG if rules is None else CONFIG.replace("[oracle]\n", f"[oracle]\nrules = {rules}\n")


def write(now: int | None, then: int | None, time: str = LATER) -> ResolvedConfig:
    Path("config.toml").write_text(by_rules(now) + NEXT.format(time=time))
    Path("next.toml").write_text(by_rules(then) + "[network]\n")
    return read(Path("config.toml"))


def read(path: Path) -> ResolvedConfig:
    return resolve(load(path))


class Process:
    """Stands in for a process: it makes its rounds in no time, and notes what it was made of."""

    made: list[int | None]

    def __init__(self, resolved: ResolvedConfig) -> None:
        self.resolved, self.clock = resolved, Clock()
        self.last_round_s = 1 << 40
        Process.made.append(resolved.config.oracle.rules)

    async def run(self, stop: asyncio.Event) -> None:
        await stop.wait()


async def go(resolved: ResolvedConfig, stop: asyncio.Event | None = None) -> list[int | None]:
    Process.made = []
    await run_with_switches(
        resolved,
        Path("config.toml"),
        stop or asyncio.Event(),
        load=read,
        make=Process,  # type: ignore[arg-type]
    )
    return Process.made


def in_seconds(seconds: float) -> str:
    at = datetime.fromtimestamp(datetime.now(UTC).timestamp() + seconds, UTC)
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def test_a_config_of_other_rules_does_not_run() -> None:
    Path("config.toml").write_text(by_rules(RULES_VERSION + 1))
    started = run("run")
    assert started.exit_code == 2
    assert f"rules {RULES_VERSION + 1}, this version makes rules {RULES_VERSION}: start the version" in started.output
    Path("config.toml").write_text(by_rules(RULES_VERSION))
    assert document("check", "--offline")["errors"] == []


def test_both_files_name_their_rules_or_neither_does() -> None:
    write(None, RULES_VERSION + 1)
    assert "only one of both files has oracle.rules" in run("check", "--offline").output


def test_check_says_that_another_version_is_due_and_by_which_digest_its_rules_are_known() -> None:
    resolved = write(RULES_VERSION, RULES_VERSION + 1)
    (note,) = (n for n in document("check", "--offline")["notes"] if n.startswith("network.next"))
    assert (
        f"another version makes them: this process ends before it, start the one of rules {RULES_VERSION + 1}" in note
    )
    after = read(Path("next.toml"))
    assert common_rules(after).digest.hex() in note
    assert common_rules(after).digest != common_rules(resolved).digest


async def test_the_older_version_ends_before_the_announced_round() -> None:
    resolved = write(RULES_VERSION, RULES_VERSION + 1, in_seconds(1))
    with pytest.raises(
        OtherVersionDue, match=f"rules {RULES_VERSION + 1}, and this version makes rules {RULES_VERSION}"
    ):
        await go(resolved)
    assert Process.made == [RULES_VERSION]


async def test_the_newer_version_opens_nothing_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    resolved, stop = write(RULES_VERSION - 1, RULES_VERSION), asyncio.Event()
    task = asyncio.create_task(go(resolved, stop))
    await asyncio.sleep(3 * switching._LOOK_S)
    assert not task.done()
    assert Process.made == []
    monkeypatch.setattr(switching, "_is_past", lambda _: True)
    while not Process.made:  # noqa: ASYNC110 - it has no event of its own
        await asyncio.sleep(switching._LOOK_S)
    stop.set()
    assert await task == [RULES_VERSION]


async def test_the_newer_version_can_be_stopped_while_it_waits() -> None:
    resolved, stop = write(RULES_VERSION - 1, RULES_VERSION), asyncio.Event()
    stop.set()
    assert await go(resolved, stop) == []


async def test_after_the_announced_round_the_older_version_does_not_start() -> None:
    with pytest.raises(ConfigError, match=f"made by rules {RULES_VERSION + 1}"):
        await go(write(RULES_VERSION, RULES_VERSION + 1, "2020-01-31T00:00:00Z"))


def test_a_version_that_makes_neither_of_both_rules_does_not_start() -> None:
    write(RULES_VERSION + 1, RULES_VERSION + 2)
    assert f"made by rules {RULES_VERSION + 1}" in run("run").output
