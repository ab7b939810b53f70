"""A key in AWS KMS, by its wire protocol: the digest goes there, a signature comes back.

Sources: AWS KMS API Reference, Sign and GetPublicKey (JSON 1.1 over POST, ``X-Amz-Target: TrentService.Sign``; with
``MessageType: DIGEST`` the 32 bytes are signed as they are, so that ECDSA_SHA_256 signs a keccak; the signature is the
DER form of RFC 3279, section 2.2.3; a key for Ethereum is of the spec ECC_SECG_P256K1) and "Common Error Types". KMS makes s
as it comes, and tells no parity: s is brought into its lower half, and the parity is found by what it recovers to.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import orjson
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key
from eth_hash.auto import keccak

from feeds.secret_values import filled
from feeds.units import MS
from oracle.model.signer_url import KmsUrl
from oracle.sign.remote.aws_credentials import AwsCredentials
from oracle.sign.remote.bounded_body import bounded_body
from oracle.sign.remote.remote_key import RemoteKey, SignerError, address_of_point
from oracle.sign.remote.sigv4 import DATE_FORM, AwsRequest, signed_headers

_KEY_SPEC, _KEY_USAGE = "ECC_SECG_P256K1", "SIGN_VERIFY"
_WORD = 32
_OK, _SERVER_ERROR = 200, 500
_MAX_BODY = 1 << 16
_PAUSES_S = (0.05, 0.1)
"""Before a request is made again: it is made three times."""
_AGAIN = frozenset({
    "ThrottlingException", "Throttling", "LimitExceededException", "KMSInternalException", "DependencyTimeoutException",
    "KeyUnavailableException", "InternalFailure", "ServiceUnavailable",
})  # fmt: skip
"""Errors that may be gone a moment later."""
_ADVICE: Mapping[str, str] = MappingProxyType({
    "ThrottlingException": "too many requests of this account in this region: have its quota of ECC signatures raised",
    "LimitExceededException": "a quota of this account is used up: have it raised",
    "DisabledException": "the key is disabled: enable it",
    "KMSInvalidStateException": "the key's state does not let it sign, as when its deletion is scheduled: cancel that",
    "NotFoundException": "there is no such key: correct the key's id, and the region that it is in",
    "AccessDeniedException": "these credentials may not use the key: allow them kms:Sign and kms:GetPublicKey",
    "InvalidKeyUsageException": f"the key is not one that signs: make one of {_KEY_SPEC} and usage {_KEY_USAGE}",
    "UnrecognizedClientException": "AWS does not know these credentials: correct the access key, and its session token",
    "InvalidClientTokenId": "AWS does not know these credentials: correct the access key",
    "ExpiredTokenException": "the session token has expired: have another made",
    "UnsupportedOperationException": f"the key cannot do this: make one of {_KEY_SPEC} and usage {_KEY_USAGE}",
    "ValidationException": f"it takes no such request for this key: it must be of {_KEY_SPEC}",
    "KeyUnavailableException": "the key cannot be reached now, as that of an external key store: look there",
})  # fmt: skip
_CREDENTIALS = frozenset({"UnrecognizedClientException", "ExpiredTokenException", "InvalidClientTokenId"})
_CLOCK_WORDS = ("Signature expired", "Signature not yet current")
_REGION_WORDS = "scoped to"


class _Fault(SignerError):
    """An error that KMS answered. ``code``: its name; ``may_pass``: whether it may be gone a moment later."""

    def __init__(self, code: str, text: str, *, may_pass: bool) -> None:
        super().__init__(text)
        self.code, self.may_pass = code, may_pass


class KmsKey(RemoteKey):
    """One key of AWS KMS. It is asked for its public key once, so that a wrong kind of key is told as such.

    Args:
        url: region and key.
        address: 20 bytes, of the key that must sign.
        credentials: whose requests they are.
        timeout_ms: of a signature, with all that comes before the first one.
        now_ms: Unix milliseconds.
    """

    def __init__(
        self,
        url: KmsUrl,
        address: bytes,
        credentials: AwsCredentials,
        *,
        timeout_ms: int = 3_000,
        now_ms: Callable[[], int],
    ) -> None:
        self._region, self._key_id = filled(url.region).text, filled(url.key_id).text
        super().__init__(address, f"AWS KMS in {self._region}", timeout_ms=timeout_ms)
        suffix = "amazonaws.com.cn" if self._region.startswith("cn-") else "amazonaws.com"
        self._url = filled(url.endpoint or f"https://kms.{self._region}.{suffix}").text.rstrip("/")
        self._credentials, self._now_ms = credentials, now_ms
        self._session: aiohttp.ClientSession | None = None
        self._is_known = False
        self._trouble = ""

    async def close(self) -> None:
        """Close the connection."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _request(self, preimage: bytes) -> bytes:
        self._trouble = ""
        if not self._is_known:
            await self._look_at_key()
        message = base64.b64encode(keccak(preimage)).decode()
        asked = {
            "KeyId": self._key_id,
            "Message": message,
            "MessageType": "DIGEST",
            "SigningAlgorithm": "ECDSA_SHA_256",
        }
        said = await self._ask("Sign", asked)
        try:
            r, s = decode_dss_signature(base64.b64decode(said["Signature"], validate=True))
            return r.to_bytes(_WORD, "big") + s.to_bytes(_WORD, "big")
        except (KeyError, TypeError, ValueError, OverflowError):
            return b""

    async def _look_at_key(self) -> None:
        """Whether the key is of the kind and address that is wanted."""
        said = await self._ask("GetPublicKey", {"KeyId": self._key_id})
        spec, usage = said.get("KeySpec") or said.get("CustomerMasterKeySpec"), said.get("KeyUsage")
        if spec is None:
            raise SignerError(f"{self.name} answers as KMS does not: correct the endpoint")
        if spec != _KEY_SPEC or usage != _KEY_USAGE:
            text = f"the key is of {spec}, {usage}: make one of {_KEY_SPEC}, {_KEY_USAGE}; a key's kind never changes"
            raise SignerError(f"{self.name}: {text}")
        try:
            key = load_der_public_key(base64.b64decode(said["PublicKey"], validate=True))
            held = address_of_point(key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint))
        except (KeyError, TypeError, ValueError):
            raise SignerError(f"{self.name} answers with a public key that cannot be read") from None
        if held != self.address:
            text = f"the key is that of 0x{'' if held is None else held.hex()} and not of 0x{self.address.hex()}"
            raise SignerError(f"{self.name}: {text}: correct signer_address, or name the other key")
        self._is_known = True

    async def _ask(self, operation: str, asked: Mapping[str, str]) -> Mapping[str, Any]:
        """Ask, and again where that may help; the time for the whole signature ends it."""
        for pause_s in _PAUSES_S:
            try:
                return await self._post(operation, asked)
            except _Fault as e:
                if e.code in _CREDENTIALS:
                    self._credentials.forget()
                if not e.may_pass:
                    raise
                self._trouble = str(e)
            await asyncio.sleep(pause_s)
        return await self._post(operation, asked)

    def _too_late(self) -> str:
        """What it answered before the time ran out says more than that it did."""
        return self._trouble or super()._too_late()

    async def _post(self, operation: str, asked: Mapping[str, str]) -> Mapping[str, Any]:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                cookie_jar=aiohttp.DummyCookieJar(), timeout=aiohttp.ClientTimeout(total=None)
            )
        keys = await self._credentials.keys(self._session)
        parts = urlsplit(self._url)
        request = AwsRequest(
            method="POST",
            host=parts.netloc.rpartition("@")[2],
            path=parts.path or "/",
            body=orjson.dumps(asked),
            headers={"content-type": "application/x-amz-json-1.1", "x-amz-target": f"TrentService.{operation}"},
        )
        date = datetime.fromtimestamp(self._now_ms() // MS, UTC).strftime(DATE_FORM)
        headers = signed_headers(request, keys, region=self._region, service="kms", date=date)
        try:
            async with self._session.post(
                self._url, data=request.body, headers=headers, allow_redirects=False
            ) as reply:
                body = await bounded_body(reply, _MAX_BODY)
        except TimeoutError:
            raise
        except (aiohttp.ClientError, OSError) as e:
            raise SignerError(f"{self.name} does not answer ({type(e).__name__})") from None
        said = _document(body or b"")
        if reply.status != _OK:
            raise self._fault(reply, said)
        return said

    def _fault(self, reply: aiohttp.ClientResponse, said: Mapping[str, Any]) -> _Fault:
        named = str(said.get("__type") or reply.headers.get("x-amzn-ErrorType") or "")
        code = named.split(":", 1)[0].rpartition("#")[2]
        may_pass = code in _AGAIN or reply.status >= _SERVER_ERROR
        if code in {"InvalidSignatureException", "SignatureDoesNotMatch"}:
            advice = self._signature_advice(str(said.get("message") or said.get("Message") or ""), reply)
        else:
            advice = _ADVICE.get(code, f"HTTP {reply.status}; look this up in AWS's documentation of KMS")
        return _Fault(code, f"{self.name} answered {code or 'no document'}: {advice}", may_pass=may_pass)

    def _signature_advice(self, message: str, reply: aiohttp.ClientResponse) -> str:
        """Three things have one code: a clock, a region and a wrong secret."""
        if message.startswith(_CLOCK_WORDS):
            return f"this machine's clock is not AWS's, which says {reply.headers.get('Date', 'nothing')}: correct it"
        if _REGION_WORDS in message:
            return f"it is not the endpoint of {self._region}: correct the region, or the endpoint"
        return "the secret access key is not that of the access key: correct it"


def _document(body: bytes) -> Mapping[str, Any]:
    try:
        said = orjson.loads(body)
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}
