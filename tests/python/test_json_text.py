"""JSON with comments: data, lines of keys, and one line for whatever is wrong."""

import json
import random
import re
import time

import pytest

from mdbench.errors import SpecError
from mdbench.json_text import LARGEST_BYTES, parse_json, read_json_text

TEXT = """\ufeff// a control file // twice
{
  /* over
     lines */ "init_configuration": {"read_data": {"file": "a//b /* c */.data"}},
  "execution": { // "hidden": 1,
    "temperature": [300, /* between */ 310.5,
                    1e2], "thermo": true,
    "deep": [{"a": 1},
             {"a": {"b\\u0041": null}}]
  }, "quote \\" // inside": -0.5
}
// the end"""


def test_data_and_lines():
    parsed = parse_json(TEXT, "x.json")
    assert parsed.data == {
        "init_configuration": {"read_data": {"file": "a//b /* c */.data"}},
        "execution": {"temperature": [300, 310.5, 100.0], "thermo": True,
                      "deep": [{"a": 1}, {"a": {"bA": None}}]},
        'quote " // inside': -0.5}
    for keys, line in (("init_configuration", 4), ("init_configuration.read_data.file", 4),
                       ("execution", 5), ("execution.temperature", 6), ("execution.temperature.1", 6),
                       (("execution", "temperature", 2), 7), ("execution.thermo", 7),
                       ("execution.deep.1.a.bA", 9), (('quote " // inside',), 10),
                       ("execution.missing.more", 5), ("nothing", 1), ((), 1)):
        assert parsed.line(keys) == line, keys


@pytest.mark.parametrize("end", ["\r\n", "\r"])
def test_line_ends_of_other_systems(end):
    text = TEXT.replace("\n", end)
    assert parse_json(text, "x").data == parse_json(TEXT, "x").data
    assert parse_json(text, "x").line("execution.deep") == 8


@pytest.mark.parametrize(("text", "line", "what"), [
    ("", 1, "is empty"), (" \n\t", 1, "is empty"), ("// only this", 1, "a value is missing"),
    ("[1]", 1, "holds no object"), ("3", 1, "holds no object"),
    ('{"a": 1,\n "b": [1, 2, // x\n],\n}', 2, "a comma stands before the closing bracket"),
    ('{"a": 1,\n}', 1, "a comma stands before the closing bracket"),
    ('{"a": 1\n "b": 2}', 2, "a comma is missing"), ('{"a"\n 1}', 2, "a colon is missing"),
    ('{"a": }', 1, "a value is missing"), ("{a: 1}", 1, 'a "key" in double quotes'),
    ('{"a": 1} x', 1, "follows the last bracket"), ('{"a": "b\n"}', 1, "no closing quote"),
    ('{"a": "b\tc"}', 1, "a tab"), ('{"a": 1 /* x }', 1, "around it"), ('{"a": 1 / 2}', 1, "/"),
    ('{"a": {"b": 1,\n "c": 2,\n "b": 3}}', 3, 'key "b" stands twice'),
    ('{"a": {"b": 1},\n "a": {"c": 2}}', 2, 'key "a" stands twice'),
    ('{"a": 1, "\\u0061": 2}', 1, "stands twice"),
    ('{"a":\n NaN}', 2, "NaN is no finite number"), ('{"a": -Infinity}', 1, "no finite number"),
    ('{"a": [1,\n1e999]}', 2, "1e999 is no finite number"), ('{"a": inf}', 1, "no finite|missing"),
    ('{"a": ' + "1" * 5000 + "}", 1, "too long for a number"),
    ('{"a": "\\ud800"}', 1, "control character"), ('{"a\\u0000": 1}', 1, "control character"),
    ('{"a": ' * 21 + "1" + "}" * 21, 1, "nested more than 20"), ("[" * 10**6, 1, "nested more"),
    ('{"a": "\\q"}', 1, "not valid JSON"), ('{"a": 01}', 1, "not valid JSON|missing"),
    ('{"a": "' + "x" * LARGEST_BYTES + '"}', None, "is larger than"),
    ('{"a": \x1b[2J}', 1, "not valid JSON"), ("{'a': 1}", 1, "double quotes"),
])
def test_refusals(text, line, what):
    start = time.process_time()
    with pytest.raises(SpecError) as caught:
        parse_json(text, "f.json")
    message = str(caught.value)
    assert time.process_time() - start < 3 and message.isprintable() and len(message) < 200
    assert message.startswith("f.json:" + (f"{line}: " if line else " ")) and re.search(what, message)


def test_deepest_that_is_read():
    assert parse_json('{"a": ' * 20 + "1" + "}" * 20, "x").line((*["a"] * 20,)) == 1


def test_files(tmp_path):
    path = tmp_path / "f.json"
    path.write_bytes(b'{"a": 1,\n "b": "\xff"}')
    with pytest.raises(SpecError, match="f.json:2: not UTF-8 text: save it"):
        read_json_text(path)
    path.write_text(TEXT)
    assert read_json_text(path).line("execution") == 5
    path.write_bytes(b"{}" + b" " * LARGEST_BYTES)
    for wrong, why in ((path, "larger than 1000000 bytes"), (tmp_path / "no", "No such file"),
                       (tmp_path, "is a folder")):
        with pytest.raises(SpecError, match=why):
            read_json_text(wrong)


@pytest.mark.parametrize("text", ['"\\"' * 300_000, "/*" * 450_000, '{"a": [' + "[]," * 300_000,
                                  '{"a": [' + ",".join(["{}"] * 300_000) + "]}", '"' * 900_000])
def test_no_text_takes_long(text):
    start = time.process_time()
    try:
        parse_json(text, "x")
    except SpecError:
        pass
    assert time.process_time() - start < 5


def test_lines_are_those_of_the_keys_in_any_layout():
    random.seed(3)
    for _ in range(200):
        data = {f"k{i}": {"v": random.random(), "l": [i, {"x": "}//"}]} for i in range(5)}
        text = json.dumps(data, indent=random.choice([None, 1, 4]))
        text = re.sub(r"([{,:\[]) ?", lambda m: m[0] + random.choice(["", "\n", "/* , */", "// }\n"]),
                      text.replace("}//", "HIDDEN")).replace("HIDDEN", "}//")
        parsed = parse_json(text, "x")
        assert parsed.data == data
        for i in range(5):
            assert f'"k{i}"' in text.split("\n")[parsed.line(f"k{i}") - 1]
            assert '"x"' in text.split("\n")[parsed.line((f"k{i}", "l", 1, "x")) - 1]


def mutated(rng, text):
    """The text with bytes changed, put in or left out, or cut."""
    raw = bytearray(text.encode())
    for _ in range(rng.randint(1, 6)):
        at, kind = rng.randrange(len(raw) + 1), rng.randrange(5)
        if kind == 0:
            del raw[at:at + rng.randint(1, 9)]
        elif kind == 1:
            raw[at:at] = rng.choice([b'"', b"{", b"]", b"//", b"/*", b"*/", b",", b"\n", b"\\", b"NaN", b":"])
        elif kind == 2 and at < len(raw):
            raw[at] = rng.randrange(256)
        elif kind == 3:
            other = rng.randrange(len(raw) + 1)
            raw[at:at] = raw[other:other + 30]
        elif rng.random() < 0.2:
            del raw[at:]
        raw = raw or bytearray(b"{")
    return bytes(raw)


def test_fuzz(tmp_path):
    rng, refused, path = random.Random(7), 0, tmp_path / "f.json"
    for _ in range(20_000):
        raw = mutated(rng, TEXT)
        try:
            text = raw.decode()
        except UnicodeDecodeError:
            path.write_bytes(raw)
            with pytest.raises(SpecError, match="not UTF-8|: "):
                read_json_text(path)
            continue
        try:
            parsed = parse_json(text, "f")
        except SpecError as problem:
            refused += 1
            assert re.match(r"f:\d+: ", str(problem)) and str(problem).isprintable()
        else:
            json.dumps(parsed.data, allow_nan=False).encode()
            assert 1 <= max(parsed.lines.values()) <= text.count("\n") + text.count("\r") + 1
    assert 5_000 < refused < 20_000
