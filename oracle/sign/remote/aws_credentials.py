"""Whose requests to AWS ours are: keys from the environment, a file, or the machine that we run on, renewed in time.

Source: AWS SDKs and Tools Reference Guide, "Standardized credential providers": environment, shared credentials file,
container (ECS, EKS Pod Identity), instance (IMDSv2), in this order. Not here: SSO, processes, roles that are assumed on the
way, web identity; where one of these is used, its keys are put into the environment.
"""

from __future__ import annotations

import configparser
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import orjson

from feeds.units import MS
from oracle.sign.remote.remote_key import SignerError
from oracle.sign.remote.sigv4 import AwsKeys

_CONTAINER = "http://169.254.170.2"
_INSTANCE = "http://169.254.169.254"
_ROLES = "/latest/meta-data/iam/security-credentials/"
_SPARE_MS = 300_000
"""Keys that are lent are asked for again so long before they end."""
_NO_KEYS = "no AWS credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give this machine a role that may use the key"
_OK = 200
_TIMEOUT_S = 1.0


class AwsCredentials:
    """The keys of this process, as the environment, a file or the machine gives them.

    Args:
        environ: of the process.
        now_ms: Unix milliseconds.
    """

    def __init__(self, environ: Mapping[str, str], now_ms: Callable[[], int]) -> None:
        self._environ, self._now_ms = environ, now_ms
        self._lent: AwsKeys | None = None
        self._ends_ms = 0

    async def keys(self, session: aiohttp.ClientSession) -> AwsKeys:
        """The keys to sign with now; SignerError where there are none."""
        own = self._from_environment() or self._from_file()
        if own is not None:
            return own
        if self._lent is None or self._now_ms() > self._ends_ms - _SPARE_MS:
            try:
                self._lent, self._ends_ms = await self._borrow(session)
            except SignerError:
                if self._lent is None or self._now_ms() >= self._ends_ms:
                    raise  # else those that there are still count
        return self._lent

    def forget(self) -> None:
        """Ask for keys that are lent anew: AWS does not take these."""
        self._lent = None

    def _from_environment(self) -> AwsKeys | None:
        access, secret = self._environ.get("AWS_ACCESS_KEY_ID"), self._environ.get("AWS_SECRET_ACCESS_KEY")
        return AwsKeys(access, secret, self._environ.get("AWS_SESSION_TOKEN", "")) if access and secret else None

    def _from_file(self) -> AwsKeys | None:
        home = self._environ.get("HOME")
        path = self._environ.get("AWS_SHARED_CREDENTIALS_FILE") or (f"{home}/.aws/credentials" if home else "")
        if not path or not Path(path).is_file():
            return None
        parser = configparser.RawConfigParser()
        profile = self._environ.get("AWS_PROFILE", "default")
        try:
            parser.read(path, encoding="utf-8")
            section = parser[profile]
            return AwsKeys(
                section["aws_access_key_id"], section["aws_secret_access_key"], section.get("aws_session_token", "")
            )
        except (configparser.Error, KeyError, OSError, UnicodeDecodeError):
            return None

    async def _borrow(self, session: aiohttp.ClientSession) -> tuple[AwsKeys, int]:
        """Keys that the machine lends, and when they end (Unix milliseconds)."""
        relative = self._environ.get("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI")
        full = self._environ.get("AWS_CONTAINER_CREDENTIALS_FULL_URI")
        if relative or full:
            url = f"{_CONTAINER}{relative}" if relative else str(full)
            return _lent_keys(await self._ask(session, "GET", url, self._container_headers()))
        if self._environ.get("AWS_EC2_METADATA_DISABLED", "").lower() == "true":
            raise SignerError(_NO_KEYS)
        base = self._environ.get("AWS_EC2_METADATA_SERVICE_ENDPOINT", _INSTANCE).rstrip("/")
        lifetime = {"X-aws-ec2-metadata-token-ttl-seconds": "21600"}
        token = (await self._ask(session, "PUT", f"{base}/latest/api/token", lifetime)).decode()
        headers = {"X-aws-ec2-metadata-token": token}
        role = (await self._ask(session, "GET", f"{base}{_ROLES}", headers)).decode().split("\n", 1)[0].strip()
        return _lent_keys(await self._ask(session, "GET", f"{base}{_ROLES}{role}", headers))

    def _container_headers(self) -> dict[str, str]:
        path = self._environ.get("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE")
        token = self._environ.get("AWS_CONTAINER_AUTHORIZATION_TOKEN", "")
        if path:
            try:
                token = Path(path).read_text(encoding="utf-8").strip()
            except OSError as e:
                raise SignerError(f"AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE cannot be read ({e.strerror})") from None
        return {"Authorization": token} if token else {}

    @staticmethod
    async def _ask(session: aiohttp.ClientSession, method: str, url: str, headers: Mapping[str, str]) -> bytes:
        timeout = aiohttp.ClientTimeout(total=_TIMEOUT_S)
        try:
            async with session.request(method, url, headers=headers, timeout=timeout, allow_redirects=False) as reply:
                body = await reply.read()
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError):
            raise SignerError(_NO_KEYS) from None
        if reply.status != _OK:
            raise SignerError(f"this machine lends no AWS credentials (HTTP {reply.status}): give it a role")
        return body


def _lent_keys(body: bytes) -> tuple[AwsKeys, int]:
    try:
        said: Any = orjson.loads(body)
        ends = datetime.fromisoformat(said["Expiration"])
        keys = AwsKeys(str(said["AccessKeyId"]), str(said["SecretAccessKey"]), str(said.get("Token") or ""))
    except (ValueError, KeyError, TypeError, AttributeError):
        raise SignerError("this machine lends AWS credentials that cannot be read: give it a role") from None
    return keys, int((ends if ends.tzinfo else ends.replace(tzinfo=UTC)).timestamp()) * MS
