"""A key with a remote signer that speaks Web3Signer's HTTP API, in the clear or over TLS with a certificate of our own.

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

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import orjson
from eth_hash.auto import keccak

from feeds.secret_refs import host_and_port
from feeds.secret_values import filled
from oracle.sign.remote.bounded_body import bounded_body
from oracle.sign.remote.mutual_tls import TlsFiles, tls_fault
from oracle.sign.remote.remote_key import RemoteKey, SignerError

_PUBLIC_KEY, _SIGNATURE = 64, 65
_OK, _NOT_FOUND = 200, 404
_REFUSED = frozenset({401, 403})
_MAX_BODY = 4 << 20
"""A list of 30,000 keys; what sends more is not a signer."""


class RemoteSigner(RemoteKey):
    """One key of a remote signer.

    Args:
        url: of the signer, such as http://127.0.0.1:9000, as the config has it: its secrets are filled in here. Errors
            name only its host.
        address: 20 bytes, of the key that must sign.
        environ: where secrets are; None: the environment of the process.
        timeout_ms: of a signature, including the lookup of the key where that is needed.
        files: of TLS. Read anew once they have changed.
    """

    def __init__(
        self,
        url: str,
        address: bytes,
        environ: Mapping[str, str] | None = None,
        *,
        timeout_ms: int = 3_000,
        files: TlsFiles | None = None,
    ) -> None:
        address_text = filled(url, environ).text
        parts = urlsplit(address_text)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError("signer_url is not an address: write http:// or https:// and a host")
        host = host_and_port(url, address_text)
        super().__init__(address, f"the signer at {host}", timeout_ms=timeout_ms)
        self._base = address_text.rstrip("/")
        self._host = host if parts.port is None else host.rpartition(":")[0]
        self._is_tls = parts.scheme == "https"
        self._files = files or TlsFiles()
        self._stamps: tuple[int, ...] = ()
        self._session: aiohttp.ClientSession | None = None
        self._identifier: str | None = None

    async def close(self) -> None:
        """Close the connection."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _request(self, preimage: bytes) -> bytes:
        if self._identifier is None:
            self._identifier = await self._find_key()
        body = orjson.dumps({"data": "0x" + preimage.hex()})
        text = (await self._http("POST", f"/api/v1/eth1/sign/{self._identifier}", body)).decode(errors="replace")
        try:
            raw = bytes.fromhex(text.strip().strip('"').removeprefix("0x"))
        except ValueError:
            raw = b""
        return raw if len(raw) == _SIGNATURE else b""  # it states the parity

    async def _find_key(self) -> str:
        """The signer's own name of the key: its public key as listed."""
        listed = _parsed_or_none(orjson.loads, await self._http("GET", "/api/v1/eth1/publicKeys", None))
        for name in listed if isinstance(listed, list) else ():
            if _address(name) == self.address:
                return str(name)
        raise SignerError(f"{self.name} does not have 0x{self.address.hex()}: load the key there")

    async def _http(self, method: str, path: str, body: bytes | None) -> bytes:
        session = await self._open()
        headers = {"Content-Type": "application/json"}
        try:
            async with session.request(
                method, self._base + path, data=body, headers=headers, allow_redirects=False
            ) as reply:
                answered = await bounded_body(reply, _MAX_BODY)
        except TimeoutError:
            raise  # the time for the whole signature is over, see `sign`
        except (aiohttp.ClientError, OSError) as e:
            raise SignerError(f"{self.name} {self._fault(e)}") from None
        if answered is None:
            raise SignerError(f"{self.name} answers without an end: it is not a signer")
        if reply.status == _NOT_FOUND:
            self._identifier = None
            raise SignerError(f"{self.name} does not have 0x{self.address.hex()}: load the key there")
        if reply.status in _REFUSED:
            raise SignerError(f"{self.name} does not let this be signed (HTTP {reply.status}): look at its rules")
        if reply.status != _OK:
            raise SignerError(f"{self.name} answered HTTP {reply.status}")
        return answered

    async def _open(self) -> aiohttp.ClientSession:
        """The session, over certificates as they are on disk now."""
        stamps = self._files.stamps() if self._is_tls else ()
        if self._session is not None and stamps != self._stamps:
            await self.close()
        if self._session is None:
            connector = aiohttp.TCPConnector(ssl=self._files.context()) if self._is_tls else None
            self._stamps = stamps
            self._session = aiohttp.ClientSession(
                connector=connector, cookie_jar=aiohttp.DummyCookieJar(), timeout=aiohttp.ClientTimeout(total=None)
            )
        return self._session

    def _fault(self, error: BaseException) -> str:
        fault = tls_fault(error, self._host, self._files) if self._is_tls else None
        if fault is not None:
            return f"cannot be asked: {fault}"
        return f"does not answer ({type(error).__name__})"


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
