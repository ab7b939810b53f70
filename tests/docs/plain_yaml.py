"""YAML as far as this repository writes it: mappings, lists, plain and quoted scalars, comments. Anything else is an error.

No flow style, anchors, tags, multi-line scalars or tabs: a file that needs more is written more plainly, or this reader grows.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

_KEY = re.compile(r"^([A-Za-z_][\w-]*):(?: (.*))?$")
_REFUSED = ("[", "{", "&", "*", "!", "|", ">", "%", "@", "`")


class NotPlain(ValueError):
    """A line that is not the plain YAML that this reader takes."""


def load(path: Path) -> Any:
    """Contents of a file."""
    return parse(path.read_text(encoding="utf-8"))


def parse(text: str) -> Any:
    """Contents of a text; NotPlain names the line."""
    lines = []
    for number, line in enumerate(text.split("\n"), 1):
        if "\t" in line:
            raise NotPlain(f"line {number}: a tab")
        bare = line.rstrip()
        if bare.strip() and not bare.lstrip().startswith("#"):
            lines.append((number, len(bare) - len(bare.lstrip()), bare.lstrip()))
    value, left = _block(lines, 0)
    if left:
        raise NotPlain(f"line {left[0][0]}: indented otherwise than what is above it")
    return value


_Lines = list[tuple[int, int, str]]


def _block(lines: _Lines, indent: int) -> tuple[Any, _Lines]:
    """A mapping or list at an indentation, and what follows it."""
    if not lines or lines[0][1] < indent:
        return None, lines
    indent = lines[0][1]
    if lines[0][2] == "-" or lines[0][2].startswith("- "):
        return _list(lines, indent)
    return _mapping(lines, indent)


def _list(lines: _Lines, indent: int) -> tuple[list[Any], _Lines]:
    out: list[Any] = []
    while lines and lines[0][1] == indent and lines[0][2].startswith("-"):
        number, _, text = lines[0]
        inner = text[1:].lstrip()
        if _KEY.match(inner):
            value, lines = _mapping([(number, indent + len(text) - len(inner), inner), *lines[1:]], indent + 1)
        else:
            value, lines = _scalar(number, inner), lines[1:]
        out.append(value)
    return out, lines


def _mapping(lines: _Lines, least: int) -> tuple[dict[str, Any], _Lines]:
    out: dict[str, Any] = {}
    indent = lines[0][1]
    while lines and lines[0][1] == indent and indent >= least:
        number, _, text = lines[0]
        found = _KEY.match(text)
        if found is None:
            raise NotPlain(f"line {number}: neither `key:` nor `- item`: {text}")
        key, value = found.groups()
        if key in out:
            raise NotPlain(f"line {number}: {key} is there twice")
        if value:
            out[key], lines = _scalar(number, value), lines[1:]
        else:
            nested_list = len(lines) > 1 and lines[1][1] == indent and lines[1][2].startswith("- ")
            out[key], lines = _block(lines[1:], indent if nested_list else indent + 1)
    return out, lines


def _scalar(number: int, text: str) -> Any:
    if text[:1] in {'"', "'"}:
        if len(text) < 2 or text[-1] != text[0]:
            raise NotPlain(f"line {number}: a quote that is not closed")
        return text[1:-1]
    if re.fullmatch(r"\[[\w-]+\]", text):
        return [text[1:-1]]
    if text.startswith(_REFUSED):
        raise NotPlain(f"line {number}: {text[0]} begins something that is not plain")
    if re.search(r": |\s#", text):
        raise NotPlain(f"line {number}: quote a scalar with a colon or a comment in it")
    return {"true": True, "false": False, "null": None}.get(text, int(text) if text.isdigit() else text)
