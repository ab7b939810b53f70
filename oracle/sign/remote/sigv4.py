"""AWS Signature Version 4 of one request: which headers to send so that AWS knows whose it is. Pure.

Source: AWS IAM User Guide, "Create a signed AWS API request": the canonical request is hashed, the hash signed with a key
that is made of the secret, the day, the region and the service. Written out here, in forty lines over the standard library:
botocore would do it too, and brings 25 MB of the descriptions of other services, and blocking I/O.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field

_ALGORITHM = "AWS4-HMAC-SHA256"
_DAY = 8
DATE_FORM = "%Y%m%dT%H%M%SZ"
"""Of X-Amz-Date, in UTC."""


@dataclass(frozen=True, slots=True)
class AwsKeys:
    """What a request is signed with. ``token``: of keys that are lent for a while; "" for others."""

    access_key: str
    secret_key: str = field(repr=False)
    token: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class AwsRequest:
    """A request without a query. ``path``: encoded as it is sent, a lone ``/`` for KMS."""

    method: str
    host: str
    body: bytes
    headers: Mapping[str, str]
    path: str = "/"


def signed_headers(request: AwsRequest, keys: AwsKeys, *, region: str, service: str, date: str) -> dict[str, str]:
    """All headers of a request, with its signature.

    Args:
        request: what is sent.
        keys: whose request it is.
        region: that it goes to.
        service: that it goes to, ``kms``.
        date: of now, as `DATE_FORM` has it.
    """
    headers = {**request.headers, "host": request.host, "x-amz-date": date}
    if keys.token:
        headers["x-amz-security-token"] = keys.token
    canonical = {name.lower(): " ".join(value.split()) for name, value in headers.items()}
    names = ";".join(sorted(canonical))
    lines = [request.method, request.path, "", *(f"{n}:{canonical[n]}" for n in sorted(canonical)), "", names]
    lines.append(hashlib.sha256(request.body).hexdigest())
    scope = f"{date[:_DAY]}/{region}/{service}/aws4_request"
    hashed = hashlib.sha256("\n".join(lines).encode()).hexdigest()
    key = f"AWS4{keys.secret_key}".encode()
    for part in scope.split("/"):
        key = _hmac(key, part)
    signature = _hmac(key, f"{_ALGORITHM}\n{date}\n{scope}\n{hashed}").hex()
    owner = f"Credential={keys.access_key}/{scope}"
    return {**headers, "authorization": f"{_ALGORITHM} {owner}, SignedHeaders={names}, Signature={signature}"}


def _hmac(key: bytes, text: str) -> bytes:
    return hmac.new(key, text.encode(), hashlib.sha256).digest()
