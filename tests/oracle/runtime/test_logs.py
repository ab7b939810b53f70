"""The log: one pipe for all lines, one line for a fault that lasts, no secrets, levels by part."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import subprocess
import sys
import warnings

import pytest
import structlog

from oracle.runtime import logs
from oracle.runtime.log_faults import LogFaults
from oracle.runtime.log_secrets import SecretFilter
from oracle.runtime.logs import LogFormat, LogLevel
from tests.oracle.runtime.log_tools import piped

_log = structlog.get_logger("oracle.app")
DOWN = {"event": "chain not readable", "part": "feeds.chain_follower", "level": "warning", "chain": "base"}


async def _lost_task() -> None:
    async def fails() -> None:
        raise ValueError("nobody waits for this")

    task = asyncio.ensure_future(fails())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    del task
    gc.collect()


def test_every_line_of_whatever_origin_is_one_document() -> None:
    with piped() as log:
        _log.info(
            "odd values", nan=float("nan"), raw=b"\xff\n", thing=object(), deep={"a": [{"b": {1, 2}}]}, lone="\ud800"
        )
        try:
            int("x")
        except ValueError:
            _log.exception("it failed")
        logging.getLogger("aiohttp.server").error(
            "Error handling request\nGET /%s", "\x1b[31m", exc_info=ValueError("y")
        )
        logging.getLogger("a.library").warning("wrong number of %s %s", 1)  # noqa: PLE1206 - as a library may
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            logging.captureWarnings(
                capture=False
            )  # where it is on, the test runner's own has taken its place meanwhile
            logging.captureWarnings(capture=True)
            warnings.warn("something is old", stacklevel=1)
        asyncio.run(_lost_task())
        sys.excepthook(RuntimeError, RuntimeError("uncaught"), None)
        sys.unraisablehook(type("U", (), {"exc_type": OSError, "exc_value": OSError("z"), "exc_traceback": None})())  # type: ignore[arg-type]
        lines = log.lines()
    by_part = {line["part"]: line for line in lines}
    assert by_part["aiohttp.server"]["detail"] == "GET /\x1b[31m"
    assert by_part["aiohttp.server"]["exception_type"] == "ValueError"
    assert by_part["a.library"]["event"] == "wrong number of %s %s"
    assert "something is old" in by_part["py.warnings"]["event"]
    assert by_part["asyncio"]["event"] == "Task exception was never retrieved"
    assert "nobody waits for this" in by_part["asyncio"]["exception"]
    assert lines[0]["nan"] == "nan"
    assert "Traceback" in next(x for x in lines if x["event"] == "it failed")["exception"]
    assert [x["error"] for x in lines if x["level"] == "critical"] == ["RuntimeError('uncaught')", "OSError('z')"]
    assert all(list(line)[:4] == ["timestamp", "level", "part", "event"] for line in lines)


def test_a_person_reads_aligned_lines_and_nobody_paints_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    with piped(LogFormat.CONSOLE) as log:
        _log.info("start", feeds=["A/B", "C/D"], target=[{"name": "main", "chain": "base"}], empty=None)
        _log.warning("said\x1b[31m by a\npeer", why='two "words"')
        rows = log.text().splitlines()
    assert [r[20:27].strip() for r in rows if not r.startswith(" ")] == ["info", "WARN"]
    assert rows[0].split()[2:] == ["start", "feeds=A/B,C/D"]
    assert rows[1].split() == ["target", "name=main", "chain=base"]
    assert "said\\x1b[31m by a\\npeer" in rows[2]
    assert 'why="two \\"words\\""' in rows[2]
    assert "\x1b" not in log.text()
    monkeypatch.delenv("NO_COLOR", raising=False)
    painted = logs.LogPipe(_Terminal())
    monkeypatch.setenv("NO_COLOR", "1")
    plain = logs.LogPipe(_Terminal())
    assert [_painted(p) for p in (painted, plain)] == [True, False]
    for pipe, is_json in ((painted, False), (logs.LogPipe(_File()), True)):
        pipe.set_format(LogFormat.AUTO)
        assert pipe.is_json is is_json


class _File:
    def __init__(self) -> None:
        self.text = ""

    def write(self, text: str) -> int:
        self.text += text
        return len(text)

    def flush(self) -> None: ...

    def isatty(self) -> bool:
        return False


class _Terminal(_File):
    def isatty(self) -> bool:
        return True


def _painted(pipe: logs.LogPipe) -> bool:
    pipe.put("oracle.app", "error", {"event": "x"})
    return "\x1b[" in pipe._out._stream.text  # type: ignore[attr-defined]


def test_a_fault_that_lasts_is_told_when_it_begins_now_and_then_and_when_it_is_over() -> None:
    now = [0.0]
    faults = LogFaults(60.0, 150.0, lambda: now[0])
    written = []
    for second in range(1_200):  # two lines a second for twenty minutes
        now[0] = float(second)
        for _ in range(2):
            line = faults.take({**DOWN, "why": f"timeout after 3.{second} s at block {second}"})
            written += [] if line is None else [(second, line)]
        written += [(second, line) for line in faults.due()]
    assert [(s, x["fault_is"], x.get("count")) for s, x in written] == [
        (0, "new", None), (60, "lasts", 122), (180, "lasts", 362), (420, "lasts", 842), (900, "lasts", 1_802),
    ]  # fmt: skip
    now[0] = 1_199.0 + 149
    assert faults.due() == []
    now[0] += 1
    (over,) = faults.due()
    assert (over["fault_is"], over["count"], over["lasted_s"]) == ("over", 2_400, 1_199.0)
    assert len({x["fault"] for _, x in written} | {over["fault"]}) == 1
    assert len(faults) == 0


def test_faults_are_apart_by_their_words_and_not_by_their_numbers() -> None:
    faults = LogFaults()
    hashes = ("0x" + "ab" * 32, "0x" + "cd" * 32)
    assert faults.take(dict(DOWN)) is not None
    for same in ({"why": None, "block": 7}, {"block": 8}):
        faults.take({**DOWN, **same})
    told = [faults.take({**DOWN, **more}) is not None for more in (
        {"chain": "mainnet"}, {"why": "refused by node 1"}, {"why": "refused by node 2"}, {"why": "reverted"},
        {"tx": hashes[0]}, {"tx": hashes[1]}, {"peer": "0x" + "11" * 20}, {"peer": "0x" + "22" * 20},
        {"part": "oracle.push"}, {"fingerprint": "job/locked", "why": "one thing"}, {"fingerprint": "job/locked", "why": "or another"},
    )]  # fmt: skip
    assert told == [True, True, False, True, True, False, True, True, True, True, False]


@pytest.mark.parametrize("name", ["source", "operator", "endpoint", "venue", "peer", "epoch"])
def test_faults_of_two_things_are_two_though_numbers_alone_tell_the_things_apart(name: str) -> None:
    faults = LogFaults()
    things: tuple[object, ...] = (
        "127.0.0.1:50499",
        "127.0.0.1:50498",
        "10.0.0.1",
        "10.0.0.2",
        "node 1 of 2",
        "node 2 of 2",
        7,
        8,
    )
    for more in ({}, {"fingerprint": "one"}):
        told = [faults.take({**DOWN, **more, name: thing}) is not None for thing in things + things]
        assert told == [True] * len(things) + [False] * len(things)
    over = faults.over(
        {"event": "well", "part": DOWN["part"], "level": "warning", "ends": DOWN["event"], name: "10.0.0.1"}
    )
    assert over is not None
    assert len(faults) == 2 * len(things) - 2


def test_who_says_that_a_fault_is_over_ends_it_at_once_and_only_where_there_was_one() -> None:
    now = [0.0]
    faults = LogFaults(60.0, 150.0, lambda: now[0])
    again = {"event": "chain is read again", "part": DOWN["part"], "level": "warning", "ends": DOWN["event"]}
    assert faults.over({**again, "chain": "base"}) is None
    for why in ("timeout", "refused"):
        for chain in ("base", "mainnet"):
            faults.take({**DOWN, "chain": chain, "why": why, "more_since_the_last_line": 4})
    now[0] = 30.0
    over = faults.over({**again, "chain": "base"})
    assert over is not None
    assert (over["count"], over["lasted_s"], over["fault_is"]) == (10, 30.0, "over")
    assert len(faults) == 2, "the other chain's go on"


def test_strangers_who_make_up_faults_fill_neither_memory_nor_disk() -> None:
    faults = LogFaults()
    lines = [faults.take({**DOWN, "chain": f"made-up-{i:x}x"}) for i in range(10_000)]
    assert sum(line is not None for line in lines) <= 65
    assert len(faults) <= 65


def test_news_is_written_each_time_and_a_process_that_ends_tells_what_it_has_counted() -> None:
    with piped() as log:
        for _ in range(3):
            _log.warning("status", feed="A/B", before="ok", after="depeg", news=True)
            _log.warning("target broken", target="main")
        log.pipe.end()
        lines = log.lines()
    assert [x["event"] for x in lines].count("status") == 3
    assert [(x["fault_is"], x.get("count")) for x in lines if x["event"] == "target broken"] == [
        ("new", None),
        ("lasts", 3),
    ]


def test_levels_go_by_the_longest_name_and_change_while_it_runs() -> None:
    def heard() -> list[str]:
        with_levels = [structlog.get_logger(n) for n in ("oracle.push.target", "oracle.app", "feeds.ingest")]
        for logger in with_levels:
            logger.info("hello")
        logging.getLogger("aiohttp.client").info("hello")
        logging.getLogger("web3.rpc").error("hello")
        found = [line["part"] for line in log.lines()[len(seen) :]]
        seen.extend(found)
        return found

    with piped() as log:
        seen: list[str] = []
        assert heard() == ["oracle.push.target", "oracle.app", "feeds.ingest", "web3.rpc"]
        logs.set_levels(
            LogLevel.ERROR, {"oracle": LogLevel.WARNING, "oracle.push": LogLevel.DEBUG, "aiohttp": LogLevel.INFO}
        )
        assert heard() == ["oracle.push.target", "aiohttp.client"], "the fault of web3 lasts and is only counted"
        logs.set_levels(LogLevel.INFO, {"oracle.app": LogLevel.ERROR})
        assert heard() == ["oracle.push.target", "feeds.ingest"]


def test_no_line_holds_a_secret_however_it_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    phrase, token = 'correct "horse" bät\\tery', "Zx9-secret-value"
    monkeypatch.setenv("RPC_TOKEN", token)
    monkeypatch.setenv("MINE", phrase)
    for form in (LogFormat.JSON, LogFormat.CONSOLE):
        with piped(form) as log:
            logs.hide_in_log([phrase])
            _log.warning(
                "in a field", url=f"https://user:{token}@rpc.example.org/{token}?key={token}", **{token: token}
            )
            _log.warning("in a header", headers={"Authorization": f"Bearer {token}", "x-api-key": token})
            try:
                raise RuntimeError(f"cannot open with {phrase} or {token.upper()}")  # noqa: TRY301 - what is logged
            except RuntimeError:
                _log.exception("in an exception")
            logging.getLogger("urllib3").error("GET %s -> 401", f"https://a.example.org/v2/{token}")
            text = log.text()
        assert token.lower() not in text.lower()
        assert phrase not in text
        assert json.dumps(phrase)[1:-1] not in text
        assert "rpc.example.org" in text


def test_keys_in_addresses_are_hidden_though_nobody_named_them() -> None:
    clean = SecretFilter().clean
    key = "aBcD1234efGh5678ijKl"
    assert clean(f"https://eth.example.org/v2/{key}") == "https://eth.example.org/v2/***"
    assert clean(f"wss://x.example.org/ws?apikey={key}&a=1") == "wss://x.example.org/ws?apikey=***&a=1"
    assert clean(f'"nats://me:{key}@n1.example.org:4222"') == '"nats://***@n1.example.org:4222"'
    assert clean(f"Authorization: Basic {key}") == "Authorization: Basic ***"
    store = f"https://scan.example.org/address/0x{'ab' * 20}"
    for kept in (store, "http://127.0.0.1:8551/v1/prices/RSETH-ETH", "0x" + "cd" * 32, "10:30 a token=less text"):
        assert clean(kept) == kept


def test_a_process_that_dies_of_a_fault_leaves_a_document_and_no_plain_traceback() -> None:
    script = (
        "from oracle.runtime.logs import *\n"
        "set_up_log(LogFormat.JSON, LogLevel.INFO)\n"
        "import threading\n"
        "t = threading.Thread(target=lambda: 1 / 0); t.start(); t.join()\n"
        "raise RuntimeError('the end')\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert [json.loads(line)["exception_type"] for line in done.stderr.splitlines()] == [
        "ZeroDivisionError",
        "RuntimeError",
    ]
