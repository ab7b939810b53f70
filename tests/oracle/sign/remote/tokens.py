"""Tokens of SoftHSM for tests: real ones, each in a folder of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import coincurve
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

_PLACES = ("/usr/lib/softhsm", "/usr/lib/*/softhsm", "/usr/local/lib/softhsm", "/opt/homebrew/lib/softhsm")
PIN = "4711-pin"
REQUIRED = "LRT_ORACLE_NEEDS_SOFTHSM"
"""Set where SoftHSM was installed: then its tests must run."""


def softhsm() -> str | None:
    """Path of SoftHSM's module; None where it is not installed."""
    found = (p for place in _PLACES for p in sorted(Path("/").glob(f"{place[1:]}/libsofthsm2.so")))
    return next((str(p) for p in found if shutil.which("softhsm2-util")), None)


MODULE = softhsm() or "/no/softhsm"
needs_softhsm = pytest.mark.skipif(
    softhsm() is None and REQUIRED not in os.environ,
    reason="SoftHSM is not installed (Debian: apt-get install softhsm2)",
)


@dataclass(frozen=True)
class TokenFolder:
    """Where SoftHSM keeps its tokens in this process, and in those that it starts."""

    folder: Path

    @property
    def tokens(self) -> Path:
        return self.folder / "tokens"

    def token(self, label: str, pin: str = PIN) -> str:
        """Make a token; its label."""
        _util("--init-token", "--free", "--label", label, "--pin", pin, "--so-pin", "so-" + pin)
        return label

    def load(self, token: str, label: str, key: coincurve.PrivateKey, *, key_id: str = "01", pin: str = PIN) -> None:
        """Load a key into a token."""
        self.load_other(token, label, ec.derive_private_key(key.to_int(), ec.SECP256K1()), key_id=key_id, pin=pin)

    def load_other(
        self, token: str, label: str, key: ec.EllipticCurvePrivateKey, *, key_id: str = "01", pin: str = PIN
    ) -> None:
        path = self.folder / "key.pem"
        pkcs8 = serialization.PrivateFormat.PKCS8
        path.write_bytes(key.private_bytes(serialization.Encoding.PEM, pkcs8, serialization.NoEncryption()))
        _util("--import", str(path), "--token", token, "--label", label, "--id", key_id, "--pin", pin)
        path.unlink()

    def take_out(self) -> None:
        self.tokens.rename(self.folder / "away")
        self.tokens.mkdir()

    def put_back(self) -> None:
        shutil.rmtree(self.tokens)
        (self.folder / "away").rename(self.tokens)


def token_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TokenFolder]:
    """An empty folder of tokens, named in the environment."""
    made = TokenFolder(folder)
    made.tokens.mkdir(parents=True)
    settings = folder / "softhsm2.conf"
    settings.write_text(f"directories.tokendir = {made.tokens}\nobjectstore.backend = file\nlog.level = ERROR\n")
    monkeypatch.setenv("SOFTHSM2_CONF", str(settings))
    yield made


def _util(*args: str) -> None:
    done = subprocess.run(["softhsm2-util", *args], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
