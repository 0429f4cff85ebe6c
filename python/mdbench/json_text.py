"""JSON with comments, as RBMD's control files have them, to plain data with lines of keys."""

from __future__ import annotations

import json
import math
import re
from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

from mdbench.errors import SpecError
from mdbench.spec_text import Parsed
from mdbench.text_file import decode, printable, read_bytes

if TYPE_CHECKING:
    from pathlib import Path

    from mdbench.spec_text import Keys

LARGEST_BYTES = 1_000_000
_DEEPEST = 20
_LONGEST_WORD = 100  # characters of a number; Python's int refuses those of 4300 digits
_TOKEN = re.compile(
    r'"(?:\\.|[^"\\\n])*"|//[^\n]*|/\*.*?\*/|\n|[ \t]+|[\[\]{},:]|[^\s\[\]{},:"/]+|.', re.DOTALL
)
_NO_NUMBERS = {"NaN", "Infinity", "-Infinity"}
_OPEN = {
    '"': "a text has no closing quote on its line: write it",
    "/": "/ stands alone: a comment is // up to the end of the line, or /* and */ around it",
}
_HINTS = {
    "Expecting ',' delimiter": "a comma is missing before this, or a bracket too early",
    "Expecting ':' delimiter": "a colon is missing behind the key",
    "Expecting value": "a value is missing here",
    "Expecting property name enclosed in double quotes": 'a "key" in double quotes is missing',
    "Extra data": "something follows the last bracket: remove it",
    "Invalid control character at": "a text holds a tab or the like: write a blank",
}


@dataclass(frozen=True)
class ParsedJson(Parsed):
    """A file's data, and where its keys are."""

    def line(self, keys: Keys | str) -> int:
        """Line (from 1) of a key, of the nearest key above it, or 1.

        Args:
            keys: From the top, ``("execution", "temperature", 0)``, or with dots between them.
        """
        if isinstance(keys, str):
            keys = tuple(int(k) if re.fullmatch("[0-9]+", k) else k for k in keys.split("."))
        return super().line(keys)


def read_json_text(path: Path) -> ParsedJson:
    """Read a file of ``parse_json``.

    Raises:
        SpecError: when it cannot be read or parsed.
    """
    name = printable(str(path))
    return parse_json(decode(read_bytes(path, LARGEST_BYTES, "control file"), name), name)


def parse_json(text: str, name: str) -> ParsedJson:
    """Read a text: JSON, with comments ``// ...`` and ``/* ... */`` besides.

    Args:
        text: Contents of a file; a byte-order mark may head it.
        name: That it has in messages.

    Raises:
        SpecError: for anything else: one line, ``name:line: what: what to do``. Also for what
            readers of JSON differ in: a key twice, NaN, a comma behind the last value.
    """
    text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    if len(text) > LARGEST_BYTES:
        raise SpecError(f"{name}: is larger than {LARGEST_BYTES} bytes: no control file is")
    if not text.strip():
        raise SpecError(f"{name}:1: is empty: give an RBMD control file")
    scan = _Scan(text, name)
    bare = scan.without_comments()
    try:
        data = json.loads(bare)
    except json.JSONDecodeError as problem:
        hint = _HINTS.get(problem.msg, problem.msg)
        raise SpecError(f"{name}:{problem.lineno}: not valid JSON: {hint}") from None
    if not isinstance(data, dict):
        raise SpecError(f'{name}:1: holds no object: a control file is {{ "key": ... }}')
    return ParsedJson(data, scan.lines())


class _Scan:
    """The tokens of a text, with what ``json`` does not say: lines, keys that stand twice."""

    def __init__(self, text: str, name: str) -> None:
        self._text, self._name = text, name
        self._starts = [0, *(m.end() for m in re.finditer("\n", text))]
        self._tokens: list[tuple[int, str]] = []  # position and text, of what counts

    def _refuse(self, position: int, what: str) -> NoReturn:
        line = bisect_right(self._starts, position)
        raise SpecError(f"{self._name}:{line}: {printable(what)}")

    def without_comments(self) -> str:
        """The text with blanks for comments; refuses what ``json`` takes, or cannot place."""
        parts, depth, last = [], 0, ""
        for match in _TOKEN.finditer(self._text):
            word, start = match[0], match.start()
            if word[0].isspace():
                parts.append(word)
                continue
            if word[:2] in {"//", "/*"}:
                parts.append(re.sub(r"[^\n]", " ", word))
                continue
            parts.append(word)
            if word in _OPEN:
                self._refuse(start, f"not valid JSON: {_OPEN[word]}")
            depth += (word in {"[", "{"}) - (word in {"]", "}"})
            if depth > _DEEPEST:
                self._refuse(start, f"nested more than {_DEEPEST} deep: no control file is")
            if last == "," and word in {"]", "}"}:
                what = "a comma stands before the closing bracket: remove it"
                self._refuse(self._tokens[-1][0], what)
            self._check_word(start, word)
            self._tokens.append((start, word))
            last = word
        return "".join(parts)

    def _check_word(self, start: int, word: str) -> None:
        if word[0] == '"' or word in {"true", "false", "null"}:
            return
        if len(word) > _LONGEST_WORD:
            self._refuse(start, f"{word[:20]}... is too long for a number: shorten it")
        try:
            is_finite = math.isfinite(float(word))
        except ValueError:
            return  # what that is, json says
        if word in _NO_NUMBERS or not is_finite:
            self._refuse(start, f"{word} is no finite number: write one")

    def lines(self) -> dict[Keys, int]:
        """Line of each key and list element of a text that is valid JSON."""
        lines: dict[Keys, int] = {(): 1}
        path: list[str | int] = []  # key or index of the value that comes next
        is_list: list[bool] = []
        wants_key = False
        for start, word in self._tokens:
            if word in {"{", "["}:
                self._note(lines, path, start)
                is_list.append(word == "[")
                path.append(0 if word == "[" else "")
                wants_key = word == "{"
            elif word in {"}", "]"}:
                is_list.pop()
                path.pop()
                wants_key = False
            elif word == ",":
                wants_key = not is_list[-1]
                last = path[-1]
                path[-1] = last + 1 if isinstance(last, int) else ""
            elif wants_key:
                path[-1] = self._plain(start, word)
                if tuple(path) in lines:
                    self._refuse(start, f"key {word} stands twice: remove one")
                lines[tuple(path)] = bisect_right(self._starts, start)
                wants_key = False
            elif word != ":":
                self._plain(start, word)
                self._note(lines, path, start)
        return lines

    def _note(self, lines: dict[Keys, int], path: list[str | int], start: int) -> None:
        lines.setdefault(tuple(path), bisect_right(self._starts, start))

    def _plain(self, start: int, word: str) -> str:
        """A text without what no name or path holds."""
        plain = str(json.loads(word)) if word[0] == '"' else word
        if any(c < " " or "\ud800" <= c <= "\udfff" for c in plain):
            self._refuse(start, f"{word[:40]} holds a control character: remove it")
        return plain
