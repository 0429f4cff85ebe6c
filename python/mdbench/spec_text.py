"""TOML and YAML to plain data, with the line of every key."""

from __future__ import annotations

import re
import tomllib
from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml

from mdbench.errors import SpecError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Keys = tuple[str | int, ...]

_DEEPEST = 20
_LONGEST_LINE = 2000  # tomllib takes the square of the length of a dotted key
_LEFT_BARE = re.compile(r"^[^=]*=\s*(?!true\b|false\b)(?=[^#]*[A-Za-z])[^\"'\[{#\s]")


@dataclass(frozen=True)
class Parsed:
    """A file's data, and where its keys are."""

    data: dict[str, Any]
    lines: dict[Keys, int]

    def line(self, keys: Keys) -> int:
        """Line of a key, of the nearest key above it, or 1."""
        while keys and keys not in self.lines:
            keys = keys[:-1]
        return self.lines.get(keys, 1)


def parse(text: str, name: str, *, is_toml: bool) -> Parsed:
    """Read a text.

    Args:
        text: Contents of a file.
        name: That it has in messages.
        is_toml: TOML instead of YAML.

    Raises:
        SpecError: for a syntax error, with line and column.
    """
    text = text.replace("\r\n", "\n")
    for number, line in enumerate(text.split("\n"), 1):
        if len(line) > _LONGEST_LINE:
            raise SpecError(f"{name}:{number}: the line is longer than {_LONGEST_LINE} characters")
    try:
        return _parse_toml(text, name) if is_toml else _parse_yaml(text, name)
    except RecursionError:
        raise SpecError(f"{name}:1: lists or tables are nested too deeply") from None


def _parse_toml(text: str, name: str) -> Parsed:
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as problem:
        found = re.fullmatch(
            r"(.*) \(at (?:line (\d+), column (\d+)|end of document)\)", str(problem)
        )
        what = found[1] if found else str(problem)
        rows = text.split("\n")
        row = int(found[2]) if found and found[2] else len(rows)
        column = int(found[3]) if found and found[3] else len(rows[-1]) + 1
        hint = ": texts and quantities stand in quotes" if _LEFT_BARE.match(rows[row - 1]) else ""
        raise SpecError(f"{name}:{row}:{column}: not valid TOML: {what}{hint}") from None
    except ValueError as problem:  # an integer of more than 4300 digits, a date that does not exist
        raise SpecError(f"{name}:1: not valid TOML: {problem}") from None
    return Parsed(data, _toml_lines(text))


_TOKEN = re.compile(
    r'"""(?:\\.|"{1,2}(?!")|[^"\\])*"{3,5}' + r"|'''(?:'{1,2}(?!')|[^'])*'{3,5}"
    r'|"(?:\\.|[^"\\\n])*"' + r"|'[^'\n]*'"
    r"|#[^\n]*|[ \t]+|\n|[\[\]{}=.,]|[^\s\[\]{}=.,#\"']+",
    re.DOTALL,
)


def _toml_lines(text: str) -> dict[Keys, int]:
    """Lines of tables and keys of a text that is valid TOML; keys inside values are left out."""
    starts = [0, *(m.end() for m in re.finditer("\n", text))]
    lines: dict[Keys, int] = {(): 1}
    last: dict[Keys, int] = {}  # index of the newest element of each array of tables
    table: Keys = ()
    for position, head in _toml_heads(text):
        opens_table, is_array = head[0] == "[", head[:2] == ["[", "["]
        keys: Keys = () if opens_table else table
        names = [_toml_key(token) for token in head if token not in {"[", "]", "."}]
        for depth, key in enumerate(names, 1):
            keys = (*keys, key)
            if is_array and depth == len(names):
                last[keys] = last.get(keys, -1) + 1
            lines.setdefault(keys, bisect_right(starts, position))
            if opens_table and keys in last:
                keys = (*keys, last[keys])
                lines.setdefault(keys, bisect_right(starts, position))
        table = keys if opens_table else table
    return lines


def _toml_heads(text: str) -> Iterator[tuple[int, list[str]]]:
    """Position and tokens of each table header, and of each key before its ``=``."""
    start, depth = 0, 0
    head: list[str] = []
    in_value = False
    for match in _TOKEN.finditer(text):
        token = match[0]
        if token[0] == "\n" and depth == 0:
            if head:
                yield start, head
            head, in_value = [], False
        elif token[0] in " \t\n#":
            continue
        elif in_value:
            depth += (token in {"[", "{"}) - (token in {"]", "}"})
        elif token[0] == "=":
            in_value = True
        else:
            start = start if head else match.start()
            head.append(token)
    if head:
        yield start, head


def _toml_key(token: str) -> str:
    return str(tomllib.loads(f"key = {token}")["key"]) if token[0] in "\"'" else token


class _YamlLoader(yaml.SafeLoader):  # type: ignore[misc]  # untyped
    """YAML 1.2's core schema (``No`` is nobelium), without aliases, nested to a limit."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 - PyYAML's form
    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node:  # noqa: ANN401
        event = self.peek_event()
        problem = ""
        if isinstance(event, yaml.AliasEvent):
            problem = f"aliases (*{event.anchor}) are not read: write the value again"
        elif self.depth >= _DEEPEST:
            problem = "lists or tables are nested too deeply"
        if problem:
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=event.start_mark)
        self.depth += 1
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node


for _tag, _pattern, _first in (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?[0-9]+", list("-+0123456789")),
    ("float", r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", list("-+.0123456789")),
):
    _YamlLoader.add_implicit_resolver(
        f"tag:yaml.org,2002:{_tag}", re.compile(rf"({_pattern})\Z"), _first
    )


def _parse_yaml(text: str, name: str) -> Parsed:
    try:
        node = yaml.compose(text, Loader=_YamlLoader)
    except yaml.MarkedYAMLError as problem:
        raise _yaml_error(name, problem.problem_mark, problem.problem or problem.context) from None
    except yaml.reader.ReaderError as problem:
        line = text.count("\n", 0, problem.position) + 1
        raise SpecError(f"{name}:{line}: not valid YAML: {problem.reason}") from None
    lines: dict[Keys, int] = {(): 1}
    data = {} if node is None else _yaml_data(node, name, (), lines)
    if not isinstance(data, dict):
        raise SpecError(f"{name}:1: not a specification: write keys and values, 'name: run'")
    # a section whose keys are all commented out is null
    data = {key: {} if value is None else value for key, value in data.items()}
    return Parsed(data, lines)


def _yaml_error(name: str, mark: yaml.Mark | None, what: object) -> SpecError:
    where = f"{mark.line + 1}:{mark.column + 1}" if mark else "1"
    return SpecError(f"{name}:{where}: not valid YAML: {what}")


def _yaml_data(node: yaml.Node, name: str, keys: Keys, lines: dict[Keys, int]) -> object:
    """The value of a node; notes the lines of its keys."""
    kind = node.tag.removeprefix("tag:yaml.org,2002:")
    if isinstance(node, yaml.MappingNode) and kind == "map":
        data: dict[str, object] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                raise _yaml_error(name, key_node.start_mark, "a key is a list or a table")
            key = key_node.value
            if key in data:
                what = f"key {key!a} stands twice in its table"
                raise _yaml_error(name, key_node.start_mark, what)
            lines[*keys, key] = key_node.start_mark.line + 1
            data[key] = _yaml_data(value_node, name, (*keys, key), lines)
        return data
    if isinstance(node, yaml.SequenceNode) and kind == "seq":
        for index, item in enumerate(node.value):
            lines[*keys, index] = item.start_mark.line + 1
        return [_yaml_data(v, name, (*keys, i), lines) for i, v in enumerate(node.value)]
    if isinstance(node, yaml.ScalarNode) and kind in _SCALARS:
        try:
            return _SCALARS[kind](node.value)
        except ValueError:  # more than 4300 digits, or a tag that the text does not fit
            raise _yaml_error(name, node.start_mark, f"this is no {kind}") from None
    raise _yaml_error(name, node.start_mark, f"tag {node.tag!a} is not read")


def _bool(text: str) -> bool:
    if text.lower() not in {"true", "false"}:
        raise ValueError
    return text.lower() == "true"


_SCALARS: dict[str, Callable[[str], object]] = {
    "null": lambda _: None,
    "bool": _bool,
    "int": int,
    "float": float,
    "str": str,
}
