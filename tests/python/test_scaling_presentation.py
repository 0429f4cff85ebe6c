"""Table, figure, page and CSV of scaling runs, whole or poor."""

import base64
import csv
import json
import random
import re
import xml.etree.ElementTree

import pytest
import synthetic_scaling as synthetic
from PIL import Image
from synthetic_scaling import GPU_MACHINE, SIZES, absent, law, result, timed
from test_report import HOSTILE, Page

from mdbench.errors import OutputError
from mdbench.scaling.files import write_files
from mdbench.scaling.fits import with_fits
from mdbench.scaling.result_file import parse_result, read_result, to_json
from mdbench.scaling.results import Model, System
from mdbench.scaling.text import show

HEA = System(name="hea", base_cell="bcc, 54 atoms", model=synthetic.MODEL)


def many():
    """Every variant with two precisions on one and two threads, and on two ranks."""
    rows = [timed(v, n, (a + b * n) * (2 if p == "double" else 1) / t**0.9, precision=p, threads=t)
            for v, (a, b) in synthetic.LAWS.items() for n in SIZES
            for t in (1, 2) for p in ("single", "double")]
    return [*rows, *(timed("native", n, 0.008 * n, ranks=2) for n in (128, 256, 1152))]


CASES = {
    "quick": synthetic.quick(),
    "many": result(many()),
    "gpu": result([timed(v, n, ms, device="cuda", gpu_mib=900.0) for v, times in (
        ("e3nn", (44, 44, 58, 127)), ("cueq", (57.5, 53.4, 60.2, 60.1)))
        for n, ms in zip((128, 372, 1038, 2976), times, strict=True)], machine=GPU_MACHINE),
    "one size": result(law(sizes=(128,))),
    "one row": result([timed("native", 128, 2.0, repeats=1)]),
    "two sizes": result(law(sizes=(128, 512), repeats=3)),
    "alloy": result(law(sizes=(54, 432)), system=HEA),
    "nothing timed": result([absent("cueq", "no GPU"), absent("native", "slow", "skipped", 128)]),
    "no row": result([]),
    "bare rows": result([timed("x", 2, 1e-3, shares={}, kernel="", setup_s=None, edges=None)]),
}


def block(text, title):
    """Rows of a table: label to the cells that follow."""
    lines = text.split(f"{title}\n")[1].split("\n\n")[0].splitlines()
    return {re.split(r"  +", line)[0]: re.split(r"  +", line)[1:] for line in lines}


def test_the_table_has_the_layout_of_the_papers():
    rows = block(show(with_fits(synthetic.quick())), "Seconds for 10,000 steps")
    assert rows["atoms"] == ["128", "512", "1152"]
    native = [10 * (0.15 + 0.0135 * n) for n in (128, 512, 1152)]
    assert [float(c) for c in rows["native"]] == pytest.approx(native, rel=0.03)
    assert list(rows)[1:4] == ["native", "torchscript", "e3nn"]


def test_what_did_not_run_is_a_row_with_its_reason():
    text = show(with_fits(synthetic.quick()))
    rows = block(text, "Seconds for 10,000 steps")
    assert rows["cueq, cuda"] == ["unavailable: no GPU: cuEquivariance runs its CUDA kernels only"]
    assert rows["symmetrix-xl"][0].startswith("unavailable: symmetrix-xl is not installed")
    assert rows["compile"] == ["refused", "failed", "skipped"]
    assert "compile, 128 atoms, refused: forces differ by 1.0e-02 eV/A" in text
    assert "compile" not in block(text, "ns/day")


def test_other_tables():
    text = show(with_fits(synthetic.quick()))
    assert float(block(text, "Speed-up over e3nn")["native"][0].split()[0]) == pytest.approx(
        (45 + 0.19 * 128) / (0.15 + 0.0135 * 128), rel=0.03)
    assert float(block(text, "us/atom/step")["native"][2]) == pytest.approx(13.6, rel=0.03)
    assert float(block(text, "ns/day")["native"][0]) == pytest.approx(43.2 / 1.878, rel=0.03)
    fits = block(text, "Fits: t = a + b N, and t = c N^alpha")
    assert re.match(r"13\.\d \[13\.\d, 1[34]\.\d\]", fits["native"][1])
    assert fits["published, A800: without"][2].startswith("0.657 [")
    published = block(text, "Published, on A800 (not measured here): seconds for 10,000 steps")
    assert published["with fast kernels"] == ["710", "800", "1126", "2619"]
    assert published["without"] == ["658", "1008", "2031", "5084"]
    assert "204800 atoms ran, 460800 did not: memory" in text
    assert "native: at all 3 sizes faster than torchscript, e3nn." in text


def test_noise_and_warnings_are_shown():
    noisy = timed("native", 128, 2.0, noise=0.2, warnings=("load 1.9 before the run",))
    text = show(with_fits(result([noisy])))
    assert block(text, "Seconds for 10,000 steps")["native"][0].endswith("*")
    assert "* noisy: interquartile range above 5% of the median" in text
    assert "warning: native (cpu, single, 1 thread), 128 atoms: load 1.9" in text


def test_ranks_and_threads():
    rows = [timed("native", 128, 2.0, noise=0), timed("native", 256, 4.0, noise=0),
            timed("native", 256, 2.5, noise=0, ranks=2), timed("native", 256, 2.0, noise=0,
                                                               threads=2)]
    text = show(with_fits(result(rows)))
    found = block(text, "Ranks and threads")
    assert found["native, 1 thread, 2 ranks"] == ["256", "2.50", "1.60", "80%", "80%"]
    assert found["native, 2 threads, 1 rank"] == ["256", "2.00", "2.00", "100%", "100%"]


def test_published_numbers_are_for_their_system_only_and_never_fitted_with_ours():
    assert "A800" not in show(with_fits(CASES["alloy"]))
    assert {f.variant for f in with_fits(CASES["gpu"]).fits.series} == {"e3nn", "cueq"}


def test_crossover_of_the_kernels_is_named():
    text = show(with_fits(CASES["gpu"]))
    size = float(re.search(r"cueq is faster than e3nn above (\d+)", text)[1])
    assert 1038 < size < 1300


@pytest.mark.parametrize("name", CASES)
def test_every_case_has_its_files(name, tmp_path):
    made = CASES[name]
    paths = write_files(made, tmp_path / "out")
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == sorted(p.name for p in paths)
    assert read_result(tmp_path / "out/result.json") == with_fits(made)
    assert show(with_fits(made))
    text = (tmp_path / "out/scaling.html").read_text()
    page = Page(text)
    assert page.open == []
    assert all(v.startswith("data:image/svg+xml;base64,") for v in page.loads)
    assert len(page.images) == bool(made.timed)
    assert ("Nothing was timed" in text) is (not made.timed)
    anchors = {v[1:] for v in page.links if v.startswith("#")}
    assert all(f'id="{a}"' in text for a in anchors)
    assert all((tmp_path / "out" / v).is_file() for v in page.links if not v.startswith("#"))
    with (tmp_path / "out/result.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(made.measurements)
    for row, measured in zip(rows, made.measurements, strict=True):
        assert row["status"] == measured.status and row["reason"] == measured.reason
        if measured.status == "timed":
            assert float(row["ms_per_step"]) == pytest.approx(measured.median_ms, rel=1e-7)
        else:
            assert row["ms_per_step"] == ""
    if made.timed:
        with Image.open(tmp_path / "out/scaling.png") as image:
            assert image.width == pytest.approx(960, abs=2)
            assert len(image.convert("L").getcolors()) > 30


def test_a_figure_of_an_earlier_run_does_not_stay(tmp_path):
    write_files(CASES["quick"], tmp_path)
    paths = write_files(CASES["nothing timed"], tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(p.name for p in paths)
    assert not (tmp_path / "scaling.png").exists()


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError, match="file: (Not a directory|File exists)"):
        write_files(CASES["quick"], tmp_path / "file")


def test_shares_of_a_step_hold_those_of_fixes(tmp_path):
    """Where Python models spend their time."""
    write_files(CASES["quick"], tmp_path)
    text = (tmp_path / "scaling.html").read_text()
    assert "Pair Neigh Comm Modify Output Other, %" in text and "57.1 1.0 0.4 41.0 0.0 0.5" in text


def test_hostile_text_is_escaped(tmp_path):
    model = Model(file=HOSTILE, sha256=HOSTILE, architecture=HOSTILE, r_max_ang=5)
    rows = [*law({HOSTILE: (1, 0.1), "[red]x[/] $y^2$": (2, 0.1)}, kernel=HOSTILE,
                 warnings=(HOSTILE,)),
            absent("cueq", HOSTILE)]
    made = result(rows, command=HOSTILE, system=System(name=HOSTILE, base_cell="x", model=model))
    write_files(made, tmp_path)
    text = (tmp_path / "scaling.html").read_text()
    assert Page(text).open == [] and "<script" not in text
    image = Page(text).images[0]["src"].split(",", 1)[1]
    tags = {e.tag.split("}")[1]
            for e in xml.etree.ElementTree.fromstring(base64.b64decode(image)).iter()}
    assert "script" not in tags
    assert HOSTILE in show(with_fits(made))


def test_whatever_a_file_holds_can_be_shown(tmp_path):
    """Numbers at the limits of the schema."""
    rng = random.Random(4)
    data = json.loads(to_json(synthetic.quick()))
    for _ in range(25):
        for row in data["measurements"]:
            if row["status"] == "timed":
                row["loop_s"] = [10.0 ** rng.uniform(-9, 9) for _ in range(rng.randint(1, 6))]
                row["steps"] = rng.choice([1, 10**12])
                row["rss_mib"] = rng.choice([None, 0.0, 1e14])
        made = with_fits(parse_result(json.dumps(data).encode(), "f"))
        assert show(made)
    write_files(made, tmp_path)
