"""Keyfiles on disk: whole or not at all, synced with their folder before anybody relies on them, for their owner only."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

import coincurve
import pytest

from oracle.sign import keyfiles
from oracle.sign.keyfiles import KeyfileError

KEY, OTHER = coincurve.PrivateKey(b"\7" * 32), coincurve.PrivateKey(b"\10" * 32)


def save(path: Path, key: coincurve.PrivateKey = KEY) -> None:
    keyfiles.save(path, key, "open", iterations=1)


def test_a_keyfile_is_its_owner_s_and_opens_again(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        save(tmp_path / "deep" / "key.json")
    finally:
        os.umask(old)
    path = tmp_path / "deep" / "key.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [p.name for p in path.parent.iterdir()] == ["key.json"]
    assert path.stat().st_nlink == 1
    assert keyfiles.load(path, "PASS", {"PASS": "open"}).secret == KEY.secret


def test_the_file_is_synced_before_it_has_its_name_and_the_folder_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, seen = tmp_path / "key.json", list[tuple[str, bool, int]]()
    fsync = os.fsync

    def noted(handle: int) -> None:
        kind = "folder" if stat.S_ISDIR(os.fstat(handle).st_mode) else "file"
        seen.append((kind, path.exists(), os.fstat(handle).st_size))
        fsync(handle)

    monkeypatch.setattr(os, "fsync", noted)
    save(path)
    assert [(kind, named) for kind, named, _ in seen] == [("file", False), ("folder", True)]
    assert seen[0][2] == path.stat().st_size, "all of it"


@pytest.mark.parametrize("broken", ["fsync", "link"])
def test_a_write_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: str) -> None:
    def cut(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, broken, cut)
    if broken == "link":
        monkeypatch.setattr(Path, "rename", cut)
    with pytest.raises(OSError, match="No space left"):
        save(tmp_path / "key.json")
    assert list(tmp_path.iterdir()) == []


def test_a_key_is_never_overwritten_not_even_by_one_made_at_the_same_moment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "key.json"
    save(path)
    with pytest.raises(KeyfileError, match="never overwritten"):
        save(path, OTHER)
    monkeypatch.setattr(Path, "exists", lambda _: False)  # both looked before either had written
    with pytest.raises(KeyfileError, match="never overwritten"):
        save(path, OTHER)
    assert keyfiles.load(path, "PASS", {"PASS": "open"}).secret == KEY.secret
    assert [p.name for p in tmp_path.iterdir()] == ["key.json"]


def test_a_file_system_without_hard_links_is_served_by_a_rename(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(*_: Any, **__: Any) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", none)
    save(tmp_path / "key.json")
    assert [p.name for p in tmp_path.iterdir()] == ["key.json"]
    with pytest.raises(KeyfileError, match="never overwritten"):
        save(tmp_path / "key.json", OTHER)


def test_a_passphrase_may_be_the_first_line_of_a_file(tmp_path: Path) -> None:
    path, word = tmp_path / "key.json", tmp_path / "word"
    save(path)
    word.write_text("open\nnot this\n")
    by_file = {"PHRASE_FILE": str(word)}
    assert keyfiles.load(path, "PHRASE", by_file).secret == KEY.secret
    assert keyfiles.load(path, "PHRASE", {**by_file, "PHRASE": "open"}).secret == KEY.secret
    with pytest.raises(KeyfileError, match="wrong passphrase"):
        keyfiles.load(path, "PHRASE", {**by_file, "PHRASE": "another"})
    with pytest.raises(KeyfileError, match=r"PHRASE_FILE\) cannot be read"):
        keyfiles.load(path, "PHRASE", {"PHRASE_FILE": str(tmp_path / "none")})
    assert keyfiles.has_passphrase("PHRASE", by_file)
    assert not keyfiles.has_passphrase("PHRASE", {})


def test_a_keyfile_that_others_could_read_is_narrowed(tmp_path: Path) -> None:
    path = tmp_path / "key.json"
    save(path)
    path.chmod(0o644)
    keyfiles.load(path, "PHRASE", {"PHRASE": "open"}, only_looks=True)
    assert stat.S_IMODE(path.stat().st_mode) == 0o644, "who looks changes nothing"
    keyfiles.load(path, "PHRASE", {"PHRASE": "open"})
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("environ", "empty"), [({"PHRASE": ""}, "PHRASE is empty"), ({}, "the file that PHRASE_FILE names is empty")]
)
def test_an_empty_passphrase_is_called_empty(tmp_path: Path, environ: dict[str, str], empty: str) -> None:
    (tmp_path / "word").write_text("\n")
    path = tmp_path / "key.json"
    save(path)
    with pytest.raises(KeyfileError, match=empty):
        keyfiles.load(path, "PHRASE", {"PHRASE_FILE": str(tmp_path / "word"), **environ})
