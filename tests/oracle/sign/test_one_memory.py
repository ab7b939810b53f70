"""A report key never says two things, however many processes have it: shared journals, held keyfiles, a checked config."""

from __future__ import annotations

import asyncio
import json
import threading
from pathlib import Path
from typing import Any

import coincurve
import pytest

from oracle.build import build
from oracle.config.resolve import resolve
from oracle.config.sections import parse
from oracle.config.tables.schema import ConfigError
from oracle.sign.eip712 import address_of
from oracle.sign.key_lock import KeyLock
from oracle.sign.keyfiles import KeyfileError, save
from oracle.sign.messages import Refusal, RefusalCode, Signature
from oracle.sign.sign_journal import EquivocationRefused, SignJournal
from tests.oracle.config.small_config import problems, table
from tests.oracle.network.agreement_world import BRIEF, agreements_here, ask_of
from tests.oracle.sign.key_processes import end_process, process_with_key
from tests.oracle.sign.sign_world import (
    DOMAIN,
    KEYS,
    NOW_MS,
    ROUND_S,
    SIGNERS,
    agreed,
    batched,
    certified,
    scripted_operators,
    signed_values,
    views,
)

STORE = "0x" + "55" * 20


# --- two processes with one journal --------------------------------------------------------------------------------------


async def test_two_processes_with_one_journal_never_sign_two_values_for_a_place(tmp_path: Path) -> None:
    """The backup saw another price: where the primary has signed, it refuses; where it was first, the primary does."""
    primary, backup = scripted_operators(tmp_path), scripted_operators(tmp_path)
    ours, theirs = (agreed(signed_values(o, views(p, p, p))) for o, p in ((primary, "1.05"), (backup, "1.0501")))
    first = await certified(primary[0], ours)
    second = await certified(backup[0], theirs)
    assert isinstance(first, Signature)
    assert isinstance(second, Refusal)
    assert (second.code, second.feeds) == (RefusalCode.EQUIVOCATION, (0,))
    pushed = await batched(backup[0], theirs)
    assert isinstance(pushed, Refusal), "a batch of other values contradicts a certificate too"
    assert pushed.code is RefusalCode.EQUIVOCATION
    assert isinstance(await certified(backup[1], theirs), Signature)
    late = await certified(primary[1], ours)
    assert isinstance(late, Refusal)
    assert late.code is RefusalCode.EQUIVOCATION
    same = agreed(signed_values(backup, views("1.05", "1.05", "1.05")))
    assert await certified(backup[0], same) == first, "the same values are the same word, said twice"


async def test_two_processes_with_the_same_journals_seal_no_two_rounds(tmp_path: Path) -> None:
    """Both make the round, of other prices, at the same time: of each feed at most one of them has the word."""
    ours, theirs = scripted_operators(tmp_path), scripted_operators(tmp_path)
    made = await asyncio.gather(
        *(
            agreements_here(operators, now_ms=lambda: NOW_MS, timing=BRIEF).agree(
                ask_of(SIGNERS, ROUND_S, dict(zip(("op0", "op1", "op2"), views(p, p, p), strict=True)))
            )
            for operators, p in ((ours, "1.05"), (theirs, "1.0501"))
        )
    )
    assert sum(o.sealed is not None for o in made) <= 1
    for address in SIGNERS.signers:
        words = {c for o in made if o.sealed is not None for a, c in o.sealed.signatures if a == address}
        assert len(words) <= 1


def test_of_two_that_write_at_once_one_wins_every_place(tmp_path: Path) -> None:
    """Two handles of one file, as two processes have them: each place ends with one hash, and its loser knows."""
    address = address_of(KEYS[0])
    places, won = range(60), {b"a": set[int](), b"b": set[int]()}
    start = threading.Barrier(2)

    def write(word: bytes) -> None:
        # no pause between rounds here
        journal = SignJournal(tmp_path / "j.db", address, now_ms=0, mute_ms=0, busy_ms=600_000)
        start.wait()
        for place in places:
            try:
                journal.record(DOMAIN, ROUND_S + place, {0: word, 1: word})
            except EquivocationRefused:
                continue
            won[word].add(place)
        journal.close()

    SignJournal(tmp_path / "j.db", address, now_ms=0, mute_ms=0, newborn=True).close()
    writers = [threading.Thread(target=write, args=(w,)) for w in won]
    for one in writers:
        one.start()
    for one in writers:
        one.join()
    assert won[b"a"] | won[b"b"] == set(places)
    assert won[b"a"] & won[b"b"] == set()


# --- one keyfile, two journals -------------------------------------------------------------------------------------------


def test_a_key_in_use_is_refused_with_another_journal_and_shared_with_the_same(tmp_path: Path) -> None:
    keyfile = tmp_path / "key.json"
    keyfile.write_text("{}")
    hold = KeyLock(keyfile, tmp_path / "a.db")
    refused, said = process_with_key(keyfile, tmp_path / "b.db")
    end_process(refused)
    assert "in use by another process with another journal" in said
    shared, said = process_with_key(keyfile, tmp_path / "a.db")
    assert said == "held\n"
    hold.close()
    with pytest.raises(KeyfileError, match="signs two things and is slashed"):
        KeyLock(keyfile, tmp_path / "b.db")
    end_process(shared)
    KeyLock(keyfile, tmp_path / "b.db").close()


# --- what the config says ------------------------------------------------------------------------------------------------


def operators(folder: Path, **more: Any) -> list[dict[str, Any]]:
    return [{"name": "a", "keyfile": str(folder / "a.json"), "journal": str(folder / "a.db"), **more}]


def target(**more: Any) -> dict[str, Any]:
    return {"chain": "local", "store": STORE, **more}


def test_a_backup_with_report_keys_and_a_journal_of_its_own_is_refused(tmp_path: Path) -> None:
    alone = {"b": target(offset_s=30)}
    text = problems(table(operators=operators(tmp_path), targets=alone))
    assert "operators.a.journal" in text
    assert "target b is a backup (offset_s) of another process" in text
    assert "shared_journal = true" in text
    shared = operators(tmp_path, shared_journal=True)
    assert "a.db does not exist" in problems(table(operators=shared, targets=alone))
    SignJournal(tmp_path / "a.db", address_of(coincurve.PrivateKey(b"\5" * 32)), now_ms=0, mute_ms=0).close()
    resolve(parse(table(operators=shared, targets=alone)))


def test_a_backup_beside_its_primary_or_without_report_keys_is_fine(tmp_path: Path) -> None:
    backup = target(offset_s=30, store="0x" + "55" * 20)
    resolve(parse(table(targets={"b": backup})))
    resolve(parse(table(operators=operators(tmp_path), targets={"a": target(), "b": backup})))
    elsewhere = target(store="0x" + "56" * 20)
    assert "is a backup" in problems(table(operators=operators(tmp_path), targets={"a": elsewhere, "b": backup}))


@pytest.mark.parametrize(
    ("first", "second", "where"),
    [
        ({"gas_keyfile": "g.json"}, {"gas_keyfile": "copy/g.json"}, "gas_keyfile"),
        ({"gas_keyfile": "none.json"}, {"gas_keyfile": "copy/../none.json"}, "gas_keyfile"),
        ({"gas_keyfile": "g.json"}, {"signer_address": "0x" + "AB" * 20}, "signer_address"),
        ({"signer_address": "0x" + "ab" * 20}, {"signer_address": "0x" + "AB" * 20}, "signer_address"),
    ],
)
def test_one_gas_key_has_one_target_on_a_chain(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first: dict[str, str], second: dict[str, str], where: str
) -> None:
    """The same key by path, by the address in two keyfiles, or at a remote signer; another chain is another queue."""
    monkeypatch.chdir(tmp_path)
    for path in (tmp_path / "g.json", tmp_path / "copy" / "g.json"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps({"address": "ab" * 20}))
    remote = {"signer_url": "http://127.0.0.1:9000"}
    pair = [{**(remote if "signer_address" in one else {}), **one} for one in (first, second)]
    text = problems(table(targets={"a": target(**pair[0]), "b": target(store="0x" + "56" * 20, **pair[1])}))
    assert f"targets.b.{where}" in text
    assert "is also the gas key of target 'a' on the same chain" in text
    made = table(targets={"a": target(**pair[0]), "b": target(**{**pair[1], "chain": "twin"})})
    twin = dict(made["chains"]["local"])
    made["chains"]["twin"] = twin
    assert "the same chain" in problems(made), "two names of one chain are one chain"
    twin["chain_id"] = 10
    resolve(parse(made))


def test_two_dry_targets_have_no_key_in_common() -> None:
    resolve(parse(table(targets={"a": target(), "b": target()})))


def test_a_remote_gas_key_must_be_no_report_key_either(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps({"address": "ab" * 20}))
    remote = target(signer_url="http://127.0.0.1:9000", signer_address="0x" + "AB" * 20)
    text = problems(table(operators=operators(tmp_path), targets={"t": remote}))
    assert "targets.t.signer_address" in text
    assert "also the report key of operator 'a'" in text


def nameless(path: Path, key: coincurve.PrivateKey) -> str:
    """A keyfile as some tools write it: without its address."""
    save(path, key, "word", iterations=2)
    made = json.loads(path.read_text())
    del made["address"]
    path.write_text(json.dumps(made))
    return str(path)


def test_keyfiles_that_do_not_say_whose_they_are_are_told_apart_once_they_are_open(tmp_path: Path) -> None:
    key, other_key = (coincurve.PrivateKey(bytes([n]) * 32) for n in (81, 82))
    oracle = {"database": str(tmp_path / "o.db")}
    environ = {"LRT_ORACLE_PASSPHRASE": "word", "LRT_ORACLE_GAS_PASSPHRASE": "word"}
    twice = [
        {"name": n, "keyfile": nameless(tmp_path / f"{n}.json", key), "journal": str(tmp_path / f"{n}.db")}
        for n in "ab"
    ]
    with pytest.raises(ConfigError, match=r"operators\.b\.keyfile: 0x[0-9a-f]{40} is also the key of operator 'a'"):
        build(resolve(parse(table(oracle=oracle, operators=twice))), environ=environ)
    twice[1]["keyfile"] = nameless(tmp_path / "c.json", other_key)
    gas = target(gas_keyfile=nameless(tmp_path / "gas.json", other_key))
    made = resolve(parse(table(oracle=oracle, operators=twice, targets={"t": gas})))
    with pytest.raises(ConfigError, match=r"targets\.t\.gas_keyfile: is also the report key of operator 'b'"):
        build(made, environ=environ)
