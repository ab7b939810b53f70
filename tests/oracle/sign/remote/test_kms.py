"""A key in AWS KMS over its real wire protocol: signatures as chains take them, and a sentence for each answer that is none."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import coincurve
import pytest
from aiohttp import web
from eth_hash.auto import keccak

from oracle.model.signer_url import KmsUrl, read_signer_url
from oracle.runtime.clock import now_ms
from oracle.sign.eip712 import address_of, recover
from oracle.sign.remote.aws_credentials import AwsCredentials
from oracle.sign.remote.kms import KmsKey
from oracle.sign.remote.remote_key import SignerError, checked_signature
from tests.oracle.sign.remote.kms_stand import ACCESS, ARN, KEY_ID, REGION, SECRET, KmsStand, kms

pytestmark = pytest.mark.loopback
KEY = coincurve.PrivateKey(b"\x41" * 32)
ADDRESS = address_of(KEY)
TEXT = b"what was to be signed"
ENVIRON = {"AWS_ACCESS_KEY_ID": ACCESS, "AWS_SECRET_ACCESS_KEY": SECRET}


def key(
    stand: KmsStand,
    where: str = f"kms://{REGION}/{KEY_ID}",
    environ: dict[str, str] | None = None,
    address: bytes = ADDRESS,
    clock: Callable[[], int] = now_ms,
) -> KmsKey:
    url = read_signer_url(f"{where}?endpoint={stand.url}")
    assert isinstance(url, KmsUrl)
    return KmsKey(
        url, address, AwsCredentials(ENVIRON if environ is None else environ, now_ms), timeout_ms=60_000, now_ms=clock
    )


async def refused(made: KmsKey) -> str:
    with pytest.raises(SignerError) as caught:
        await made.sign(TEXT)
    await made.close()
    for secret in (TEXT.hex(), keccak(TEXT).hex(), SECRET, "session-token"):
        assert secret not in f"{caught.value!r} {made!r}"
    return str(caught.value)


@pytest.mark.parametrize("high", [False, True])
@pytest.mark.parametrize("where", [f"kms://{REGION}/{KEY_ID}", f"kms://{REGION}/alias/report", ARN, f"kms://{ARN}"])
async def test_its_signatures_are_in_the_form_that_chains_take(where: str, high: bool) -> None:
    async with kms(KEY) as stand:
        stand.high = high
        made = key(stand, where)
        for n in range(10):
            text = b"%d" % n
            signature = await made.sign(text)
            assert checked_signature(signature, keccak(text), ADDRESS) == signature
            assert recover(keccak(text), await made.sign_compact(text)) == ADDRESS
        await made.close()
    assert [t for t, _ in stand.asked].count("TrentService.GetPublicKey") == 1


def disabled(stand: KmsStand) -> None:
    stand.state = "Disabled"


def deleted(stand: KmsStand) -> None:
    stand.state = "PendingDeletion"


def throttled(stand: KmsStand) -> None:
    stand.throttled = 99


def out_of_order(stand: KmsStand) -> None:
    stand.broken = 99


def nist(stand: KmsStand) -> None:
    stand.spec = "ECC_NIST_P256"


def agrees(stand: KmsStand) -> None:
    stand.usage = "KEY_AGREEMENT"


def symmetric(stand: KmsStand) -> None:
    stand.usage = "ENCRYPT_DECRYPT"


def moved(stand: KmsStand) -> None:
    stand.names.clear()


def slow_clock(stand: KmsStand) -> None:
    stand.late = timedelta(minutes=7)


def fast_clock(stand: KmsStand) -> None:
    stand.late = -timedelta(minutes=7)


def wrong_secret(stand: KmsStand) -> None:
    stand.secrets = {ACCESS: ("another", "")}


def unknown_access(stand: KmsStand) -> None:
    stand.secrets = {}


def other_key(stand: KmsStand) -> None:
    stand.key = coincurve.PrivateKey(b"\x42" * 32)


def twisted(twist: str) -> Callable[[KmsStand], None]:
    def twists(stand: KmsStand) -> None:
        stand.twist = twist

    return twists


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        (disabled, "DisabledException: the key is disabled: enable it"),
        (deleted, "KMSInvalidStateException: the key's state does not let it sign, as when its deletion is scheduled"),
        (throttled, "ThrottlingException: too many requests of this account in this region: have its quota"),
        (out_of_order, "KMSInternalException: HTTP 500"),
        (nist, "the key is of ECC_NIST_P256, SIGN_VERIFY: make one of ECC_SECG_P256K1, SIGN_VERIFY"),
        (agrees, "the key is of ECC_SECG_P256K1, KEY_AGREEMENT: make one of"),
        (symmetric, "UnsupportedOperationException: the key cannot do this"),
        (moved, "NotFoundException: there is no such key: correct the key's id, and the region that it is in"),
        (slow_clock, "this machine's clock is not AWS's, which says "),
        (fast_clock, "this machine's clock is not AWS's, which says "),
        (wrong_secret, "the secret access key is not that of the access key: correct it"),
        (unknown_access, "UnrecognizedClientException: AWS does not know these credentials"),
        (other_key, f"and not of 0x{ADDRESS.hex()}: correct signer_address, or name the other key"),
        (twisted("denied"), "AccessDeniedException: these credentials may not use the key: allow them kms:Sign"),
        (twisted("other data"), f"answered with no signature of 0x{ADDRESS.hex()}"),
        (twisted("not der"), f"answered with no signature of 0x{ADDRESS.hex()}"),
        (twisted("cut key"), "a public key that cannot be read"),
        (twisted("not json"), "answers as KMS does not: correct the endpoint"),
    ],
)
async def test_every_answer_that_is_no_signature_says_what_to_do(fault: Callable[[KmsStand], None], says: str) -> None:
    async with kms(KEY) as stand:
        fault(stand)
        text = await refused(key(stand))
        assert text.startswith(f"AWS KMS in {REGION}")
        assert says in text


async def test_a_key_of_another_region_is_told_as_that() -> None:
    async with kms(KEY) as stand:
        text = await refused(key(stand, f"kms://us-east-1/{KEY_ID}"))
    assert "it is not the endpoint of us-east-1: correct the region, or the endpoint" in text


async def test_what_may_pass_is_asked_again_and_what_may_not_is_not() -> None:
    async with kms(KEY) as stand:
        made = key(stand)
        stand.throttled, stand.broken = 1, 1
        assert await made.sign(b"x")
        stand.asked.clear()
        stand.throttled = 99
        with pytest.raises(SignerError, match="ThrottlingException"):
            await made.sign(b"x")
        assert len(stand.asked) == 3
        stand.throttled, stand.state = 0, "Disabled"
        stand.asked.clear()
        with pytest.raises(SignerError, match="DisabledException"):
            await made.sign(b"x")
        assert len(stand.asked) == 1
        stand.state = "Enabled"
        assert await made.sign(b"x"), "the next signature is another matter"
        await made.close()


async def test_no_answer_in_time_says_what_the_last_answer_was() -> None:
    async with kms(KEY) as stand:
        url = read_signer_url(f"kms://{REGION}/{KEY_ID}?endpoint={stand.url}")
        assert isinstance(url, KmsUrl)
        made = KmsKey(url, ADDRESS, AwsCredentials(ENVIRON, now_ms), timeout_ms=1_500, now_ms=now_ms)
        stand.goes_on = asyncio.Event()
        with pytest.raises(SignerError, match=r"AWS KMS in eu-west-1 does not answer within 1\.5 s"):
            await made.sign(TEXT)
        stand.throttled = 1
        with pytest.raises(SignerError, match="ThrottlingException: too many requests"):
            await made.sign(TEXT)
        stand.goes_on.set()
        assert await made.sign(TEXT)
        await made.close()
    assert "does not answer (ClientConnectorError)" in await refused(made)


# --- whose requests they are ------------------------------------------------------------------------------------------


class Machine:
    """What lends credentials: ECS and EKS by a URL with a token, EC2 by IMDSv2."""

    def __init__(self, stand: KmsStand) -> None:
        self.stand, self.url = stand, ""
        self.lends = 0
        self.lasts = timedelta(hours=6)

    def _keys(self) -> web.Response:
        self.lends += 1
        access, token = f"LENT{self.lends}", f"session-token-{self.lends}"
        self.stand.secrets[access] = (SECRET, token)
        ends = (datetime.now(UTC) + self.lasts).strftime("%Y-%m-%dT%H:%M:%SZ")
        return web.json_response(
            {"AccessKeyId": access, "SecretAccessKey": SECRET, "Token": token, "Expiration": ends, "Code": "Success"}
        )

    async def container(self, request: web.Request) -> web.Response:
        return self._keys() if request.headers.get("Authorization") == "let me in" else web.Response(status=401)

    async def token(self, request: web.Request) -> web.Response:
        return web.Response(
            text="imds" if "X-aws-ec2-metadata-token-ttl-seconds" in request.headers else "", status=200
        )

    async def roles(self, request: web.Request) -> web.Response:
        if request.headers.get("X-aws-ec2-metadata-token") != "imds":
            return web.Response(status=401)
        return web.Response(text="oracle-role") if not request.match_info["role"] else self._keys()


@asynccontextmanager
async def machine(stand: KmsStand) -> AsyncIterator[Machine]:
    one = Machine(stand)
    app = web.Application()
    app.router.add_get("/container", one.container)
    app.router.add_put("/latest/api/token", one.token)
    app.router.add_get("/latest/meta-data/iam/security-credentials/{role:.*}", one.roles)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    one.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield one
    finally:
        await runner.cleanup()


def container(one: Machine) -> dict[str, str]:
    return {
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": one.url + "/container",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN": "let me in",
    }


def instance(one: Machine) -> dict[str, str]:
    return {"AWS_EC2_METADATA_SERVICE_ENDPOINT": one.url}


@pytest.mark.parametrize("where", [container, instance])
async def test_the_machine_lends_credentials_and_they_are_renewed(where: Callable[[Machine], dict[str, str]]) -> None:
    async with kms(KEY) as stand, machine(stand) as one:
        made = key(stand, environ=where(one))
        for _ in range(3):
            assert await made.sign(b"x")
        assert one.lends == 1
        stand.expired.add("session-token-1")
        with pytest.raises(SignerError, match="ExpiredTokenException: the session token has expired"):
            await made.sign(b"x")
        assert await made.sign(b"x"), "others are asked for at once"
        assert one.lends == 2
        await made.close()
        short = key(stand, environ=where(one))
        one.lasts = timedelta(minutes=4)
        assert await short.sign(b"x")
        assert await short.sign(b"x")
        assert one.lends > 3, "what ends within five minutes is renewed each time"
        await short.close()


async def test_a_file_and_the_environment_come_first(tmp_path: Path) -> None:
    file = tmp_path / "credentials"
    file.write_text(f"[default]\naws_access_key_id = NO\naws_secret_access_key = NO\n[oracle]\naws_access_key_id = {ACCESS}\naws_secret_access_key = {SECRET}\n")  # fmt: skip
    environ = {"AWS_SHARED_CREDENTIALS_FILE": str(file), "AWS_PROFILE": "oracle"}
    async with kms(KEY) as stand:
        made = key(stand, environ=environ)
        assert await made.sign(b"x")
        await made.close()
        assert "UnrecognizedClientException" in await refused(key(stand, environ={**environ, "AWS_PROFILE": "default"}))
        first = key(stand, environ={**environ, **ENVIRON, "AWS_PROFILE": "default"})
        assert await first.sign(b"x")
        await first.close()


async def test_no_credentials_at_all_is_told() -> None:
    async with kms(KEY) as stand, machine(stand) as one:
        text = "no AWS credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give this machine a role"
        assert text in await refused(key(stand, environ={"AWS_EC2_METADATA_DISABLED": "true"}))
        refusing = {**container(one), "AWS_CONTAINER_AUTHORIZATION_TOKEN": "another"}
        assert "lends no AWS credentials (HTTP 401): give it a role" in await refused(key(stand, environ=refusing))
        assert stand.asked == []
