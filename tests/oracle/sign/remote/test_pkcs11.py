"""A key in a real token (SoftHSM): it signs what a local key would, comes back with its token, and nobody locks it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import coincurve
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from eth_hash.auto import keccak

from oracle.model.signer_url import Pkcs11Url, read_signer_url
from oracle.sign.eip712 import address_of, recover
from oracle.sign.remote.pkcs11_key import Pkcs11Key
from oracle.sign.remote.pkcs11_module import Pkcs11Module
from oracle.sign.remote.remote_key import SignerError, checked_signature
from tests.oracle.sign.remote.tokens import MODULE, PIN, TokenFolder, needs_softhsm, token_folder

pytestmark = needs_softhsm
KEY, OTHER = coincurve.PrivateKey(b"\x31" * 32), coincurve.PrivateKey(b"\x32" * 32)
ADDRESS = address_of(KEY)
PATIENT_MS = 60_000
SECRET = b"what was to be signed"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TokenFolder]:
    monkeypatch.setenv("TOKEN_PIN", PIN)
    yield from token_folder(tmp_path / "hsm", monkeypatch)


@pytest.fixture
def token(folder: TokenFolder) -> TokenFolder:
    """With a token that has the key."""
    folder.load(folder.token("lrt"), "report", KEY)
    return folder


def url(
    where: str = "token=lrt;object=report", query: str = "&pin-value=${TOKEN_PIN}", module: str = MODULE
) -> Pkcs11Url:
    read = read_signer_url(f"pkcs11:{where}?module-path={module}{query}")
    assert isinstance(read, Pkcs11Url)
    return read


def key(where: Pkcs11Url | None = None, address: bytes = ADDRESS, environ: dict[str, str] | None = None) -> Pkcs11Key:
    return Pkcs11Key(where or url(), address, environ, timeout_ms=PATIENT_MS)


async def refused(made: Pkcs11Key) -> str:
    with pytest.raises(SignerError) as caught:
        await made.sign(SECRET)
    assert SECRET.hex() not in str(caught.value)
    assert PIN not in str(caught.value)
    return str(caught.value)


async def test_its_signatures_are_in_the_form_that_chains_take(token: TokenFolder) -> None:
    del token
    made = key()
    for n in range(40):  # half of a token's signatures have s in the upper half
        text = b"%d" % n
        signature = await made.sign(text)
        assert checked_signature(signature, keccak(text), ADDRESS) == signature, "in the form that chains take"
        assert recover(keccak(text), await made.sign_compact(text)) == ADDRESS
    await made.close()


async def test_who_opens_a_token_that_was_just_given_back_has_no_part_in_the_login_before(token: TokenFolder) -> None:
    """However late the module's thread comes to it."""
    del token
    first = key()
    await first.sign(SECRET)
    module, held = Pkcs11Module.opened(MODULE), threading.Event()
    busy = asyncio.create_task(module.run(held.wait))
    await asyncio.sleep(0)
    await first.close()
    module.release()
    second = key(environ={"TOKEN_PIN": "7654321"})
    waiting = asyncio.create_task(refused(second))
    await asyncio.sleep(0)
    held.set()
    assert "refuses the PIN" in await waiting
    await busy
    await second.close()


async def test_report_key_and_gas_key_share_a_token_and_a_login(token: TokenFolder) -> None:
    token.load("lrt", "gas", OTHER, key_id="02")
    report, gas = key(), key(url("token=lrt;id=%02"), address_of(OTHER))
    for _ in range(3):
        await asyncio.gather(report.sign(b"a"), gas.sign(b"b"), report.sign(b"c"))
    await report.close()
    assert await gas.sign(b"d"), "the other one goes on"
    await gas.close()


async def test_a_token_that_was_away_is_opened_again_for_every_key_of_it(token: TokenFolder) -> None:
    token.load("lrt", "gas", OTHER, key_id="02")
    report, gas = key(), key(url("token=lrt;id=%02"), address_of(OTHER))
    await report.sign(b"a")
    await gas.sign(b"a")
    token.take_out()
    for _ in range(3):
        assert "the token 'lrt' is not there" in await refused(report)
        assert "the token 'lrt' is not there" in await refused(gas)
    token.put_back()
    assert await report.sign(b"b")
    module = report._module
    assert module is not None
    turn = module.turn
    for _ in range(3):
        assert await report.sign(b"b")
        assert await gas.sign(b"b")
    assert module.turn == turn, "one beginning is enough for both: what was open before is not used again"
    await report.close()
    await gas.close()


async def test_a_key_that_was_not_asked_meanwhile_takes_no_other_for_itself(token: TokenFolder) -> None:
    """Handles are numbers that the module gives out anew: an old one may by now be that of the other key."""
    token.load("lrt", "gas", OTHER, key_id="02")
    gas, report = key(url("token=lrt;id=%02"), address_of(OTHER)), key()
    await gas.sign(b"a")
    await report.sign(b"a")
    token.take_out()
    await refused(report)
    token.put_back()
    assert await report.sign(b"b")
    module = report._module
    assert module is not None
    turn = module.turn
    assert await gas.sign(b"b")
    assert module.turn == turn
    await gas.close()
    assert await report.sign(b"c")
    assert module.turn == turn, "closing an old session closed no new one"
    await report.close()


async def test_a_token_that_comes_later_is_found(folder: TokenFolder) -> None:
    made = key()
    assert "the token 'lrt' is not there: put it in, or correct what signer_url says of it" in await refused(made)
    folder.load(folder.token("lrt"), "report", KEY)
    assert await made.sign(b"x")
    await made.close()


async def test_a_wrong_pin_is_tried_once(token: TokenFolder) -> None:
    """A token locks itself after a few wrong PINs, and a round comes every ten seconds."""
    del token
    tries: list[str] = []
    wrong, again = key(environ={"TOKEN_PIN": "1234567"}), key(environ={"TOKEN_PIN": "1234567"})
    login = Pkcs11Module._login

    def counted(module: Pkcs11Module, handle: Any, *args: Any) -> Any:
        class Counted:
            serial, label = handle.serial, handle.label

            def open(self, **given: Any) -> Any:
                tries.append(str(given))
                return handle.open(**given)

        return login(module, Counted(), *args)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Pkcs11Module, "_login", counted)
        assert "refuses the PIN: correct it; it is not tried again" in await refused(wrong)
        for _ in range(5):
            assert "refused this PIN and is not asked again" in await refused(wrong)
            assert "refused this PIN and is not asked again" in await refused(again)
        assert len(tries) == 1
        right = key()
        assert await right.sign(b"x"), "the right one is tried all the same"
    for one in (wrong, again, right):
        await one.close()


async def test_a_second_pin_beside_the_right_one_is_not_passed_over(token: TokenFolder) -> None:
    token.load("lrt", "gas", OTHER, key_id="02")
    right = key()
    await right.sign(b"x")
    wrong = key(url("token=lrt;id=%02"), address_of(OTHER), {"TOKEN_PIN": "1234567"})
    assert "is open by another PIN" in await refused(wrong)
    await right.close()
    await wrong.close()


@pytest.mark.parametrize(
    ("where", "query", "says"),
    [
        ("token=other;object=report", "&pin-value=${TOKEN_PIN}", "the token 'other' is not there"),
        (
            "token=lrt;object=none",
            "&pin-value=${TOKEN_PIN}",
            "has no private key of this label or id: correct object or id",
        ),
        ("token=lrt;object=report", "", "or write pin-value: without a login private keys do not show"),
        ("token=lrt;object=report;id=%09", "&pin-value=${TOKEN_PIN}", "has no private key of this label or id"),
        ("token=lrt;object=twice", "&pin-value=${TOKEN_PIN}", "has 2 private keys of this label: write id="),
        ("object=report", "&pin-value=${TOKEN_PIN}", "2 tokens are as signer_url says: write serial="),
        ("token=lrt;object=nist", "&pin-value=${TOKEN_PIN}", "not on the curve secp256k1"),
        ("token=lrt;object=other", "&pin-value=${TOKEN_PIN}", "and not of 0x" + ADDRESS.hex()),
        (
            "token=lrt;object=report",
            "&pin-value=${NO_PIN}",
            "needs its PIN: the environment variable NO_PIN is not set",
        ),
        ("token=lrt;object=report", "&pin-source=file:/no/such", "needs its PIN: the file /no/such cannot be read"),
        ("token=lrt;slot-id=999999;object=report", "&pin-value=${TOKEN_PIN}", "is not there"),
    ],
)
async def test_what_is_wrong_is_told_with_what_to_do(token: TokenFolder, where: str, query: str, says: str) -> None:
    if says.startswith("2 tokens"):
        token.token("second")
    token.load("lrt", "other", OTHER, key_id="02")
    token.load("lrt", "twice", OTHER, key_id="03")
    token.load("lrt", "twice", OTHER, key_id="04")
    token.load_other("lrt", "nist", ec.generate_private_key(ec.SECP256R1()), key_id="05")
    made = key(url(where, query))
    assert says in await refused(made)
    await made.close()


async def test_a_module_that_is_not_there_is_told(folder: TokenFolder) -> None:
    made = key(url(module=str(folder.folder / "none.so")))
    assert "cannot be loaded" in await refused(made)
    assert "correct module-path" in await refused(made)
    await made.close()


async def test_every_way_to_name_key_and_pin(token: TokenFolder, tmp_path: Path) -> None:
    del token
    pin = tmp_path / "pin"
    pin.write_text(PIN + "\n")
    for where, query in (
        ("token=lrt;object=report;id=%01;type=private", f"&pin-source=file:{pin}"),
        ("object=report", "&pin-value=${TOKEN_PIN}"),
        ("token=l%72t;id=%01", f"&pin-value=${{file:{pin}}}"),
        ("manufacturer=SoftHSM%20project;token=lrt;object=report", "&pin-value=${TOKEN_PIN}"),
    ):
        made = key(url(where, query))
        assert await made.sign(b"x")
        await made.close()


async def test_a_module_that_hangs_holds_neither_the_loop_nor_the_end(token: TokenFolder) -> None:
    del token
    made = key()
    await made.sign(b"x")
    module = made._module
    assert module is not None
    go_on = threading.Event()
    hanging = asyncio.ensure_future(module.run(lambda: go_on.wait(PATIENT_MS / 1_000)))
    await asyncio.sleep(0)
    quick = Pkcs11Key(url(), ADDRESS, timeout_ms=50)
    turns = 0

    async def ticking() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    ticks = asyncio.ensure_future(ticking())
    assert "does not answer within 0.05 s" in await refused(quick)
    ticks.cancel()
    assert turns > 1, "the loop goes on meanwhile"
    waits_still = not hanging.done()
    await quick.close()
    go_on.set()
    await hanging
    assert waits_still, "closing did not wait for it"
    assert await made.sign(b"y")
    await made.close()


async def test_what_was_given_up_before_its_turn_is_not_signed(token: TokenFolder) -> None:
    del token
    made = key()
    await made.sign(b"x")
    module = made._module
    assert module is not None
    done: list[int] = []
    go_on = threading.Event()
    hanging = asyncio.ensure_future(module.run(lambda: go_on.wait(PATIENT_MS / 1_000)))
    await asyncio.sleep(0)
    waiting = asyncio.ensure_future(module.run(lambda: done.append(1)))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    go_on.set()
    await hanging
    await module.run(lambda: done.append(2))
    assert done == [2]
    await made.close()
