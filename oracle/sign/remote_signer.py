"""A key that is not in this process: a remote signer that speaks Web3Signer's HTTP API.

Source: Consensys/web3signer, openapi-specs/eth1/web3signer.yaml 1.1.0: ``POST /api/v1/eth1/sign/{identifier}`` with
``{"data": "0x..."}`` answers text/plain, 0x and 65 bytes r | s | v (27 or 28); 404 for a key that it does not have, 400
for a bad request, 500 for its own trouble. ``GET /api/v1/eth1/publicKeys`` lists the keys: 0x and 64 bytes, which are
also the identifiers.

What it signs is keccak256(data): it hashes by itself and adds no prefix. So it is given the preimage and never a
digest. For a transaction that is the type byte and the RLP of its fields (EIP-2718). For EIP-712 it is the 66 bytes
0x19 0x01 | domain separator | struct hash, whose keccak is the digest that the store recovers signers from. A digest
sent as data would be hashed once more and be worth nothing. (OpenAPI 1.2.0 adds ``applyHash: false`` to sign a digest as
it is; not needed here, so any version will do.)
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import coincurve
import orjson
from eth_hash.auto import keccak

from feeds.errors import LrtOracleError
from feeds.secret_refs import host_and_port
from feeds.secret_values import filled
from oracle.sign.eip712 import Domain, address_of, batch_preimage

_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
_SIGNATURE, _PUBLIC_KEY = 65, 64
_OK, _NOT_FOUND = 200, 404
_HIGH = 1 << 255
_MAX_BODY = 4 << 20
"""A list of 30,000 keys; what sends more is not a signer."""


class SignerError(LrtOracleError, RuntimeError):
    """The remote signer did not sign: what it answered and what to do. Never holds what was to be signed."""


class RemoteSigner:
    """One key of a remote signer. Whatever it answers is checked: the signature must be this key's over these bytes.

    Args:
        url: of the signer, such as http://127.0.0.1:9000, as the config has it: its secrets are filled in here. Errors
            name only its host.
        address: 20 bytes, of the key that must sign.
        timeout_ms: of a signature, including the lookup of the key where that is needed.
    """

    def __init__(self, url: str, address: bytes, *, timeout_ms: int = 3_000) -> None:
        address_text = filled(url).text
        parts = urlsplit(address_text)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError("signer_url is not an address: write http:// or https:// and a host")
        self.address = address
        self._base = address_text.rstrip("/")
        self._name = host_and_port(url, address_text)
        self._timeout_s = timeout_ms / 1_000
        self._session: aiohttp.ClientSession | None = None
        self._identifier: str | None = None

    def __repr__(self) -> str:
        return f"RemoteSigner(0x{self.address.hex()} at {self._name})"

    async def close(self) -> None:
        """Close the connection."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def sign(self, preimage: bytes) -> bytes:
        """Sign: 65 bytes r | s | y (0 or 1) over keccak(preimage), s in the lower half.

        Raises:
            SignerError: it does not answer in time, does not have the key, or its answer is not a signature of the key.
        """
        try:
            async with asyncio.timeout(self._timeout_s):
                return await self._request(preimage)
        except TimeoutError:
            raise SignerError(f"the signer at {self._name} does not answer within {self._timeout_s} s") from None

    async def _request(self, preimage: bytes) -> bytes:
        if self._identifier is None:
            self._identifier = await self._find_key()
        body = orjson.dumps({"data": "0x" + preimage.hex()})
        text = (await self._http("POST", f"/api/v1/eth1/sign/{self._identifier}", body)).decode(errors="replace")
        try:
            raw = bytes.fromhex(text.strip().strip('"').removeprefix("0x"))
        except ValueError:
            raw = b""
        signature = _normal(raw)
        if signature is None or _signer_of(signature, keccak(preimage)) != self.address:
            raise SignerError(f"the signer at {self._name} answered with no signature of 0x{self.address.hex()}")
        return signature

    async def sign_compact(self, preimage: bytes) -> bytes:
        """The 64 bytes r | vs (EIP-2098) over keccak(preimage); SignerError as `sign`."""
        return compact_of(await self.sign(preimage))

    async def sign_batch(self, domain: Domain, epoch: int, round_time_s: int, items: bytes) -> bytes:
        """The 64 bytes r | vs (EIP-2098) of a batch, as PriceStore takes them; SignerError as `sign`."""
        return await self.sign_compact(batch_preimage(domain, epoch, round_time_s, items))

    async def _find_key(self) -> str:
        """The signer's own name of the key: its public key as listed."""
        listed = _parsed_or_none(orjson.loads, await self._http("GET", "/api/v1/eth1/publicKeys", None))
        for name in listed if isinstance(listed, list) else ():
            if _address(name) == self.address:
                return str(name)
        raise SignerError(f"the signer at {self._name} does not have 0x{self.address.hex()}: load the key there")

    async def _http(self, method: str, path: str, body: bytes | None) -> bytes:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                cookie_jar=aiohttp.DummyCookieJar(), timeout=aiohttp.ClientTimeout(total=None)
            )
        headers = {"Content-Type": "application/json"}
        try:
            async with self._session.request(
                method, self._base + path, data=body, headers=headers, allow_redirects=False
            ) as reply:
                body_read = bytearray()
                async for part in reply.content.iter_any():
                    body_read += part
                    if len(body_read) > _MAX_BODY:
                        raise SignerError(f"the signer at {self._name} answers without an end: it is not a signer")
        except TimeoutError:
            raise  # the time for the whole signature is over, see `sign`
        except (aiohttp.ClientError, OSError) as e:
            raise SignerError(f"the signer at {self._name} does not answer ({type(e).__name__})") from None
        if reply.status == _NOT_FOUND:
            self._identifier = None
            raise SignerError(f"the signer at {self._name} does not have 0x{self.address.hex()}: load the key there")
        if reply.status != _OK:
            raise SignerError(f"the signer at {self._name} answered HTTP {reply.status}")
        return bytes(body_read)


def compact_of(signature: bytes) -> bytes:
    """The 64 bytes r | vs (EIP-2098) of a signature r | s | y (0 or 1) with s in its lower half."""
    s = int.from_bytes(signature[32:64], "big") | (_HIGH if signature[64] else 0)
    return signature[:32] + s.to_bytes(32, "big")


def _normal(raw: bytes) -> bytes | None:
    """Signature r | s | y with s in its lower half (EIP-2), from r | s | v with v 0, 1, 27 or 28; None if it is not one."""
    if len(raw) != _SIGNATURE or raw[64] not in {0, 1, 27, 28}:
        return None
    s, y = int.from_bytes(raw[32:64], "big"), raw[64] % 27
    if s > _ORDER // 2:
        s, y = _ORDER - s, y ^ 1
    return raw[:32] + s.to_bytes(32, "big") + bytes([y]) if s > 0 else None


def _signer_of(signature: bytes, digest: bytes) -> bytes | None:
    try:
        return address_of(coincurve.PublicKey.from_signature_and_message(signature, digest, hasher=None))
    except ValueError:
        return None


def _address(public_key: Any) -> bytes | None:
    try:
        raw = bytes.fromhex(str(public_key).removeprefix("0x"))
    except ValueError:
        return None
    return keccak(raw)[-20:] if len(raw) == _PUBLIC_KEY else None


def _parsed_or_none(parse: Callable[[bytes], Any], raw: bytes) -> Any:
    try:
        return parse(raw)
    except ValueError:
        return None
