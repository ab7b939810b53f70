"""Whatever fails while a process is built, at whichever step, leaves no file open and no lock behind."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Any

import coincurve
import pytest

import oracle.build
from oracle.assemble import operators, targets
from oracle.build import Components, build
from oracle.config.resolve import ResolvedConfig
from oracle.config.tables.network_sections import NetworkSection
from oracle.config.tables.schema import ConfigError
from oracle.sign.journal_form import JournalError
from oracle.sign.keyfiles import save
from oracle.storage import database
from tests.oracle.assemble.open_files import left_open
from tests.oracle.assemble.small_config import small_config

KEYS = {name: coincurve.PrivateKey(bytes([n]) * 32) for n, name in enumerate(("a", "b", "gas"), start=11)}
ENVIRON = {"LRT_ORACLE_PASSPHRASE": "word", "LRT_ORACLE_GAS_PASSPHRASE": "word"}
BUILDING = {module.__file__ for module in (oracle.build, operators, targets, database)}
ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def resolved(tmp_path: Path) -> ResolvedConfig:
    """Two operators with keyfiles, one with a remote signer, and a target with a gas key."""
    for name, key in KEYS.items():
        save(tmp_path / f"{name}.json", key, "word", iterations=2)
    local = [{"name": n, "keyfile": str(tmp_path / f"{n}.json"), "journal": str(tmp_path / f"{n}.db")} for n in "ab"]
    remote = {
        "name": "c", "journal": str(tmp_path / "c.db"), "signer_url": "http://127.0.0.1:9",
        "signer_address": "0x" + "ab" * 20,
    }  # fmt: skip
    return small_config(
        tmp_path / "o.db",
        oracle={"witness": str(tmp_path / "witness")},
        chains={"local": {"chain_id": 31337, "endpoints": ["http://127.0.0.1:1"]}},
        operators=[*local, remote],
        targets={"t": {"chain": "local", "store": "0x" + "55" * 20, "gas_keyfile": str(tmp_path / "gas.json")}},
    )


class StepFailed(BaseException):
    """What is thrown into a build."""


@contextmanager
def failing_at(step: int) -> Iterator[list[str]]:
    """Call number `step` (from 0) of the building modules into the project fails; yields the calls up to then."""
    calls: list[str] = []

    def profile(frame: FrameType, event: str, _arg: Any) -> None:
        caller = frame.f_back
        if event != "call" or caller is None or caller.f_code.co_filename not in BUILDING:
            return
        name = frame.f_code.co_qualname
        if not frame.f_code.co_filename.startswith(str(ROOT / "oracle")) or name.endswith(">"):
            return  # the standard library, and comprehensions
        calls.append(name)
        if len(calls) > step:
            raise StepFailed(calls[-1])

    sys.setprofile(profile)
    try:
        yield calls
    finally:
        sys.setprofile(None)


def built(resolved: ResolvedConfig, step: int) -> Components | str:
    """What comes of it; the call that failed."""
    with failing_at(step) as calls:
        try:
            return build(resolved, environ=ENVIRON)
        except StepFailed:
            return calls[-1]


def test_a_build_that_fails_at_any_step_leaves_nothing_open(tmp_path: Path, resolved: ResolvedConfig) -> None:
    failed: list[str] = []
    while isinstance(outcome := built(resolved, len(failed)), str):
        failed.append(outcome)
        assert left_open(tmp_path) == [], f"after a failure in {outcome}, step {len(failed)}"
    steps = {"Database.__init__", "KeyLock.__init__", "JournalWitness.__init__", "SignJournal.__init__", "Rounds.__init__",
             "open_key", "Target.__init__", "StoreClient.__init__", "PriceService.__init__"}  # fmt: skip
    assert steps <= set(failed)
    assert len(outcome.operators) == 3
    assert left_open(tmp_path), "the control: what is built has its files open"
    outcome.release()
    assert left_open(tmp_path) == []


def replace_key(keyfile: Path, key: coincurve.PrivateKey) -> None:
    keyfile.unlink()
    save(keyfile, key, "word", iterations=2)


def swap_keys(folder: Path) -> None:
    """Operator b signs with the journal of another key."""
    replace_key(folder / "b.json", coincurve.PrivateKey(b"\7" * 32))


def same_key_twice(folder: Path) -> None:
    replace_key(folder / "b.json", KEYS["a"])


def damaged_witness(folder: Path) -> None:
    for path in (folder / "witness").iterdir():
        path.write_text("damaged")


def gas_key_that_signs(folder: Path) -> None:
    replace_key(folder / "gas.json", KEYS["a"])


@pytest.mark.parametrize(
    ("spoil", "error", "text"),
    [
        (swap_keys, JournalError, "give each key its own"),
        (same_key_twice, ConfigError, "is also the key of operator 'a'"),
        (damaged_witness, RuntimeError, "is damaged"),
        (gas_key_that_signs, ConfigError, "is also the report key of operator 'a'"),
    ],
)
def test_what_really_goes_wrong_leaves_the_database_and_the_keys_free(
    tmp_path: Path, resolved: ResolvedConfig, spoil: Callable[[Path], None], error: type[Exception], text: str
) -> None:
    build(resolved, environ=ENVIRON).release()
    kept = {n: (tmp_path / f"{n}.json").read_bytes() for n in KEYS}
    witness = {p: p.read_bytes() for p in (tmp_path / "witness").iterdir()}
    spoil(tmp_path)
    try:
        build(resolved, environ=ENVIRON)
    except error as e:
        assert text in str(e)  # noqa: PT017 - the traceback must not outlive the block: it holds what did not open
    else:
        pytest.fail("built with a fault in it")
    gc.collect()
    assert left_open(tmp_path) == []
    for name, body in kept.items():
        (tmp_path / f"{name}.json").write_bytes(body)
    for path, body in witness.items():
        path.write_bytes(body)
    build(resolved, environ=ENVIRON).release()


async def test_an_operator_whose_passphrase_was_not_given_is_told_of_wherever_operators_are_shown(
    resolved: ResolvedConfig,
) -> None:
    one = resolved.config.operators[:1]
    alone = replace(resolved, config=replace(resolved.config, operators=one, network=NetworkSection()))
    components = build(alone, environ={})
    try:
        view = components.service.operators()
        assert view is not None
        (told,) = view.warnings
        assert told.startswith("operator a has no key here: it signs nothing until the process is started with its")
        assert [w for w in components.service.health().warnings if "has no key" in w] == [told], "once"
    finally:
        await components.close()
