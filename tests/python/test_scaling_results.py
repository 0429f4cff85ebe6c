"""Result files: what is written is read, what is wrong is refused in one line."""

import json
import random

import pytest
import synthetic_scaling as synthetic
from pydantic import ValidationError
from synthetic_scaling import absent, result, timed

from mdbench.errors import OutputError
from mdbench.scaling.fits import with_fits
from mdbench.scaling.result_file import (
    json_schema,
    parse_result,
    read_result,
    to_json,
    write_result,
)
from mdbench.scaling.results import SCHEMA


def refusal(data):
    """The message that contents are refused with."""
    text = data if isinstance(data, bytes) else json.dumps(data).encode()
    with pytest.raises(OutputError) as problem:
        parse_result(text, "result.json")
    message = str(problem.value)
    assert message.startswith("result.json: ") and "\n" not in message and len(message) < 400
    return message


@pytest.fixture
def data():
    return json.loads(to_json(with_fits(synthetic.quick())))


def test_what_is_written_is_read(tmp_path):
    made = with_fits(synthetic.quick())
    write_result(made, tmp_path / "result.json")
    assert read_result(tmp_path / "result.json") == made
    assert [p.name for p in tmp_path.iterdir()] == ["result.json"]
    assert json.loads((tmp_path / "result.json").read_text())["schema"] == SCHEMA


def test_derived_numbers():
    row = timed("native", 400, 4.0, noise=0)
    assert row.median_ms == pytest.approx(4.0)
    assert row.quartiles_ms == pytest.approx((4.0, 4.0))
    assert row.seconds_10k == pytest.approx(40.0)
    assert row.us_per_atom == pytest.approx(10.0)
    assert row.ns_per_day(0.5) == pytest.approx(86400 / 4e-3 * 0.5e-6)
    noisy = synthetic.Measurement(
        variant="x", device="cpu", precision="single", threads=1, ranks=1, status="timed",
        atoms=10, steps=10, loop_s=(0.1, 0.2, 0.3, 0.4, 9.0))
    assert noisy.median_ms == pytest.approx(30) and noisy.quartiles_ms == pytest.approx((20, 40))
    assert noisy.relative_iqr == pytest.approx(20 / 30)


def test_texts_become_one_line_and_failed_numbers_none():
    row = absent("cueq", "RuntimeError:\n  no\x1b[31m GPU\n" + "x" * 2000,
                 energy_error_ev_atom=float("nan"), force_error_ev_ang=float("inf"))
    assert row.reason.startswith("RuntimeError: no [31m GPU x") and len(row.reason) == 500
    assert row.energy_error_ev_atom is None and row.force_error_ev_ang is None
    json.loads(to_json(result([row])), parse_constant=pytest.fail)


@pytest.mark.parametrize(("fields", "why"), [
    ({"reason": ""}, "needs a reason"),
    ({"reason": "no", "loop_s": (1.0,)}, "has no loop_s"),
    ({"status": "timed"}, "needs atoms, steps and loop_s"),
    ({"status": "fast"}, "status"),
    ({"threads": 0}, "threads"),
])
def test_a_row_that_contradicts_itself_cannot_be_made(fields, why):
    with pytest.raises(ValidationError, match=why):
        absent("cueq", **{"reason": "no GPU", **fields})


def test_a_size_is_there_once():
    with pytest.raises(ValidationError, match=r"2 measurements of native .* of 128 atoms"):
        result([timed("native", 128, 2.0), timed("native", 128, 3.0)])


@pytest.mark.parametrize(("keys", "value", "message"), [
    (("measurements", 0, "loop_s", 2), -1.0, "measurements[0].loop_s[2]: must be greater than 0.0"),
    (("measurements", 1, "loop_s"), [], "measurements[1]: a timed row needs"),
    (("measurements", 1, "atoms"), "128", "measurements[1].atoms: must be a valid integer"),
    (("measurements", 1, "status"), "ok", "measurements[1].status: must be 'timed'"),
    (("measurements", 1, "speed"), 3, "measurements[1].speed: unknown key"),
    (("machine", "cores"), 0, "machine.cores: must be greater than or equal to 1"),
    (("machine",), None, "machine: "),
    (("system", "model", "sha256"), None, "system.model.sha256: must be a valid string"),
    (("fits", "series", 0, "exponent"), 3.0, "fits.series[0].exponent: "),
    (("schema",), "mdbench-scaling-2", "no result of mdbench scaling that this version can read"),
])
def test_the_field_that_is_wrong_is_named(data, keys, value, message):
    inner = data
    for key in keys[:-1]:
        inner = inner[key]
    inner[keys[-1]] = value
    assert message in refusal(data)


def test_a_missing_field_is_named(data):
    del data["protocol"]["timestep_fs"]
    assert "protocol.timestep_fs: is missing" in refusal(data)


@pytest.mark.parametrize("text", [
    b"", b"{", b"[]", b"null", b"\xff\xfe", b"[" * 100_000, b'{"schema": 1}',
    b'{"schema": NaN}', b'{"schema": "mdbench-scaling-1"}', b'{"a": 1' + b"0" * 9999 + b"}",
    b'{"schema": "mdbench-scaling-1", "schema": 3}', b"PK\x03\x04", b'"\\ud800"',
])
def test_what_is_no_result_is_refused(text):
    refusal(text)


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(OutputError, match="No such file"):
        read_result(tmp_path / "none.json")
    with pytest.raises(OutputError, match="Is a directory"):
        read_result(tmp_path)


def test_damaged_files_are_read_or_refused_in_one_line():
    """Bytes changed, cut, repeated; values replaced by others: never anything but OutputError."""
    rng = random.Random(5)
    whole = to_json(with_fits(synthetic.quick())).encode()
    for _ in range(300):
        text = bytearray(whole)
        for _ in range(rng.randint(1, 4)):
            at = rng.randrange(len(text))
            kind = rng.randrange(4)
            if kind == 0:
                text[at] = rng.randrange(256)
            elif kind == 1:
                del text[at : at + rng.randint(1, 400)]
            elif kind == 2:
                text[at:at] = text[max(0, at - 50) : at]
            else:
                text = text[: at + 1]
        try:
            parse_result(bytes(text), "f")
        except OutputError as problem:
            assert "\n" not in str(problem)


def leaves(value, path=()):
    """Paths to everything in a file."""
    if isinstance(value, dict | list):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, inner in items:
            yield (*path, key)
            yield from leaves(inner, (*path, key))


def test_wrong_values_anywhere_are_read_or_refused(data):
    rng = random.Random(6)
    paths = list(leaves(data))
    values = [None, -1, 0, 1e308, 10**30, "", "x" * 9999, [], {}, True, "\x1b[31m\n", [[]], 0.5]
    for _ in range(400):
        changed = json.loads(json.dumps(data))
        inner = changed
        path = rng.choice(paths)
        for key in path[:-1]:
            inner = inner[key]
        inner[path[-1]] = rng.choice(values)
        try:
            found = parse_result(json.dumps(changed).encode(), "f")
        except OutputError as problem:
            assert "\n" not in str(problem)
        else:
            with_fits(found)


def test_the_schema_describes_the_files(data):
    schema = json_schema()
    assert set(schema["required"]) <= set(data) <= set(schema["properties"])
    assert schema["properties"]["schema"]["const"] == SCHEMA
    assert set(schema["$defs"]["Measurement"]["properties"]) == set(data["measurements"][0])
