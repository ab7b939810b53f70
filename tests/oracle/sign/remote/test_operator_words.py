"""All that an operator says whose report key is elsewhere: each word as a local key says it, the journal first, or a refusal."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import coincurve
import pytest

from oracle.sign.announcement import Announcement, SignedAnnouncement, announcement_preimage, read_announcement
from oracle.sign.eip712 import (
    address_of,
    arm_preimage,
    batch_digest,
    batch_preimage,
    observed_preimage,
    recover,
    sealed_digest,
    sealed_preimage,
)
from oracle.sign.messages import Refusal, RefusalCode, Signature, SignedValues
from oracle.sign.operator import Operator
from oracle.sign.remote_operator import RemoteOperator
from oracle.sign.sign_journal import SignJournal
from tests.oracle.sign.remote_signer_server import Stand, signing
from tests.oracle.sign.sign_world import (
    DOMAIN,
    KEYS,
    NOW_MS,
    ROUND_S,
    SIGNERS,
    agreed,
    batched,
    certified,
    signed_values,
    views,
)

pytestmark = pytest.mark.loopback
KEY, ADDRESS = KEYS[0], address_of(KEYS[0])
SET, TERMS = b"\x07" * 32, b"\x08" * 32
SAID = Announcement(counter=7, network_key=b"\x09" * 20, urls=("wss://a.example:1/",))


def journal(path: Path, key: coincurve.PrivateKey = KEY) -> SignJournal:
    return SignJournal(path, address_of(key), now_ms=NOW_MS, mute_ms=0, newborn=True)


def local(folder: Path, key: coincurve.PrivateKey = KEY, name: str = "far") -> Operator:
    return Operator(name, key, journal(folder / f"{name}-{address_of(key).hex()}.db", key), bound_bps=100)


def items_of(folder: Path, *prices: str) -> bytes:
    """What three operators in one process would agree on."""
    operators = [local(folder, key, f"near{i}-{prices[0]}") for i, key in enumerate(KEYS)]
    return agreed(signed_values(operators, views(*prices)))


@asynccontextmanager
async def far_operator(folder: Path) -> AsyncIterator[tuple[RemoteOperator, Stand]]:
    async with signing(KEY) as (stand, remote):
        kept = journal(folder / "far.db")
        yield RemoteOperator("far", remote, kept, bound_bps=100), stand
        kept.close()


def asked(stand: Stand) -> list[bytes]:
    return [bytes.fromhex(body["data"][2:]) for _, body in stand.asked]


async def test_it_says_what_a_key_in_this_process_says(tmp_path: Path) -> None:
    items, view = items_of(tmp_path, "1.04", "1.04", "1.05"), views("1.04")[0]
    near = local(tmp_path)
    async with far_operator(tmp_path) as (far, stand):
        for one in (far, near):
            values = await one.request_values(SIGNERS, ROUND_S, view, TERMS)
            assert isinstance(values, SignedValues)
            seal, batch = await certified(one, items, 2), await batched(one, items)
            arm, said = await one.request_arming(SIGNERS, SET), await one.announce(DOMAIN, SAID)
            assert isinstance(seal, Signature)
            assert isinstance(batch, Signature)
            assert isinstance(arm, Signature)
            assert isinstance(said, SignedAnnouncement)
            assert recover(sealed_digest(DOMAIN, 1, ROUND_S, 2, items), seal.compact) == ADDRESS
            assert recover(batch_digest(DOMAIN, 1, ROUND_S, items), batch.compact) == ADDRESS
            assert read_announcement(DOMAIN, said.raw) == said
            if one is far:
                first = (values, seal, batch, arm, said)
        assert first == (values, seal, batch, arm, said)
        assert asked(stand) == [
            observed_preimage(DOMAIN, 1, ROUND_S, values.items, terms=TERMS),
            sealed_preimage(DOMAIN, 1, ROUND_S, 2, items),
            batch_preimage(DOMAIN, 1, ROUND_S, items),
            arm_preimage(DOMAIN, 1, SET),
            announcement_preimage(DOMAIN, SAID),
        ], "one request for each, and nothing else"


@pytest.mark.parametrize("kind", ["certificate", "batch"])
async def test_the_journal_is_on_disk_before_the_signer_is_asked(tmp_path: Path, kind: str) -> None:
    items = items_of(tmp_path, "1.04", "1.04", "1.05")
    async with far_operator(tmp_path) as (far, stand):
        held: list[list[Any]] = []
        has = stand.keys

        class Watched(dict[str, coincurve.PrivateKey]):
            def get(self, *args: Any) -> Any:
                with sqlite3.connect(tmp_path / "far.db") as kept:
                    held.append(kept.execute("SELECT feed, round_s FROM signed ORDER BY feed LIMIT 1").fetchall())
                return has.get(*args)

        stand.keys = Watched(has)
        answer = await (certified(far, items) if kind == "certificate" else batched(far, items))
        assert isinstance(answer, Signature)
        assert held == [[(0, ROUND_S)]]


@pytest.mark.parametrize("twist", ["500", "other data", "short"])
async def test_a_signer_that_does_not_sign_makes_it_mute_for_the_round(tmp_path: Path, twist: str) -> None:
    items, view = items_of(tmp_path, "1.04", "1.04", "1.05"), views("1.04")[0]
    async with far_operator(tmp_path) as (far, stand):
        stand.twist = twist
        answers = [
            await far.request_values(SIGNERS, ROUND_S, view),
            await certified(far, items),
            await batched(far, items),
            await far.request_arming(SIGNERS, SET),
            await far.announce(DOMAIN, SAID),
        ]
        for answer in answers:
            assert isinstance(answer, Refusal)
            assert (answer.code, answer.address) == (RefusalCode.SIGNER, ADDRESS)
            assert "the signer at 127.0.0.1:" in answer.text
            assert items.hex() not in answer.text
        stand.twist = ""
        assert isinstance(await certified(far, items), Signature), "the same words it says when it is asked again"


async def test_what_was_lost_on_its_way_counts_as_signed(tmp_path: Path) -> None:
    items, other = items_of(tmp_path, "1.04", "1.04", "1.05"), items_of(tmp_path, "1.01", "1.01", "1.02")
    async with far_operator(tmp_path) as (far, stand):
        stand.twist = "500"
        assert isinstance(await certified(far, items), Refusal)
        stand.twist = ""
        before = len(stand.asked)
        for answer in (await certified(far, other), await batched(far, other)):
            assert isinstance(answer, Refusal)
            assert answer.code is RefusalCode.EQUIVOCATION
        assert len(stand.asked) == before, "the signer is not even asked"
        assert isinstance(await batched(far, items), Signature)


async def test_it_cannot_be_asked_as_if_the_key_were_here(tmp_path: Path) -> None:
    async with far_operator(tmp_path) as (far, _):
        with pytest.raises(TypeError, match="is elsewhere: await request_values, request_seal, request_signature"):
            far.sign_values(SIGNERS, ROUND_S, {})
        assert isinstance(await far.request_values(SIGNERS, ROUND_S, {}), SignedValues)
