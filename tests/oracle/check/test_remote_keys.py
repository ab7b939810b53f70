"""`lrt-oracle check` has every key that is elsewhere sign what is worth nothing: what it says, and that it is worth nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import coincurve
import pytest
from eth_hash.auto import keccak
from hypothesis import given
from hypothesis import strategies as st

from demo.world import anvil
from oracle.check.check import check
from oracle.check.remote_keys import (
    impossible_transaction,
    remote_key_file_problems,
    remote_key_findings,
    remote_key_notes,
    remote_key_sections,
)
from oracle.config.resolve import resolve
from oracle.config.sections import Config, parse
from oracle.sign.eip712 import (
    Domain,
    address_of,
    announce_preimage,
    arm_preimage,
    batch_preimage,
    check_preimage,
    observed_preimage,
    sealed_preimage,
)
from oracle.sign.keyfiles import LocalSigner
from tests.oracle.config.small_config import table
from tests.oracle.sign.remote.certificates import Authority, server_context
from tests.oracle.sign.remote.kms_stand import ACCESS, KEY_ID, REGION, SECRET, kms
from tests.oracle.sign.remote.tokens import MODULE, PIN, needs_softhsm, token_folder
from tests.oracle.sign.remote_signer_server import Stand, served

ROOT = Path(__file__).resolve().parents[3]
REPORT, GAS = coincurve.PrivateKey(b"\x61" * 32), coincurve.PrivateKey(b"\x62" * 32)
STORE = b"\x55" * 20
DOMAIN = Domain(chain_id=31337, store=STORE)
AWS = {"AWS_ACCESS_KEY_ID": ACCESS, "AWS_SECRET_ACCESS_KEY": SECRET}
loopback = pytest.mark.loopback


def config(report: dict[str, Any], gas: dict[str, Any] | None = None) -> Config:
    operator = {"name": "a", "journal": "j", "signer_address": "0x" + address_of(REPORT).hex(), **report}
    target = {"chain": "local", "store": "0x" + STORE.hex()}
    if gas is not None:
        target |= {"signer_address": "0x" + address_of(GAS).hex(), **gas}
    return parse(table(operators=[operator], targets={"t": target}))


# --- what it says ---------------------------------------------------------------------------------------------------


@loopback
async def test_each_key_signs_something_of_the_form_that_it_really_will() -> None:
    async with served(Stand(REPORT)) as report, kms(GAS) as cloud:
        gas = f"kms://{REGION}/{KEY_ID}?endpoint={cloud.url}"
        problems, notes = await remote_key_findings(config({"signer_url": report.url}, {"signer_url": gas}), AWS)
        assert problems == []
        (_, asked), (target, sent) = report.asked[0], cloud.asked[-1]
        assert bytes.fromhex(asked["data"][2:]) == check_preimage(DOMAIN)
        assert target == "TrentService.Sign"
        assert sent["MessageType"] == "DIGEST"
    said = r"operator a: the signer at 127\.0\.0\.1:\d+ signs for 0x[0-9a-f]{40}; with all before it that took \d+ ms"
    assert re.match(said, notes[0])
    assert notes[1].startswith(f"target t: AWS KMS in {REGION} signs for 0x{address_of(GAS).hex()}")


@loopback
async def test_a_key_that_does_not_sign_is_a_problem_at_its_place() -> None:
    async with served(Stand(GAS)) as report, kms(GAS) as cloud:
        cloud.state = "Disabled"
        gas = f"kms://{REGION}/{KEY_ID}?endpoint={cloud.url}"
        problems, notes = await remote_key_findings(config({"signer_url": report.url}, {"signer_url": gas}), AWS)
    assert notes == []
    told = {p.key: p.text for p in problems}
    assert list(told) == ["operators.a.signer_url", "targets.t.signer_url"]
    assert f"does not have 0x{address_of(REPORT).hex()}: load the key there" in told["operators.a.signer_url"]
    assert "DisabledException: the key is disabled: enable it" in told["targets.t.signer_url"]


@needs_softhsm
async def test_a_token_is_asked_too_and_its_pin_is_not_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folders: Iterator[Any] = token_folder(tmp_path / "hsm", monkeypatch)
    folder = next(folders)
    folder.load(folder.token("lrt"), "report", REPORT)
    url = f"pkcs11:token=lrt;object=report?module-path={MODULE}&pin-value=${{HSM_PIN}}"
    problems, notes = await remote_key_findings(config({"signer_url": url}), {"HSM_PIN": PIN})
    assert (problems, len(notes)) == ([], 1)
    assert notes[0].startswith(f"operator a: the token 'lrt' signs for 0x{address_of(REPORT).hex()}")
    problems, notes = await remote_key_findings(config({"signer_url": url}), {"HSM_PIN": "7654321"})
    assert notes == []
    assert [p.text for p in problems] == [
        "the token 'lrt' refuses the PIN: correct it; it is not tried again, for a few tries lock it"
    ]


async def test_without_a_network_no_key_is_asked_and_what_the_files_show_is_told(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    ending = authority.vouch("ending", ends_in=timedelta(days=3))
    files = {"signer_certificate": ending.certificate, "signer_private_key": ending.private_key}
    gas = {"signer_url": "https://signer.example", "signer_ca": str(tmp_path / "none.pem"), **files}
    document = await check(resolve(config({"signer_url": "http://10.0.0.5:9000"}, gas)), offline=True, environ={})
    problems = {p["key"]: p["text"] for p in document["errors"]}
    assert "none.pem cannot be read (No such file or directory)" in problems["targets.t.signer_ca"]
    notes = "\n".join(document["notes"])
    assert "operator a: its signer is asked without TLS: whoever is on the way can have anything signed" in notes
    assert "target t: signer_certificate ends on " in notes
    assert f"operator a: all that it signs for target t begins with 0x{check_preimage(DOMAIN)[:34].hex()}" in notes


def test_what_is_as_it_should_be_has_no_note_but_the_limit(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    client = authority.vouch("client", ends_in=timedelta(days=90))
    files = {"signer_certificate": client.certificate, "signer_private_key": client.private_key}
    made = config({"signer_url": "https://signer.example", "signer_ca": authority.path, **files})
    assert list(remote_key_file_problems(made)) == []
    (note,) = remote_key_notes(made)
    assert "limit its signer to that" in note
    for url in ("http://127.0.0.1:9000", "http://localhost:9000", "pkcs11:object=a?module-path=/m", "${SIGNER}"):
        assert len(list(remote_key_notes(config({"signer_url": url})))) == 1


@loopback
async def test_a_signer_over_mutual_tls_is_asked_with_its_files(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    server, client = authority.vouch("server", hosts=("127.0.0.1",)), authority.vouch("client")
    files = {"signer_certificate": client.certificate, "signer_private_key": client.private_key}
    async with served(Stand(REPORT), server_context(server, authority.path)) as stand:
        whole = config({"signer_url": stand.url, "signer_ca": authority.path, **files})
        assert (await remote_key_findings(whole, {}))[0] == []
        problems, _ = await remote_key_findings(config({"signer_url": stand.url, "signer_ca": authority.path}), {})
    assert "client certificate: write signer_certificate and signer_private_key" in problems[0].text


# --- that it is worth nothing ----------------------------------------------------------------------------------------

items = st.binary(max_size=90)
hashes = st.binary(min_size=32, max_size=32)
epochs, rounds = st.integers(0, 2**48 - 1), st.integers(0, 2**32 - 1)


@given(epochs, rounds, items, hashes, st.integers(0, 255))
def test_law_a_check_says_none_of_the_five_things(
    epoch: int, round_s: int, signed: bytes, thirty_two: bytes, step: int
) -> None:
    five = [
        observed_preimage(DOMAIN, epoch, round_s, signed, terms=thirty_two),
        sealed_preimage(DOMAIN, epoch, round_s, step, signed),
        batch_preimage(DOMAIN, epoch, round_s, signed),
        arm_preimage(DOMAIN, epoch, thirty_two),
        announce_preimage(DOMAIN, round_s, signed),
    ]
    assert check_preimage(DOMAIN) not in five
    rule = re.compile(limit(DOMAIN))
    assert all(rule.fullmatch("0x" + p.hex()) for p in (*five, check_preimage(DOMAIN))), "a rule lets all of them pass"
    other = Domain(chain_id=1, store=STORE)
    assert not rule.fullmatch("0x" + batch_preimage(other, epoch, round_s, signed).hex())


def limit(domain: Domain) -> str:
    """The rule that the documentation states, for a store."""
    text = (ROOT / "docs" / "push.md").read_text(encoding="utf-8")
    (rule,) = re.findall(r"```text\n(\^0x1901DOMAIN_SEPARATOR.*)\n```", text)
    assert rule in text.split("```rego")[1], "the example states the same rule"
    return str(rule).replace("DOMAIN_SEPARATOR", check_preimage(domain)[2:34].hex())


def test_the_rule_lets_nothing_pass_that_moves_money() -> None:
    rule = re.compile(limit(DOMAIN))
    transaction = impossible_transaction(31337).preimage
    message = b"\x19Ethereum Signed Message:\n32" + bytes(32)
    for data in (transaction, message, keccak(b"x"), check_preimage(DOMAIN) + b"\0", check_preimage(DOMAIN)[:-1]):
        assert not rule.fullmatch("0x" + data.hex())


def test_no_contract_knows_the_type_of_a_check() -> None:
    codes = {p.stem: p.read_text(encoding="utf-8").lower() for p in (ROOT / "contracts" / "artifacts").glob("*.json")}
    known = {
        kind: sorted(name for name, text in codes.items() if keccak(kind).hex() in text)
        for kind in (b"Batch(uint48 epoch,uint32 roundTime,bytes items)", b"Check(string says)")
    }
    assert "PriceStore" in known[b"Batch(uint48 epoch,uint32 roundTime,bytes items)"], "the control"
    assert known[b"Check(string says)"] == []


def test_every_store_has_a_check_of_its_own() -> None:
    domains = [DOMAIN, Domain(chain_id=1, store=STORE), Domain(chain_id=31337, store=b"\x56" * 20)]
    assert len({check_preimage(d) for d in domains}) == 3
    (key,) = remote_key_sections(config({"signer_url": "http://a:1"}))
    assert key.preimage == check_preimage(DOMAIN)
    alone = parse(table(operators=[{"name": "a", "journal": "j", "signer_url": "http://a:1", "signer_address": "0x" + "11" * 20}]))  # fmt: skip
    assert next(remote_key_sections(alone)).preimage == check_preimage(Domain(chain_id=0, store=bytes(20)))


@pytest.mark.chain
async def test_no_chain_takes_what_a_gas_key_signs() -> None:
    unsigned = impossible_transaction(31337)
    three = (unsigned.nonce, unsigned.gas, unsigned.fees.max_wei)
    assert three == (2**64 - 1, 0, 0), "EIP-2681 ends nonces before; no gas; no fee: each of them is enough"
    signed = unsigned.signed(await LocalSigner(GAS).sign(unsigned.preimage))
    payer = "0x" + address_of(GAS).hex()
    with anvil.running() as node:
        async with aiohttp.ClientSession() as session:

            async def ask(method: str, *params: Any) -> dict[str, Any]:
                body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
                async with session.post(node.url, json=body) as reply:
                    return dict(await reply.json())

            assert "error" not in await ask("anvil_setBalance", payer, hex(10**20))
            for nonce in (0, 2**64 - 1):
                assert "error" not in await ask("anvil_setNonce", payer, hex(nonce))
                reply = await ask("eth_sendRawTransaction", "0x" + signed.raw.hex())
                assert "error" in reply, reply
