"""The network key's file: made once, for its owner only, and never shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from oracle.network.mesh.network_key import NetworkKeyError, load_or_make


def test_a_key_is_made_once_and_read_again(tmp_path: Path) -> None:
    path = tmp_path / "new" / "network.key"
    made = load_or_make(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert load_or_make(path).secret == made.secret
    assert load_or_make(tmp_path / "other.key").secret != made.secret
    assert sorted(p.name for p in path.parent.iterdir()) == ["network.key"], "nothing is left over"


def test_a_key_that_others_may_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "network.key"
    load_or_make(path)
    path.chmod(0o640)
    with pytest.raises(NetworkKeyError, match="chmod 600"):
        load_or_make(path)


@pytest.mark.parametrize("text", ["", "key", "00" * 32, "ff" * 32, "11" * 31, "11" * 33, "zz" * 32, "é" * 64])
def test_what_is_no_key_is_told_without_showing_it(tmp_path: Path, text: str) -> None:
    path = tmp_path / "network.key"
    path.write_text(text, encoding="utf-8")
    path.chmod(0o600)
    with pytest.raises(NetworkKeyError) as caught:
        load_or_make(path)
    assert str(path) in str(caught.value)
    assert len(text) < 10 or text not in str(caught.value)


def test_a_path_that_cannot_be_used_is_told(tmp_path: Path) -> None:
    with pytest.raises(NetworkKeyError, match="cannot be read or made"):
        load_or_make(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(NetworkKeyError, match="cannot be read or made"):
        load_or_make(tmp_path / "file" / "network.key")
