"""AWS KMS on the loopback, by its wire protocol: it checks whose a request is by Signature Version 4, from the specification."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import coincurve
import orjson
from aiohttp import web
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
REGION = "eu-west-1"
KEY_ID = "1234abcd-12ab-34cd-56ef-1234567890ab"
ARN = f"arn:aws:kms:{REGION}:111122223333:key/{KEY_ID}"
ACCESS, SECRET = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
_SKEW = timedelta(minutes=5)
_FORM = "%Y%m%dT%H%M%SZ"
_CREDENTIAL = re.compile(
    r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/([^/]+)/([^/]+)/aws4_request, SignedHeaders=([a-z0-9;-]+), Signature=([0-9a-f]{64})"
)


class KmsError(Exception):
    """What KMS answers instead."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.code, self.message, self.status = code, message, status


class KmsStand:
    """One key of KMS. Its state, spec and usage can be set, and what it answers of itself: throttled, or out of order."""

    def __init__(self, key: coincurve.PrivateKey) -> None:
        self.key = key
        self.state, self.spec, self.usage = "Enabled", "ECC_SECG_P256K1", "SIGN_VERIFY"
        self.names = {KEY_ID, ARN, "alias/report"}
        self.secrets = {ACCESS: (SECRET, "")}
        self.expired: set[str] = set()
        self.throttled = 0
        self.broken = 0
        self.high = False
        self.twist = ""
        self.late = timedelta()
        self.goes_on: asyncio.Event | None = None
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.url = ""

    async def post(self, request: web.Request) -> web.Response:
        body = await request.read()
        try:
            self._authenticate(request, body)
            answer = self._answer(request.headers["X-Amz-Target"], orjson.loads(body))
            if self.goes_on is not None:
                await self.goes_on.wait()
        except KmsError as e:
            return self._json({"__type": e.code, "message": e.message}, e.status)
        return self._json(answer, 200)

    def _json(self, document: Mapping[str, Any], status: int) -> web.Response:
        date = (datetime.now(UTC) + self.late).strftime("%a, %d %b %Y %H:%M:%S GMT")
        raw = b"<html>" if self.twist == "not json" else orjson.dumps(document)
        return web.Response(body=raw, status=status, headers={"Date": date}, content_type="application/x-amz-json-1.1")

    def _authenticate(self, request: web.Request, body: bytes) -> None:
        found = _CREDENTIAL.fullmatch(request.headers.get("Authorization", ""))
        if found is None:
            raise KmsError("IncompleteSignatureException", "Authorization header is not as it should be")
        access, day, region, service, names, signature = found.groups()
        if access not in self.secrets:
            raise KmsError("UnrecognizedClientException", "The security token included in the request is invalid.")
        secret, token = self.secrets[access]
        if token != request.headers.get("X-Amz-Security-Token", ""):
            raise KmsError("UnrecognizedClientException", "The security token included in the request is invalid.")
        if token in self.expired:
            raise KmsError("ExpiredTokenException", "The security token included in the request is expired")
        if region != REGION:
            raise KmsError("InvalidSignatureException", "Credential should be scoped to a valid region. ")
        if service != "kms":
            raise KmsError("InvalidSignatureException", "Credential should be scoped to correct service: 'kms'. ")
        self._check_time(request.headers["X-Amz-Date"], day)
        headers = {k.lower(): v for k, v in request.headers.items()}
        signed = names.split(";")
        if not {"host", "x-amz-date", "x-amz-target"} <= set(signed):
            raise KmsError("InvalidSignatureException", "headers that must be signed are not")
        wanted = expected_signature(
            request.method, request.path, headers, signed, body, secret=secret, scope=[day, region, service]
        )
        if not hmac.compare_digest(wanted, signature):
            raise KmsError(
                "InvalidSignatureException",
                "The request signature we calculated does not match the signature you provided. Check your AWS Secret"
                " Access Key and signing method. Consult the service documentation for details.",
            )

    def _check_time(self, stated: str, day: str) -> None:
        at, now = datetime.strptime(stated, _FORM).replace(tzinfo=UTC), datetime.now(UTC) + self.late
        if not stated.startswith(day):
            raise KmsError(
                "InvalidSignatureException", "Date in Credential scope does not match YYYYMMDD from ISO-8601"
            )
        if at < now - _SKEW:
            text = f"Signature expired: {stated} is now earlier than {now - _SKEW:{_FORM}} ({now:{_FORM}} - 5 min.)"
            raise KmsError("InvalidSignatureException", text)
        if at > now + _SKEW:
            text = f"Signature not yet current: {stated} is still later than {now + _SKEW:{_FORM}} ({now:{_FORM}} + 5 min.)"
            raise KmsError("InvalidSignatureException", text)

    def _answer(self, target: str, asked: dict[str, Any]) -> dict[str, Any]:
        self.asked.append((target, asked))
        if self.throttled:
            self.throttled -= 1
            raise KmsError("ThrottlingException", "Rate exceeded")
        if self.broken:
            self.broken -= 1
            raise KmsError("KMSInternalException", "try again", 500)
        if self.twist == "denied":
            text = f"User: arn:aws:iam::111122223333:user/x is not authorized to perform: kms:Sign on resource: {ARN}"
            raise KmsError("AccessDeniedException", text)
        if asked["KeyId"] not in self.names:
            raise KmsError("com.amazonaws.kms#NotFoundException", f"Key 'arn:aws:kms:{REGION}:key/x' does not exist")
        if self.state == "Disabled":
            raise KmsError("DisabledException", f"{ARN} is disabled.")
        if self.state == "PendingDeletion":
            raise KmsError("KMSInvalidStateException", f"{ARN} is pending deletion.")
        if target == "TrentService.GetPublicKey":
            return self._public_key()
        if target == "TrentService.Sign":
            return self._sign(asked)
        raise KmsError("UnknownOperationException", target)

    def _public_key(self) -> dict[str, Any]:
        if self.usage not in {"SIGN_VERIFY", "KEY_AGREEMENT"}:
            raise KmsError("UnsupportedOperationException", f"{ARN} is not asymmetric.")
        curve = ec.SECP256K1() if self.spec == "ECC_SECG_P256K1" else ec.SECP256R1()
        public = ec.derive_private_key(self.key.to_int(), curve).public_key()
        form = serialization.PublicFormat.SubjectPublicKeyInfo
        der = public.public_bytes(serialization.Encoding.DER, form)
        return {
            "KeyId": ARN, "KeySpec": self.spec, "CustomerMasterKeySpec": self.spec, "KeyUsage": self.usage,
            "PublicKey": base64.b64encode(der[:20] if self.twist == "cut key" else der).decode(),
            "SigningAlgorithms": ["ECDSA_SHA_256"],
        }  # fmt: skip

    def _sign(self, asked: dict[str, Any]) -> dict[str, Any]:
        message = base64.b64decode(asked["Message"])
        if asked.get("MessageType") != "DIGEST" or len(message) != 32:
            raise KmsError("ValidationException", "Digest is invalid length for algorithm ECDSA_SHA_256.")
        if asked["SigningAlgorithm"] != "ECDSA_SHA_256":
            raise KmsError("InvalidKeyUsageException", f"Algorithm {asked['SigningAlgorithm']} is incompatible")
        message = hashlib.sha256(message).digest() if self.twist == "other data" else message
        raw = self.key.sign_recoverable(message, hasher=None)
        r, s = int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:64], "big")
        der = encode_dss_signature(r, ORDER - s if self.high else s)
        signature = base64.b64encode(b"\x30\x01" if self.twist == "not der" else der).decode()
        return {"KeyId": ARN, "Signature": signature, "SigningAlgorithm": "ECDSA_SHA_256"}


def expected_signature(
    method: str,
    path: str,
    headers: Mapping[str, str],
    signed: Sequence[str],
    body: bytes,
    *,
    secret: str,
    scope: Sequence[str],
) -> str:
    """What Signature Version 4 says that a request is signed with. ``scope``: day, region, service."""
    canonical = method + "\n" + path + "\n\n"
    for name in sorted(signed):
        canonical += name + ":" + re.sub(" +", " ", headers[name].strip()) + "\n"
    canonical += "\n" + ";".join(sorted(signed)) + "\n" + hashlib.sha256(body).hexdigest()
    to_sign = "AWS4-HMAC-SHA256\n" + headers["x-amz-date"] + "\n" + "/".join(scope) + "/aws4_request\n"
    to_sign += hashlib.sha256(canonical.encode()).hexdigest()
    key = ("AWS4" + secret).encode()
    for part in (*scope, "aws4_request", to_sign):
        key = hmac.digest(key, part.encode(), "sha256")
    return key.hex()


@asynccontextmanager
async def kms(key: coincurve.PrivateKey) -> AsyncIterator[KmsStand]:
    """The stand on a port of its own."""
    stand = KmsStand(key)
    app = web.Application()
    app.router.add_post("/", stand.post)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    stand.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield stand
    finally:
        await runner.cleanup()
