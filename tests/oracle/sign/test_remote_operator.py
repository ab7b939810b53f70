"""A report key with a remote signer: the operator says the same, its journal comes first, and without the signer it is mute."""

from __future__ import annotations

import signal
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import coincurve
import pytest
from click.testing import CliRunner

from demo.testbed import running_testbed
from demo.world.anvil import free_port
from feeds.types import Kind, Observation, Outcome
from feeds.units import WAD, Wad
from oracle.__main__ import main
from oracle.agree.messages import FeedRefusal
from oracle.model.state import FeedState
from oracle.round.rounds import Member, Round, Rounds
from oracle.round.seat import HomeStore, SignerSeat
from oracle.sign.eip712 import (
    Domain,
    address_of,
    batch_digest,
    batch_preimage,
    observed_preimage,
    recover,
    sealed_preimage,
)
from oracle.sign.messages import (
    Refusal,
    RefusalCode,
    Signature,
    SignedBatch,
    SignedValues,
    SignerSet,
)
from oracle.sign.operator import SEALED_PLACE, Operator
from oracle.sign.remote_operator import RemoteOperator
from oracle.sign.sign_journal import SignJournal
from tests.oracle.network.agreement_world import BRIEF, BRISK, agreed_round, agreements_here
from tests.oracle.push.fault_world import SPECS as BOTH
from tests.oracle.sign.remote_signer_server import Stand, signing
from tests.oracle.sign.secret_scan import (
    all_answers,
    environment,
    files_in,
    key_accounts,
    secrets_in,
    start_oracle,
    written_forms,
)

pytestmark = pytest.mark.loopback
KEYS = [coincurve.PrivateKey(bytes([n]) * 32) for n in (31, 32, 33)]
DOMAIN = Domain(chain_id=31337, store=b"\x66" * 20)
FEED = "wdivETH/ETH"
SPECS = {FEED: BOTH[FEED]}
ROUND_S = 1_700_000_000
T0 = ROUND_S * 1_000


ROOMY = replace(BRISK, grace_ms=20_000, values_ms=30_000, first_ms=60_000, end_ms=600_000)
"""Whoever answers at all is waited for, however busy the machine is."""


def outcomes(percent: int) -> dict[str, list[Outcome]]:
    """What everybody sees: the market at so many hundredths of an ether, the rate at 1.05."""
    pair = SPECS[FEED].pair
    prices = {"coinbase": percent, "kraken": percent, "rate": 105}
    kinds = {name: Kind.REDEMPTION if name == "rate" else Kind.MARKET for name in prices}
    return {
        FEED: [
            Observation(pair=pair, source=n, group=n, kind=kinds[n], price_wad=Wad(p * WAD // 100), observed_at_ms=T0)
            for n, p in prices.items()
        ]
    }


def signer_set(threshold: int) -> SignerSet:
    addresses = tuple(address_of(k) for k in KEYS)
    return SignerSet(domain=DOMAIN, epoch=1, signers=addresses, weights=(1, 1, 1), threshold=threshold)


class Table:
    """Three operators, the first with its key at a remote signer, as the process asks them."""

    def __init__(self, folder: Path, remote: Any, threshold: int) -> None:
        self.signers = signer_set(threshold)
        self.journals = [
            SignJournal(folder / f"{i}.db", address_of(k), now_ms=T0, mute_ms=0, newborn=True)
            for i, k in enumerate(KEYS)
        ]
        self.far = RemoteOperator("far", remote, self.journals[0], bound_bps=100)
        near = [Operator(f"near{i}", KEYS[i], self.journals[i], bound_bps=100) for i in (1, 2)]
        self.operators: list[Operator] = [self.far, *near]
        members = [
            Member(name=o.name, specs=SPECS, states={f: FeedState() for f in SPECS}, signer=o) for o in self.operators
        ]
        self.rounds = Rounds(SPECS, members, HomeStore(target="t", feeds=frozenset(SPECS)))
        self.rounds.take_seat(SignerSeat(target="t", signers=self.signers, indexes={FEED: 0}))
        self.agreements = agreements_here(self.operators, now_ms=lambda: T0, timing=ROOMY)

    async def round(self, percent: int = 104) -> Round:
        return await agreed_round(self.rounds, self.agreements, ROUND_S, outcomes(percent))

    async def batch(self, done: Round) -> tuple[SignedBatch | None, tuple[Refusal, ...]]:
        collected = await self.agreements.cut(done.outcomes["t"], [0])
        return collected.batch, collected.refusals


@asynccontextmanager
async def table(folder: Path, threshold: int = 3) -> AsyncIterator[tuple[Table, Stand]]:
    async with signing(KEYS[0]) as (stand, remote):
        made = Table(folder, remote, threshold)
        yield made, stand
        for journal in made.journals:
            journal.close()


def asked(stand: Stand) -> list[bytes]:
    return [bytes.fromhex(body["data"][2:]) for _, body in stand.asked]


async def test_all_that_it_signs_is_what_a_key_in_this_process_signs(tmp_path: Path) -> None:
    async with table(tmp_path) as (one, stand):
        done = await one.round()
        outcome = done.outcomes["t"]
        assert outcome.sealed is not None
        assert outcome.signed == ("far", "near1", "near2"), "the threshold is three of three"
        batch, refusals = await one.batch(done)
        assert refusals == ()
        assert batch is not None
        assert batch.signers == ("far", "near1", "near2")
        digest = batch_digest(DOMAIN, 1, ROUND_S, batch.items)
        assert recover(digest, batch.signatures[1:65]) == address_of(KEYS[0])
        mine = next(v.signed for v in outcome.values if v.address == one.far.address)
        local = Operator("far", KEYS[0], one.journals[0], bound_bps=100)
        binding = outcome.terms.binding
        view = one.rounds.fold(ROUND_S, outcomes(104), now_ms=T0).asks["t"].reports["far"]
        assert mine == local.sign_values(one.signers, ROUND_S, view, binding)
        step = outcome.sealed.step
        assert asked(stand) == [
            observed_preimage(DOMAIN, 1, ROUND_S, mine.items, terms=binding),
            sealed_preimage(DOMAIN, 1, ROUND_S, step, batch.items),
            batch_preimage(DOMAIN, 1, ROUND_S, batch.items),
        ]  # fmt: skip
        assert done.mute == frozenset()


async def test_the_journal_is_on_disk_before_the_signer_is_asked(tmp_path: Path) -> None:
    async with table(tmp_path) as (one, stand):
        held: list[list[Any]] = []
        sign = stand.keys

        class Watched(dict[str, coincurve.PrivateKey]):
            def get(self, *args: Any) -> Any:
                with sqlite3.connect(tmp_path / "0.db") as journal:
                    held.append(journal.execute("SELECT feed, round_s FROM signed").fetchall())
                return sign.get(*args)

        stand.keys = Watched(sign)
        assert (await one.batch(await one.round()))[0] is not None
        whole = [(0, ROUND_S), (SEALED_PLACE, ROUND_S)]
        assert held == [[], whole, whole], "its values bind it to nothing; the certificate does, and the batch as well"


@pytest.mark.parametrize("twist", ["500", "other data", "short"])
async def test_a_signer_that_does_not_sign_leaves_the_others_to_agree(tmp_path: Path, twist: str) -> None:
    async with table(tmp_path, threshold=2) as (one, stand):
        one.agreements.timing = BRISK
        stand.twist = twist
        done = await one.round()
        assert {v.operator for v in done.outcomes["t"].used_values} == {"near1", "near2"}
        assert done.mute == {"far"}
        record = done.records[0]
        assert record.signed_at_ms is not None
        assert record.operators == ("near1", "near2"), "who did not sign is not said to have"
        assert record.seal is not None
        assert (record.seal.weight, record.seal.threshold, record.seal.total) == (2, 2, 3)
        assert [(m.operator, "the signer at 127.0.0.1:" in m.why) for m in record.seal.missing] == [("far", True)]
        batch, refusals = await one.batch(done)
        assert batch is not None
        assert batch.signers == ("near1", "near2")
        assert [(r.operator, r.code) for r in refusals] == [("far", RefusalCode.SIGNER)]
        stand.twist = ""
        one.agreements.timing = ROOMY
        done = await one.round()
        assert done.mute == frozenset(), "the next round asks it again"
        assert len(done.outcomes["t"].values) == 3
        assert done.records[0].seal is not None
        assert done.records[0].seal.missing == (), "who answers a little later than the keys here is waited for"


async def test_without_enough_signers_nothing_is_published_and_it_says_who_is_missing(tmp_path: Path) -> None:
    async with table(tmp_path, threshold=3) as (one, stand):
        signed = await one.round()
        assert len(signed.records) == 1
        stand.keys.clear()
        done = await one.round()
        assert (done.records, done.agreements, done.transitions) == ((), (), ())
        assert done.mute == {"far"}
        assert done.unsealed.startswith("values of weight 2, 3 are needed: far: ")
        assert done.feeds, "what each operator found is kept all the same"


async def test_a_signer_that_hangs_up_is_a_refusal_that_names_its_host_only(tmp_path: Path) -> None:
    class Gone(dict[str, coincurve.PrivateKey]):
        def get(self, *_: Any) -> Any:
            raise ConnectionResetError

    async with table(tmp_path, threshold=2) as (one, stand):
        done = await one.round()
        stand.keys = Gone(stand.keys)
        batch, refusals = await one.batch(done)
        assert batch is not None
        assert [r.code for r in refusals] == [RefusalCode.SIGNER]
        assert "the signer at 127.0.0.1:" in refusals[0].text


async def test_a_signer_that_is_too_late_for_a_round_is_not_waited_for(tmp_path: Path) -> None:
    """The others seal without it; what it answers afterwards harms nothing, and it is said who was missing."""
    async with table(tmp_path, threshold=2) as (one, stand):
        one.agreements.timing = replace(BRISK, grace_ms=20)
        stand.twist = "slow"
        done = await one.round()
        outcome = done.outcomes["t"]
        assert outcome.sealed is not None
        assert set(outcome.signed) >= {"near1", "near2"}
        seal = done.records[0].seal
        assert seal is not None
        assert ("far" in [m.operator for m in seal.missing]) is ("far" not in outcome.signed)
        batch, _ = await one.batch(done)
        assert batch is not None
        assert batch.signers == ("far", "near1", "near2"), "for a batch it is in time"


async def test_it_never_signs_two_things_and_the_signer_is_not_even_asked(tmp_path: Path) -> None:
    async with table(tmp_path) as (one, stand):
        first, _ = await one.batch(await one.round())
        assert first is not None
        one.agreements.timing = BRIEF
        before = len(asked(stand))
        done = await one.round(103)
        outcome = done.outcomes["t"]
        assert outcome.sealed is None
        assert done.records == ()
        assert {c for m in outcome.members for _, c in m.refused} == {FeedRefusal.EQUIVOCATION}
        later = asked(stand)[before:]
        items = outcome.values[0].signed.items
        assert later == [observed_preimage(DOMAIN, 1, ROUND_S, items, terms=outcome.terms.binding)], "its values alone"
        at = {"now_ms": T0, "clock_ok": True}
        for answer in (
            await one.far.request_seal(one.signers, ROUND_S, 1, items, **at),
            await one.far.request_signature(one.signers, ROUND_S, items, **at),
        ):
            assert isinstance(answer, Refusal)
            assert answer.code is RefusalCode.EQUIVOCATION
        assert asked(stand)[before:] == later
        again = await one.far.request_signature(one.signers, ROUND_S, first.items, **at)
        assert isinstance(again, Signature), "the same words it says again"


async def test_it_cannot_be_asked_as_if_the_key_were_here(tmp_path: Path) -> None:
    async with table(tmp_path) as (one, _):
        with pytest.raises(TypeError, match="is elsewhere: await request_values, request_seal, request_signature"):
            one.far.sign_values(one.signers, ROUND_S, {})
        assert isinstance(await one.far.request_values(one.signers, ROUND_S, {}), SignedValues)


@pytest.mark.chain
async def test_a_process_with_a_remote_report_key_pushes_and_shows_no_secret(tmp_path: Path) -> None:
    async with running_testbed(tmp_path, port=free_port()) as stand:
        alpha = coincurve.PrivateKey(bytes(stand.world.accounts.operators[0].key))
        async with signing(alpha) as (signer, _):
            config = stand.config.read_text()
            sections = config.split("[[operators]]")
            assert len(sections) == 4
            away = f'signer_url = "{signer.url}"\nsigner_address = "0x{address_of(alpha).hex()}"'
            line = next(x for x in sections[1].splitlines() if x.startswith("keyfile"))
            stand.config.write_text("[[operators]]".join([sections[0], sections[1].replace(line, away), sections[3]]))
            (tmp_path / "alpha.key.json").unlink()
            process, out = await start_oracle(stand, tmp_path / "out.log")
            try:
                texts = await all_answers(stand)
                environ = environment(process.pid)
            finally:
                process.send_signal(signal.SIGTERM)
                await process.wait()
            assert signer.asked, "two of three must sign, and only alpha and gamma are there"
            keys = {f"key {i}": list(written_forms(bytes(a.key))) for i, a in enumerate(key_accounts(stand))}  # type: ignore[attr-defined]
            words = {"passphrase": [v.encode() for v in set(stand.environ.values())]}
            log = out.read_bytes()
            assert b"Traceback" not in log
            assert secrets_in(environ, keys) == []
            texts |= {"log": log, "config": stand.config.read_bytes(), **files_in(tmp_path)}
            assert {name: hits for name, text in texts.items() if (hits := secrets_in(text, keys | words))} == {}


def test_a_config_that_gives_an_operator_no_key_or_two_is_refused(tmp_path: Path) -> None:
    assert "one key: write keyfile, or signer_url" in refused(tmp_path, "")
    both = f'keyfile = "k"\nsigner_url = "http://a:1"\nsigner_address = "0x{"11" * 20}"'
    assert "one key: write keyfile, or signer_url" in refused(tmp_path, both)
    assert "belong together" in refused(tmp_path, 'signer_url = "http://a:1"')
    secret = f'signer_url = "http://u:p@a:1"\nsigner_address = "0x{"11" * 20}"'
    assert "secrets are never in the config" in refused(tmp_path, secret)
    plain = f'signer_url = "a:1"\nsigner_address = "0x{"11" * 20}"'
    assert "write http:// or https://" in refused(tmp_path, plain)
    good = f'signer_url = "http://a:1"\nsigner_address = "0x{"11" * 20}"'
    twice = f'{good}\n[[operators]]\nname = "b"\njournal = "j2"\n{good}'
    assert "is also the key of operator 'a'" in refused(tmp_path, twice)
    gas = f'{good}\n[targets.t]\nchain = "local"\nstore = "0x{"22" * 20}"\n{good}'
    assert "is also the report key of operator 'a'" in refused(tmp_path, gas)
    assert refused(tmp_path, good) == ""


def refused(folder: Path, key: str) -> str:
    path = folder / "config.toml"
    path.write_text(f"""
[chains.local]
chain_id = 1
endpoints = ["http://127.0.0.1:9"]
[feeds."ETH/USD"]
sources = [{{ type = "coinbase", symbol = "ETH-USD" }}, {{ type = "kraken", symbol = "ETH/USD" }}]
[[operators]]
name = "a"
journal = "j"
{key}
""")
    done = CliRunner().invoke(main, ["--config", str(path), "check", "--offline"])
    return "" if done.exit_code == 0 else done.output
