"""Comparisons: what is slower is caught, noise is not, what is lost is named."""

import json
import platform
from dataclasses import replace

import numpy as np
import pytest
import synthetic_scaling as synthetic
from synthetic_scaling import GPU_MACHINE, SYSTEM, absent, law, quick, result, timed
from typer.testing import CliRunner

from mdbench import programs
from mdbench.cli import app
from mdbench.errors import SettingError
from mdbench.scaling.compare import compare, parse_tolerance
from mdbench.scaling.files import write_files
from mdbench.scaling.result_file import write_result


def mdbench(*arguments):
    return CliRunner().invoke(app, [str(a) for a in arguments])


@pytest.fixture
def files(tmp_path):
    """Names of result files."""
    def write(*results):
        paths = [tmp_path / f"{i}.json" for i in range(len(results))]
        for made, path in zip(results, paths, strict=True):
            write_result(made, path)
        return paths
    return write


def test_two_runs_of_the_same_agree_within_their_intervals(files):
    done = mdbench("compare", *files(quick(1), quick(2)))
    assert done.exit_code == 0, done.output
    assert "no regression in 9 rows (tolerance 10%)" in done.stdout
    assert "SLOWER" not in done.stdout and done.stdout.count(" same") == 9


def test_a_slowed_variant_is_caught_and_no_other(files):
    done = mdbench("compare", *files(quick(1), quick(2, slow=("native", 1.2))))
    assert done.exit_code == 1
    lines = [line for line in done.stdout.splitlines() if "SLOWER" in line]
    assert len(lines) == 3 and all(line.startswith("native (cpu, single") for line in lines)
    assert done.stdout.splitlines()[-1] == "of 9 rows 3 slower by more than 10%"
    assert mdbench("compare", "--tolerance", "30%", *files(
        quick(1), quick(2, slow=("native", 1.2)))).exit_code == 0


def test_a_faster_variant_is_no_regression(files):
    done = mdbench("compare", *files(quick(1), quick(2, slow=("native", 0.7))))
    assert done.exit_code == 0
    assert done.stdout.count(" faster") == 3


@pytest.mark.parametrize("noise", [0.01, 0.05, 0.15])
def test_noise_alone_is_seldom_a_regression(noise):
    """Rarer than the 2.5 % that a tolerance of zero would give."""
    rng = np.random.default_rng(2)
    verdicts = []
    for _ in range(40):
        a, b = (result(law(noise=noise, rng=rng)) for _ in range(2))
        verdicts += [c.verdict for c in compare(a, b, 0.1).changes]
    assert verdicts.count("slower") <= 0.01 * len(verdicts)


def test_intervals_of_ratios_hold_the_truth():
    rng = np.random.default_rng(8)
    hits = []
    for _ in range(100):
        a = result(law(noise=0.02, rng=rng))
        b = result(law({k: (1.1 * x, 1.1 * y) for k, (x, y) in synthetic.LAWS.items()},
                       noise=0.02, rng=rng))
        hits += [c.ratio.low <= 1.1 <= c.ratio.high for c in compare(a, b, 0.1).changes]
    assert 0.93 < np.mean(hits) < 0.985


def test_much_noise_is_unclear_and_single_runs_are_judged_as_they_are():
    wide = [timed("native", 128, ms, noise=0.3) for ms in (2.0, 2.3)]
    found = compare(*(result([row]) for row in wide), 0.01)
    assert [c.verdict for c in found.changes] == ["unclear"] and not found.failed
    (change,) = compare(*(result([timed("native", 128, ms, repeats=1, noise=0)])
                          for ms in (2.0, 2.3)), 0.1).changes
    assert change.verdict == "slower" and "no interval" in change.note


def test_lost_rows_are_named_and_fail(files):
    after = quick(2).measurements
    fewer = [m for m in after if (m.variant, m.atoms) != ("e3nn", 512)
             and m.variant != "torchscript"]
    fewer.append(absent("torchscript", "no torch", device="cpu"))
    done = mdbench("compare", *files(quick(1), result(fewer)))
    assert done.exit_code == 1
    lost = [line for line in done.stdout.splitlines() if line.startswith("LOST")]
    assert lost[0] == ("LOST: torchscript (cpu, single, 1 thread), 128 atoms: "
                       "unavailable: no torch")
    assert "LOST: e3nn (cpu, single, 1 thread), 512 atoms: not in the second file" in lost
    assert len(lost) == 4 and done.stdout.splitlines()[-1] == "of 9 rows 4 lost"


def test_a_row_refused_now_is_lost_with_the_reason():
    wrong = absent("native", "forces differ by 1e-02 eV/A", "refused", 128, device="cpu")
    found = compare(result(law(sizes=(128,))), result([wrong, *law(
        {"e3nn": (45, 0.19), "torchscript": (4, 0.21)}, sizes=(128,))]), 0.1)
    assert found.lost == ["native (cpu, single, 1 thread), 128 atoms: refused: "
                          "forces differ by 1e-02 eV/A"]
    every = compare(result(law(sizes=(128,))), result([replace(wrong, atoms=None), *law(
        {"e3nn": (45, 0.19), "torchscript": (4, 0.21)}, sizes=(128,))]), 0.1)
    assert "refused" in every.lost[0]


def test_new_rows_are_named_and_do_not_fail():
    found = compare(result(law(sizes=(128,))), result(law(sizes=(128, 372))), 0.1)
    assert len(found.new) == 3 and "372 atoms" in found.new[0] and not found.failed


def test_other_kernels_versions_and_settings_are_named():
    other = result([timed("native", 128, 2.0, kernel="native, avx2")],
                   protocol=replace(synthetic.PROTOCOL, skin_ang=1.0),
                   machine=replace(synthetic.MACHINE, versions={"torch": "2.14"}))
    found = compare(result([timed("native", 128, 2.0)]), other, 0.1)
    assert found.changes[0].note == "kernel native, avx512 -> native, avx2"
    assert "skin differs: 0.5, then 1.0" in found.remarks
    assert "version of torch differs: 2.13.0+cpu, then 2.14" in found.remarks


def test_different_machines_are_refused_unless_asked_for(files):
    paths = files(quick(1), result(law(sizes=(128, 512, 1152)), machine=GPU_MACHINE))
    done = mdbench("compare", *paths)
    assert done.exit_code == 2 and done.stdout == ""
    assert only_line(done.stderr).startswith("mdbench: error: different machines, 2 cores of AMD")
    done = mdbench("compare", *paths, "--across-machines")
    assert done.exit_code == 0 and "machine differs" in done.stdout


def only_line(text):
    """The text without its end, which is its only line break."""
    assert text.count("\n") == 1
    return text.strip()


@pytest.mark.parametrize(("said", "name"), [
    ("model name\t: AMD EPYC\ncpu family\t: 25\nmodel\t\t: 17\n\nmodel name\t: other\n",
     "AMD EPYC (family 25, model 17)"),
    ("processor\t: 0\nBogoMIPS\t: 50.00\nCPU implementer\t: 0x41\n", platform.machine()),
])
def test_processors_of_one_name_are_told_apart(tmp_path, monkeypatch, said, name):
    (tmp_path / "cpuinfo").write_text(said)
    monkeypatch.setattr(programs, "_CPU_INFO", tmp_path / "cpuinfo")
    assert programs.cpu_name() == name


@pytest.mark.parametrize(("system", "message"), [
    (replace(SYSTEM, name="hea"), "different systems"),
    (replace(SYSTEM, model=replace(SYSTEM.model, sha256="cd" * 32)), "different models"),
])
def test_other_systems_and_models_are_refused(files, system, message):
    done = mdbench("compare", *files(quick(1), replace(quick(2), system=system)))
    assert done.exit_code == 2 and message in only_line(done.stderr)


def test_a_second_file_without_times_says_nothing(files):
    done = mdbench("compare", *files(quick(1), result([absent("cueq", "no GPU")])))
    assert done.exit_code == 2 and "second file has no timed row" in only_line(done.stderr)


def test_a_first_file_without_times_says_nothing(files):
    done = mdbench("compare", *files(result([absent("cueq", "no GPU")]), quick(2)))
    assert done.exit_code == 2 and "first file has no timed row" in only_line(done.stderr)


def test_random_weights_are_compared_by_shape():
    model = replace(SYSTEM.model, random_weights=True)
    a, b = (result(law(sizes=(128,)), system=replace(SYSTEM, model=replace(model, sha256=s)))
            for s in ("a", "b"))
    assert not compare(a, b, 0.1).failed
    wider = replace(SYSTEM, model=replace(model, architecture="128x0e"))
    with pytest.raises(SettingError, match="different models"):
        compare(a, replace(b, system=wider), 0.1)


def test_json_and_folders(tmp_path):
    write_files(quick(1), tmp_path / "a")
    write_files(quick(2, slow=("e3nn", 1.5)), tmp_path / "b")
    done = mdbench("compare", tmp_path / "a", tmp_path / "b", "--json")
    assert done.exit_code == 1
    found = json.loads(done.stdout)
    assert found["failed"] and found["tolerance"] == 0.1
    slow = [r for r in found["rows"] if r["verdict"] == "slower"]
    assert {(r["variant"], r["atoms"]) for r in slow} == {("e3nn", n) for n in (128, 512, 1152)}
    assert all(1.1 < r["low"] < r["ratio"] < r["high"] for r in slow)


@pytest.mark.parametrize("text", [b"", b"[]", b"{}", b"\x00"])
def test_a_bad_file_is_one_line(files, tmp_path, text):
    (good,) = files(quick(1))
    (tmp_path / "bad.json").write_bytes(text)
    for pair in ((good, tmp_path / "bad.json"), (tmp_path / "bad.json", good)):
        done = mdbench("compare", *pair)
        assert done.exit_code == 2 and "bad.json: no " in only_line(done.stderr)


@pytest.mark.parametrize("inside", ["run.toml", "runs", "manifest.json"])
def test_folders_of_runs_are_for_another_verb(files, tmp_path, inside):
    (good,) = files(quick(1))
    (tmp_path / "A" / inside).mkdir(parents=True)
    for pair in ((good, tmp_path / "A"), (tmp_path / "A", good)):
        done = mdbench("compare", *pair)
        assert done.exit_code == 2
        assert "A' holds runs, " in only_line(done.stderr) and "mdbench report" in done.stderr
    (tmp_path / "B").mkdir()
    done = mdbench("compare", good, tmp_path / "B")
    assert done.exit_code == 2 and "B/result.json: No such file" in only_line(done.stderr)


@pytest.mark.parametrize(("text", "value"), [("10%", 0.1), ("0.1", 0.1), (" 5 %", 0.05), ("0", 0)])
def test_tolerances(text, value):
    assert parse_tolerance(text) == pytest.approx(value)


@pytest.mark.parametrize("text", ["", "x", "-1%", "nan", "inf", "1001%", "%"])
def test_bad_tolerances(files, text):
    done = mdbench("compare", *files(quick(1), quick(2)), f"--tolerance={text}")
    assert done.exit_code == 2 and "--tolerance" in only_line(done.stderr)


def test_help_has_an_example_and_schemas_are_printed():
    done = mdbench("compare", "--help")
    assert done.exit_code == 0 and "Example: mdbench compare" in done.stdout
    words = " ".join(done.stdout.split())
    assert "two results of mdbench scaling" in words and "For runs and campaigns" in words
    schema = json.loads(mdbench("schema", "--scaling").stdout)
    assert schema["title"] == "Result"
    assert json.loads(mdbench("schema").stdout) != schema
