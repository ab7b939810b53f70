"""Where a key is that is not in this process, as ``signer_url`` writes it: a remote signer, a token, a cloud. Pure.

Sources: RFC 7512 (pkcs11: URIs: path attributes apart by ``;``, query attributes by ``&``, values percent-encoded); AWS
"Amazon Resource Names" (arn:PARTITION:kms:REGION:ACCOUNT:key/ID).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote, unquote_to_bytes, urlsplit

from feeds.secret_refs import has_refs, is_ref, without_refs

_PKCS11, _KMS, _ARN = "pkcs11:", "kms://", "arn:"
_MATCHED = ("token", "serial", "manufacturer", "model")
_PATH = frozenset({*_MATCHED, "object", "id", "slot-id", "type"})
_QUERY = frozenset({"module-path", "pin-value", "pin-source"})
_ARN_PARTS, _ARN_REGION = 6, 3
_REGION = re.compile(r"[a-z]{2}(?:-[a-z]+)+-[0-9]{1,2}", re.ASCII)
_KEY_ID = re.compile(r"[A-Za-z0-9/_:-]{1,2048}", re.ASCII)


@dataclass(frozen=True, slots=True)
class HttpSignerUrl:
    """A remote signer that speaks Web3Signer's HTTP API."""

    url: str = field(repr=False)

    @property
    def is_tls(self) -> bool:
        """Whether it is asked over TLS."""
        return self.url.lower().startswith("https:")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pkcs11Url:
    """A key in a token behind a PKCS#11 module.

    Attributes:
        module: path of the module, a shared library.
        token: what the token must be: ``token`` (its label), ``serial``, ``manufacturer``, ``model``.
        slot: number of its slot; None: any.
        label: of the key; None: any.
        key_id: CKA_ID of the key; None: any.
        pin: of the token's user, or the name of a secret; None: no login.
    """

    module: str
    token: Mapping[str, str]
    slot: int | None = None
    label: str | None = None
    key_id: bytes | None = None
    pin: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class KmsUrl:
    """A key of AWS KMS. ``key_id``: id, ``alias/NAME`` or ARN; ``endpoint``: another than the region's own."""

    region: str
    key_id: str
    endpoint: str | None = None


SignerUrl = HttpSignerUrl | Pkcs11Url | KmsUrl


def read_signer_url(text: str, *, filled: bool = False) -> SignerUrl:
    """Read a signer_url.

    Args:
        text: as the config has it. Parts may be names of secrets.
        filled: it was the name of a secret and is what that holds, so a PIN may stand in it.

    Raises:
        ValueError: what to write instead. Never holds the text itself.
    """
    if text.startswith(_PKCS11):
        return _pkcs11(text.removeprefix(_PKCS11), filled=filled)
    if text.startswith((_KMS, _ARN)):
        return _kms(text.removeprefix(_KMS))
    try:
        parts = urlsplit(without_refs(text, "x"))
        _ = parts.port
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError(
            "is not a signer's URL: write http:// or https:// and a host, pkcs11:token=...;object=...?module-path=...,"
            " or kms://REGION/KEY"
        )
    return HttpSignerUrl(text)


# --- PKCS#11 ----------------------------------------------------------------------------------------------------------


def _pkcs11(text: str, *, filled: bool) -> Pkcs11Url:
    path, _, query = text.partition("?")
    found = _attributes(path, ";", _PATH) | _attributes(query, "&", _QUERY)
    if not found.get("module-path"):
        raise ValueError("names no PKCS#11 module: write ?module-path=/path/of/the/module.so at its end")
    if "object" not in found and "id" not in found:
        raise ValueError("names no key: write object=LABEL or id=%01 of the private key, apart by ;")
    if found.get("type", "private") != "private":
        raise ValueError("a key that signs is of type=private: write that, or leave type out")
    slot = found.get("slot-id")
    if slot is not None and not slot.isdecimal():
        raise ValueError("slot-id is a number")
    return Pkcs11Url(
        module=unquote(found["module-path"]),
        token={name: unquote(found[name]) for name in _MATCHED if name in found},
        slot=None if slot is None else int(slot),
        label=unquote(found["object"]) if "object" in found else None,
        key_id=unquote_to_bytes(found["id"]) if "id" in found else None,
        pin=_pin(found, filled=filled),
    )


def _attributes(text: str, apart: str, known: frozenset[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for part in text.split(apart) if text else ():
        name, equals, value = part.partition("=")
        if not equals or name not in known:
            raise ValueError(f"has an attribute that is not known here: write {', '.join(sorted(known))} (RFC 7512)")
        if name in found:
            raise ValueError(f"says {name} twice")
        found[name] = value
    return found


def _pin(found: Mapping[str, str], *, filled: bool) -> str | None:
    value, source = found.get("pin-value"), found.get("pin-source")
    if value is not None and source is not None:
        raise ValueError("pin-value and pin-source are two PINs: write one of them")
    if source is not None:
        path = unquote(source).removeprefix("file://").removeprefix("file:")
        if not path.startswith("/"):
            raise ValueError("pin-source is file:/PATH, a file with the PIN and nothing else in it")
        return f"${{file:{path}}}"
    if value is None or is_ref(value):
        return value
    if not filled:
        raise ValueError(
            "holds a PIN, and secrets are never in the config: write pin-value=${NAME} and set that variable, or"
            " pin-source=file:/PATH"
        )
    return unquote(value)


# --- AWS KMS ----------------------------------------------------------------------------------------------------------


def _kms(text: str) -> KmsUrl:
    place, _, query = text.partition("?")
    if place.startswith(_ARN):
        parts = place.split(":", _ARN_PARTS - 1)
        if len(parts) < _ARN_PARTS or parts[2] != "kms" or not parts[-1].startswith(("key/", "alias/")):
            raise ValueError("is not the ARN of a KMS key: write arn:aws:kms:REGION:ACCOUNT:key/ID")
        region, key_id = parts[_ARN_REGION], place
    else:
        region, _, key_id = place.partition("/")
    if not _REGION.fullmatch(region) and not has_refs(region):
        raise ValueError("names no AWS region: write kms://eu-west-1/KEY, with the region that the key is in")
    if not _KEY_ID.fullmatch(without_refs(key_id, "x")):
        raise ValueError("names no KMS key: write kms://REGION/ and the key's id, alias/NAME or ARN")
    asked = dict(parse_qsl(query, keep_blank_values=True))
    endpoint = asked.pop("endpoint", None)
    if asked:
        raise ValueError("only ?endpoint=https://HOST may follow the key")
    if endpoint is not None and not (
        endpoint.startswith(("http://", "https://")) and urlsplit(without_refs(endpoint, "x")).hostname
    ):
        raise ValueError("endpoint is https:// and a host, such as that of a VPC endpoint")
    return KmsUrl(region=region, key_id=key_id, endpoint=endpoint)
