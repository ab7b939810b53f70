"""AWS's published test vectors of Signature Version 4, and the example of its user guide."""

from __future__ import annotations

import pytest

from oracle.sign.remote.sigv4 import AwsKeys, AwsRequest, signed_headers
from tests.oracle.sign.remote.kms_stand import expected_signature

_SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
_TOKEN = (
    "AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXmxfpSPfIeoIYRqTflfKD8YUuwthAx7"
    "mSEI/qkPpKPi/kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZampKsburEDy0KPkyQDYwT7WZ0wq5VSXDvp75YU9HFvlRd8Tx6q6fE8YQcHNVXAkiY9q6d"
    "+xo0rKwT38xVqr7ZD0u0iPPkUL64lIZbqBAz+scqKmlzm8FDrypNC9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJabIQwj2ICCR/oLxBA=="
)
_DATE = "20150830T123600Z"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
VECTORS = {
    "get-vanilla": ("GET", b"", {}, "", "host;x-amz-date", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
    "post-vanilla": ("POST", b"", {}, "", "host;x-amz-date", "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"),
    "post-x-www-form-urlencoded": (
        "POST", b"Param1=value1", FORM, "", "content-type;host;x-amz-date",
        "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
    ),
    "post-sts-header-before": (
        "POST", b"", {}, _TOKEN, "host;x-amz-date;x-amz-security-token",
        "85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", VECTORS)
def test_the_published_vectors(name: str) -> None:
    method, body, headers, token, names, signature = VECTORS[name]
    request = AwsRequest(method=method, host="example.amazonaws.com", body=body, headers=headers)
    keys = AwsKeys("AKIDEXAMPLE", _SECRET, token)
    made = signed_headers(request, keys, region="us-east-1", service="service", date=_DATE)
    scope = "AKIDEXAMPLE/20150830/us-east-1/service/aws4_request"
    wanted = f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders={names}, Signature={signature}"
    assert made["authorization"] == wanted
    assert made.get("x-amz-security-token", "") == token
    given = {k.lower(): v for k, v in made.items()}
    theirs = expected_signature(method, "/", given, names.split(";"), body, secret=_SECRET, scope=scope.split("/")[1:4])
    assert theirs == signature, "the stand-in knows by itself what is right"


def test_spaces_in_a_header_count_once() -> None:
    plain = AwsRequest(method="POST", host="h", body=b"", headers={"My-Header": "a b c"})
    wide = AwsRequest(method="POST", host="h", body=b"", headers={"My-Header": "  a   b   c  "})
    keys = AwsKeys("A", "B")
    made = [signed_headers(r, keys, region="r", service="s", date=_DATE)["authorization"] for r in (plain, wide)]
    assert made[0] == made[1]


def test_keys_show_no_secret() -> None:
    assert "secret-key" not in repr(AwsKeys("access", "secret-key", "secret-key"))
