"""Every kind of key that is elsewhere, opened from the config: each signs all seven things of a report key, and transactions."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import coincurve
import pytest
from eth_hash.auto import keccak

from oracle.chain.transaction import Fees, Unsigned
from oracle.config.sections import parse
from oracle.sign.announcement import Announcement, announcement_preimage
from oracle.sign.eip712 import (
    Domain,
    address_of,
    announce_digest,
    arm_digest,
    arm_preimage,
    batch_digest,
    batch_preimage,
    observed_digest,
    observed_preimage,
    recover,
    sealed_digest,
    sealed_preimage,
)
from oracle.sign.epoch_words import EpochAttendance, EpochVote, RewardsWord, VoteKind
from oracle.sign.keyfiles import LocalSigner
from oracle.sign.remote.open_key import open_key
from oracle.sign.remote.remote_key import RemoteKey, checked_signature
from tests.oracle.config.small_config import table
from tests.oracle.sign.remote.certificates import Authority, server_context
from tests.oracle.sign.remote.kms_stand import ACCESS, KEY_ID, REGION, SECRET, kms
from tests.oracle.sign.remote.tokens import MODULE, PIN, needs_softhsm, token_folder
from tests.oracle.sign.remote_signer_server import Stand, served

pytestmark = pytest.mark.loopback
KEY = coincurve.PrivateKey(b"\x51" * 32)
ADDRESS = address_of(KEY)
DOMAIN = Domain(chain_id=31337, store=b"\x66" * 20)
ITEMS, SET = b"\x01" * 60, b"\x07" * 32
SAID = Announcement(counter=7, network_key=b"\x08" * 20, urls=("wss://a.example:1/",), certificate=b"\x09" * 32)
SEEN = EpochAttendance(domain=DOMAIN, epoch=3, rounds=9, counts=(9, 8))
VOTE = EpochVote(domain=DOMAIN, epoch=3, kind=VoteKind.READY, attempt=1, content=SET)
OWED = RewardsWord(domain=DOMAIN, epoch=3, root=SET, absent=(), grounds=SET)
EIGHT = {
    "Observed": (
        observed_preimage(DOMAIN, 3, 1_700_000_000, ITEMS, terms=SET),
        observed_digest(DOMAIN, 3, 1_700_000_000, ITEMS, terms=SET),
    ),
    "Sealed": (sealed_preimage(DOMAIN, 3, 1_700_000_000, 2, ITEMS), sealed_digest(DOMAIN, 3, 1_700_000_000, 2, ITEMS)),
    "Batch": (batch_preimage(DOMAIN, 3, 1_700_000_000, ITEMS), batch_digest(DOMAIN, 3, 1_700_000_000, ITEMS)),
    "Arm": (arm_preimage(DOMAIN, 4, SET), arm_digest(DOMAIN, 4, SET)),
    "Announce": (announcement_preimage(DOMAIN, SAID), announce_digest(DOMAIN, 7, SAID.body())),
    "Attended": (SEEN.preimage(), keccak(SEEN.preimage())),
    "EpochVote": (VOTE.preimage(), keccak(VOTE.preimage())),
    "Rewards": (OWED.preimage(), keccak(OWED.preimage())),
}
TRANSACTION = Unsigned(
    chain_id=1, nonce=7, fees=Fees(tip_wei=8, max_wei=101), gas=90_000, to=b"\x11" * 20, data=b"\xab" * 900
)


def opened(environ: dict[str, str] | None = None, **signer: Any) -> RemoteKey:
    operator = {"name": "a", "journal": "j", "signer_address": "0x" + ADDRESS.hex(), **signer}
    key = open_key(parse(table(operators=[operator])).operators[0], environ, timeout_ms=60_000)
    assert key is not None
    return key


@asynccontextmanager
async def in_the_clear(_: Path) -> AsyncIterator[RemoteKey]:
    async with served(Stand(KEY)) as stand:
        yield opened(signer_url=stand.url)


@asynccontextmanager
async def over_mutual_tls(folder: Path) -> AsyncIterator[RemoteKey]:
    authority = Authority(folder)
    server, client = authority.vouch("server", hosts=("127.0.0.1",)), authority.vouch("client")
    async with served(Stand(KEY), server_context(server, authority.path)) as stand:
        yield opened(
            signer_url=stand.url, signer_ca=authority.path, signer_certificate=client.certificate,
            signer_private_key=client.private_key,
        )  # fmt: skip


@asynccontextmanager
async def in_a_token(folder: Path) -> AsyncIterator[RemoteKey]:
    with pytest.MonkeyPatch.context() as patch:
        tokens: Iterator[Any] = token_folder(folder / "hsm", patch)
        made = next(tokens)
        made.load(made.token("lrt"), "report", KEY)
        url = f"pkcs11:token=lrt;object=report?module-path={MODULE}&pin-value=${{HSM_PIN}}"
        yield opened({"HSM_PIN": PIN}, signer_url=url)


@asynccontextmanager
async def in_a_cloud(_: Path) -> AsyncIterator[RemoteKey]:
    async with kms(KEY) as stand:
        environ = {"AWS_ACCESS_KEY_ID": ACCESS, "AWS_SECRET_ACCESS_KEY": SECRET}
        yield opened(environ, signer_url=f"kms://{REGION}/{KEY_ID}?endpoint={stand.url}")


KINDS = [in_the_clear, over_mutual_tls, pytest.param(in_a_token, marks=needs_softhsm), in_a_cloud]


@pytest.mark.parametrize("kind", KINDS)
async def test_every_kind_signs_all_that_a_report_key_signs(kind: Any, tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        key = await stack.enter_async_context(kind(tmp_path))
        stack.push_async_callback(key.close)
        for name, (preimage, digest) in EIGHT.items():
            assert recover(digest, await key.sign_compact(preimage)) == ADDRESS, name


@pytest.mark.parametrize("kind", KINDS)
async def test_every_kind_signs_transactions(kind: Any, tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        key = await stack.enter_async_context(kind(tmp_path))
        stack.push_async_callback(key.close)
        signature = await key.sign(TRANSACTION.preimage)
        digest = keccak(TRANSACTION.preimage)
        assert checked_signature(signature, digest, ADDRESS) == signature
        raw = TRANSACTION.signed(signature).raw
        assert len(raw) == len(TRANSACTION.signed(await LocalSigner(KEY).sign(TRANSACTION.preimage)).raw)


@pytest.mark.parametrize("kind", KINDS)
async def test_no_kind_shows_a_secret(kind: Any, tmp_path: Path) -> None:
    async with kind(tmp_path) as key:
        assert not any(secret in repr(key) for secret in (PIN, SECRET, ACCESS))
        assert "0x" + ADDRESS.hex() in repr(key)


def test_a_section_without_one_opens_none() -> None:
    operator = {"name": "a", "journal": "j", "keyfile": "k"}
    assert open_key(parse(table(operators=[operator])).operators[0]) is None
