"""A remote signer over the real wire protocol: what it signs is what the chain takes, and a wrong answer is noticed."""

from __future__ import annotations

import coincurve
import pytest
import rlp
from eth_account import Account
from eth_hash.auto import keccak

from oracle.chain.transaction import Fees, Unsigned
from oracle.sign.eip712 import Domain, address_of, batch_digest, batch_preimage, recover
from oracle.sign.keyfiles import LocalSigner
from oracle.sign.remote.remote_key import SignerError
from oracle.sign.remote.web3signer import RemoteSigner
from tests.oracle.sign.remote_signer_server import signing

pytestmark = pytest.mark.loopback
KEY = coincurve.PrivateKey(b"\x21" * 32)
ADDRESS = address_of(KEY)
UNSIGNED = Unsigned(
    chain_id=1, nonce=7, fees=Fees(tip_wei=8, max_wei=101), gas=90_000, to=b"\x11" * 20, data=b"\xab\xcd"
)


async def test_a_transaction_is_the_one_that_a_local_key_makes() -> None:
    async with signing(KEY) as (stand, remote):
        signed = UNSIGNED.signed(await remote.sign(UNSIGNED.preimage))
    assert signed == UNSIGNED.signed(await LocalSigner(KEY).sign(UNSIGNED.preimage))
    fields = {
        "type": 2, "chainId": 1, "nonce": 7, "to": "0x" + "11" * 20, "value": 0, "gas": 90_000, "data": b"\xab\xcd",
        "maxFeePerGas": 101, "maxPriorityFeePerGas": 8,
    }  # fmt: skip
    theirs = Account.sign_transaction(fields, KEY.secret)
    assert (signed.raw, signed.tx_hash) == (bytes(theirs.raw_transaction), "0x" + bytes(theirs.hash).hex())
    name, body = stand.asked[0]
    assert len(bytes.fromhex(name[2:])) == 64
    assert body == {"data": "0x" + UNSIGNED.preimage.hex()}
    assert rlp.decode(UNSIGNED.preimage[1:])[1] == b"\x07"


async def test_a_batch_s_signature_is_over_its_eip712_digest() -> None:
    domain, items = Domain(chain_id=5, store=b"\x22" * 20), b"\x01" * 60
    async with signing(KEY) as (stand, remote):
        compact = await remote.sign_compact(batch_preimage(domain, 3, 1_700_000_000, items))
        assert len(bytes.fromhex(stand.asked[0][1]["data"][2:])) == 66
        digest = batch_digest(domain, 3, 1_700_000_000, items)
        assert recover(digest, compact) == ADDRESS
        stand.asked.clear()
        twice = await remote.sign(digest)
    assert recover(keccak(digest), twice[:32] + twice[32:64]) != ADDRESS or twice[64] == 0
    with_parity = twice[:32] + (int.from_bytes(twice[32:64], "big") | twice[64] << 255).to_bytes(32, "big")
    assert recover(keccak(digest), with_parity) == ADDRESS, "a digest sent as data is hashed once more"
    assert recover(digest, with_parity) != ADDRESS


async def test_a_high_s_is_brought_into_the_form_that_chains_take() -> None:
    async with signing(KEY) as (stand, remote):
        stand.twist = "high s"
        assert await remote.sign(b"x") == await LocalSigner(KEY).sign(b"x")


@pytest.mark.parametrize(
    ("twist", "says"),
    [
        ("other data", "no signature of"),
        ("short", "no signature of"),
        ("500", "HTTP 500"),
        ("403", "does not let this be signed .HTTP 403.: look at its rules"),
        ("gone", "load the key"),
    ],
)
async def test_a_wrong_answer_is_a_typed_error(twist: str, says: str) -> None:
    async with signing(KEY) as (stand, remote):
        await remote.sign(b"first")
        stand.twist = twist
        if twist == "gone":
            stand.keys.clear()
        with pytest.raises(SignerError, match=says):
            await remote.sign(b"x")


async def test_a_key_that_the_signer_does_not_have_and_a_signer_that_is_not_there() -> None:
    async with signing(KEY) as (stand, remote):
        stand.keys.clear()
        with pytest.raises(SignerError, match="does not have 0x"):
            await remote.sign(b"x")
    gone = RemoteSigner("http://127.0.0.1:9", ADDRESS)
    with pytest.raises(SignerError, match=r"127\.0\.0\.1:9 does not answer"):
        await gone.sign(b"x")
    await gone.close()


async def test_an_answer_without_an_end_is_a_typed_error() -> None:
    async with signing(KEY) as (stand, remote):
        stand.twist = "endless"
        with pytest.raises(SignerError, match="without an end"):
            await remote.sign(b"x")
        stand.twist = ""
        assert await remote.sign(b"x") == await LocalSigner(KEY).sign(b"x")


async def test_the_time_is_for_the_signature_and_not_for_each_request() -> None:
    """The list of keys and the signature each come in time, and together too late: a round waits for its keys once."""
    async with signing(KEY) as (stand, _):
        stand.twist = "slow"
        quick = RemoteSigner(stand.url, ADDRESS, timeout_ms=200)
        with pytest.raises(SignerError, match=r"does not answer within 0\.2 s"):
            await quick.sign(b"x")
        await quick.close()


def test_a_url_that_is_not_an_address_is_refused() -> None:
    with pytest.raises(ValueError, match="write http"):
        RemoteSigner("localhost:9000", ADDRESS)
