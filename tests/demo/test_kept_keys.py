"""A demo whose folder is kept can be looked at later: its keys open."""

from __future__ import annotations

import stat
from pathlib import Path

import coincurve

from demo.kept_keys import keep_passphrase
from oracle.sign import keyfiles
from oracle.sign.eip712 import address_of


def test_the_passphrase_of_all_keys_is_kept_for_their_owner_alone(tmp_path: Path) -> None:
    key = coincurve.PrivateKey()
    keyfiles.save(tmp_path / "alpha.key.json", key, "of this run", iterations=1)
    configs = [tmp_path / name / "config.toml" for name in ("alpha", "beta")]
    said = keep_passphrase(tmp_path, {"LRT_ORACLE_A": "of this run", "LRT_ORACLE_B": "of this run"}, configs)
    kept = tmp_path / "passphrase"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert said == [
        f"the keys are kept: LRT_ORACLE_A_FILE={kept} LRT_ORACLE_B_FILE={kept} lrt-oracle --config {c} check"
        for c in configs
    ]
    opened = keyfiles.load(tmp_path / "alpha.key.json", "LRT_ORACLE_A", {"LRT_ORACLE_A_FILE": str(kept)})
    assert address_of(opened) == address_of(key)
