"""End files with one newline and lines without blanks: ``python -m tests.docs.text_files FILE...``, as a pre-commit hook."""

from __future__ import annotations

import sys
from pathlib import Path


def settled(text: str) -> str:
    """The text with no blanks at the ends of lines and exactly one newline at its end; nothing of an empty one."""
    body = "\n".join(line.rstrip(" \t") for line in text.split("\n")).rstrip("\n")
    return body + "\n" if body else ""


def settle(path: Path) -> bool:
    """Rewrite a file if it needs it; returns whether it did."""
    raw = path.read_bytes()
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        return False
    made = settled(text.replace("\r\n", "\n")).encode("utf-8")
    if made == raw:
        return False
    path.write_bytes(made)
    return True


def main(names: list[str]) -> int:
    """Exit status 1 if a file had to be rewritten, as hooks have it."""
    changed = [name for name in names if settle(Path(name))]
    for name in changed:
        sys.stderr.write(f"{name}: rewritten, add it again\n")
    return int(bool(changed))


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
