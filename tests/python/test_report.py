"""Reports: figures, tables, verdicts, files."""

import base64
import csv
import html.parser
import json
import math
import os
import re
import subprocess
import sys
import xml.etree.ElementTree

import numpy as np
import pytest
import synthetic_analysis as synthetic
from PIL import Image
from support import Stopwatch, processor_s

from mdbench.analysis.estimate import Estimate, mean_of_runs
from mdbench.errors import OutputError
from mdbench.plots.grouping import comparable, make_series, split_runs
from mdbench.plots.motion import msd_plot
from mdbench.plots.references import read_reference
from mdbench.plots.rounding import pretty_unit, rounded, with_unit
from mdbench.plots.series import Curve, mean_curve, subtract
from mdbench.report import write_report
from mdbench.report.agreement import Compared, compare_curves, compare_scalars, conclusion
from mdbench.report.citations import citations

HOSTILE = "<script>alert('x')</script> & $x^2$ \"quoted\""


class Page(html.parser.HTMLParser):
    """Tags, what they load, and whether they are closed."""

    VOID = {"meta", "img", "br", "link", "hr"}

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.loads, self.links, self.images = [], [], [], [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        self.tags.append(tag)
        if tag not in self.VOID:
            self.open.append(tag)
        if tag == "a":
            self.links.append(values["href"])
        else:
            self.loads += [v for k, v in attributes if k in {"src", "href", "srcset", "data"}]
        if tag == "img":
            self.images.append(values)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def numbers(value, error):
    """A curve on a common grid."""
    x = np.arange(1.0, 6.0, 0.05)
    return Curve(x, np.full(len(x), value), np.full(len(x), error))


@pytest.fixture(scope="module")
def one(tmp_path_factory):
    """The report of one run, hostile in every text."""
    analysis = synthetic.graphene_water(HOSTILE)
    run = analysis["runs"][0]
    run["label"] = run["name"] = run["provenance"]["model"]["file"] = HOSTILE
    run["refused"][0]["reason"] = run["density_profile"]["mass_of"] = HOSTILE
    run["provenance"]["command"] = run["provenance"]["hardware"]["cpu"] = HOSTILE
    run["thermo"]["quantities"]["temperature"]["method"] = HOSTILE
    run["rdf"][HOSTILE] = run["rdf"]["O-O"]
    return write_report([analysis], tmp_path_factory.mktemp("one") / "report")


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """Two campaigns, the second with its oxygen 0.06 A further out; two seeds in the first."""
    first = [synthetic.graphene_run(noise=9), synthetic.graphene_run(2, noise=19)]
    second = [synthetic.graphene_run(noise=3, shift=0.06)]
    analyses = [synthetic.graphene_water("gw", runs) for runs in (first, second)]
    folder = tmp_path_factory.mktemp("two") / "report"
    return write_report(analyses, folder, labels=["before", "after"])


@pytest.mark.parametrize(("value", "error", "text", "compact"), [
    (2.739, 0.0041, "2.7390 ± 0.0041", "2.7390(41)"),
    (2.739, 0.0996, "2.74 ± 0.10", "2.74(10)"),
    (298.214, 0.38, "298.21 ± 0.38", "298.21(38)"),
    (-121.3, 44.7, "−121 ± 45", "−121(45)"),
    (45231.0, 1234.0, "45200 ± 1200", "45200(1200)"),
    (0.5, 300.0, "0 ± 300", "0(300)"),
    (12.34, 1.26, "12.3 ± 1.3", "12.3(1.3)"),
    (-4.02e-4, 0.12e-4, "(−4.02 ± 0.12)×10⁻⁴", "−4.02(12)×10⁻⁴"),
    (0.0012, 0.0034, "0.0012 ± 0.0034", "0.0012(34)"),
    (-0.001, 5.0, "0.0 ± 5.0", "0.0(5.0)"),
    (9.996, 0.0, "9.996", "9.996"),
    (2.0, 6e-17, "2", "2"),  # round-off of what does not change
    (2.0, 6e-12, "2.0000000000000 ± 0.0000000000060", "2.0000000000000(60)"),
    (3.14159, None, "3.142", "3.142"),
    (3.0, math.nan, "3", "3"),
    (123456.0, None, "123456", "123456"),
    (1.0, math.inf, "1", "1"),
    (math.nan, 1.0, "–", "–"),
    (None, None, "–", "–"),
    (0.0, None, "0", "0"),
])
def test_numbers_are_rounded_by_their_errors(value, error, text, compact):
    assert (str(rounded(value, error)), rounded(value, error).compact) == (text, compact)


@pytest.mark.parametrize(("damping", "names"), [
    (None, []), ("zero", ["D3 dispersion"]), ("bj", ["D3 dispersion", "Becke-Johnson damping"]),
    ("bjm", ["D3 dispersion", "Becke-Johnson damping", "Modified damping"])])
def test_papers_of_dispersion_are_cited_where_it_was_used(damping, names):
    analysis = synthetic.graphene_water()
    if damping:
        analysis["runs"][0]["provenance"]["dispersion"] = {"method": "d3", "damping": damping}
    found = [c.name for c in citations(make_series([("x", analysis)]))]
    assert [n for n in found if n in {"D3 dispersion", "Becke-Johnson damping",
                                      "Modified damping"}] == names


def test_units_are_written_as_in_print():
    assert pretty_unit("1e-9 m2/s") == "10⁻⁹ m²/s"
    assert pretty_unit("g/cm3/K") == "g/cm³/K"
    assert pretty_unit("A") == "Å"
    assert pretty_unit("nm-3") == "nm⁻³"
    assert pretty_unit("kJ/mol") == "kJ/mol"
    assert with_unit(2.0, 0.1, "bar") == "(2.00 ± 0.10) bar"


def test_scalars_agree_and_differ_by_the_right_number():
    about = Compared("D", "a", "b", unit="A")
    a = Estimate(1.0, 0.03, "A", "")
    same = compare_scalars(about, a, a)
    assert same.agrees and same.sigmas == 0 and same.verdict == "agree within 2 sigma"
    far = compare_scalars(about, a, Estimate(1.25, 0.04, "A", ""))
    assert far.sigmas == pytest.approx(5.0)
    assert far.agrees is False and far.verdict == "differ by (0.250 ± 0.050) Å"
    blind = compare_scalars(about, a, Estimate(1.25, math.nan, "A", ""))
    assert blind.agrees is None and "no errors" in blind.verdict
    assert conclusion([same, far, blind]).startswith("1 of 2 compared quantities agree.")


def test_curves_agree_and_differ_by_the_right_number():
    about = Compared("RDF", "a", "b")
    same = compare_curves(about, numbers(1.0, 0.03), numbers(1.0, 0.04), ("r", "Å"))
    assert same.agrees and same.chi_square == 0 and same.points == 100
    far = compare_curves(about, numbers(1.0, 0.03), numbers(1.25, 0.04), ("r", "Å"))
    assert far.agrees is False and far.chi_square == pytest.approx(25.0)
    assert (far.difference, far.error) == pytest.approx((0.25, 0.05))
    rng = np.random.default_rng(1)
    a, b = (Curve(c.x, c.y + 0.1 * rng.normal(size=len(c.x)), c.error)
            for c in (numbers(1, 0.1), numbers(1, 0.1)))
    noisy = compare_curves(about, a, b, ("r", "Å"))
    assert noisy.agrees and 0.6 < noisy.chi_square < 1.4  # 100 points: 1 +- 0.14
    blind = compare_curves(about, numbers(1.0, math.nan), numbers(1.2, 0.1), ("r", "Å"))
    assert blind.agrees is None and blind.difference == pytest.approx(0.2)
    apart = Curve(numbers(1, 1).x + 100, numbers(1, 1).y, numbers(1, 1).error)
    assert compare_curves(about, numbers(1, 1), apart, ("r", "Å")) is None


def test_differences_are_taken_on_the_coarser_grid_where_curves_overlap():
    fine, coarse = np.linspace(0, 10, 101), np.linspace(5, 15, 11)
    found = subtract(Curve(fine, 2 * fine, 0 * fine + 3), Curve(coarse, 3 * coarse, 0 * coarse + 4))
    assert found.x.tolist() == [5, 6, 7, 8, 9, 10]
    np.testing.assert_allclose(found.y, found.x)
    np.testing.assert_allclose(found.error, 5)


def test_seeds_are_averaged_with_the_larger_error():
    def two_seeds(apart):
        return mean_of_runs([Estimate(1 - apart, 0.3, "A", "m", 5), Estimate(1 + apart, 0.4, "A",
                                                                              "m", 7)])
    assert (two_seeds(0.0).value, two_seeds(0.0).error) == pytest.approx((1.0, 0.25))
    assert two_seeds(3.0).error == pytest.approx(3.0)  # half the difference
    assert two_seeds(0.0).n_eff == 12
    curve = mean_curve([numbers(1.0, 0.3), numbers(2.0, 0.4)])
    assert curve.y == pytest.approx(1.5) and curve.error == pytest.approx(0.5)


def test_only_runs_that_differ_by_their_seeds_are_averaged():
    runs = [{"name": n, "temperature_k": t, "seed": s} for n, t, s in (
        ("a", 300.0, 1), ("b", 300.0, 2), ("c", 310.0, 1), ("d", None, 1), ("e", None, 2))]
    assert sorted(len(g) for g in split_runs(runs)) == [1, 1, 1, 2]
    assert [len(g) for g in split_runs([runs[0], runs[0]])] == [1, 1]  # one seed twice


def test_campaigns_are_compared_at_each_temperature():
    series = make_series([("a", synthetic.licl()), ("b", synthetic.licl())])
    groups = comparable(series)
    assert [ending for ending, _ in groups] == ["-278K", "-288K", "-298K", "-313K", "-333K"]
    assert all([s.label.split(",")[0] for s in group] == ["a", "b"] for _, group in groups)
    assert len({s.label for s in series}) == 10


def test_campaigns_of_different_temperatures_are_compared_by_name(tmp_path):
    runs = [synthetic.graphene_run(kelvin=kelvin, noise=i, scale=1 + i)
            for i, kelvin in enumerate((300.0, 350.0, 350.2))]
    hotter = [synthetic.graphene_water(name, [run]) for name, run in zip("abc", runs, strict=True)]
    page = write_report(hotter[:2], tmp_path / "r")
    found = json.loads((page.parent / "summary.json").read_text())["agreement"]
    assert {(a["first"], a["second"]) for a in found} == {("a, 300 K", "b, 350 K")}
    assert "b, 350 K differs from a, 300 K by" in page.read_text()
    assert [s.short for s in make_series([("a", hotter[0]), ("b", hotter[1])])] == [
        "a, 300 K", "b, 350 K"]  # in the legends of figures
    same = make_series([("b", hotter[1]), ("c", hotter[2])])
    assert [(s.label, s.short) for s in same] == [("b", "b"), ("c", "c")]
    untold = synthetic.graphene_water("d", [runs[0] | {"temperature_k": None}])
    series = make_series([("a", hotter[0]), ("d", untold)])
    assert [s.label for s in series] == ["a, 300 K", "d, temperature unknown"]


def test_the_page_is_whole_and_loads_nothing(one):
    page = Page(one.read_text())
    assert page.open == []
    assert "script" not in page.tags and "iframe" not in page.tags
    assert page.loads and all(v.startswith("data:image/svg+xml;base64,") for v in page.loads)
    assert all(v.startswith(("https://doi.org/", "#")) or (one.parent / v).is_file()
               for v in page.links)
    assert not re.search(r"url\(|@import", one.read_text())
    assert all(len(i["alt"]) > 20 for i in page.images) and len(page.images) == 5


def test_hostile_text_is_escaped(one):
    text = one.read_text()
    assert "<script" not in text
    assert text.count("&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt; &amp; $x^2$") >= 8
    for image in Page(text).images:
        svg = base64.b64decode(image["src"].split(",", 1)[1])
        tags = {e.tag.split("}")[1] for e in xml.etree.ElementTree.fromstring(svg).iter()}
        assert "script" not in tags


def test_each_figure_is_there_as_svg_png_and_csv(one):
    summary = json.loads((one.parent / "summary.json").read_text())
    assert [f["name"] for f in summary["figures"]] == [
        "density_profile", "rdf", "msd", "vacf", "thermo"]
    for figure in summary["figures"]:
        root = xml.etree.ElementTree.parse(one.parent / figure["svg"]).getroot()
        width_in = float(root.get("width").removesuffix("pt")) / 72
        with Image.open(one.parent / figure["png"]) as image:
            assert image.width == pytest.approx(150 * width_in, abs=2)
            assert image.info["dpi"] == pytest.approx((150, 150), abs=0.1)
            assert len(image.convert("L").getcolors()) > 30  # something is drawn
        for name in figure["csv"]:
            assert len((one.parent / name).read_text().splitlines()) > 20
    assert sorted(p.name for p in one.parent.iterdir()) == summary["files"]


def test_data_of_figures_come_back_as_references(one):
    run = synthetic.graphene_run()
    (profile,) = read_reference(one.parent / "density_profile.csv")
    np.testing.assert_allclose(profile.curve.y, run["density_profile"]["number_per_nm3"], rtol=1e-7)
    np.testing.assert_allclose(profile.curve.error, run["density_profile"]["number_error"],
                               rtol=1e-7)
    found = {r.key: r for r in read_reference(one.parent / "rdf.csv")}
    np.testing.assert_allclose(found["C-O"].curve.y, run["rdf"]["C-O"]["g"], rtol=1e-7)
    found = {r.key: r for r in read_reference(one.parent / "msd.csv")}
    np.testing.assert_allclose(found["O"].curve.y, run["msd"]["O"]["msd_ang2"][1:], rtol=1e-7)
    with (one.parent / "thermo.csv").open() as file:
        rows = [float(r["value"]) for r in csv.DictReader(file) if r["quantity"] == "temperature"]
    np.testing.assert_allclose(rows, run["thermo"]["series"]["temperature"], rtol=1e-7)


def test_energies_of_the_traces_say_what_they_are(one):
    """Drawn, and written, are meV from the mean."""
    with (one.parent / "thermo.csv").open() as file:
        found = [float(r["value"]) for r in csv.DictReader(file)
                 if r["quantity"] == "potential_energy_minus_mean_mev_per_atom"]
    series = synthetic.graphene_run()["thermo"]["series"]["potential_energy_per_atom"]
    assert len(found) == len(series)
    np.testing.assert_allclose(np.diff(found), 1e3 * np.diff(series), atol=1e-4)


def test_two_campaigns_are_compared(two):
    summary = json.loads((two.parent / "summary.json").read_text())
    found = {a["quantity"]: a for a in summary["agreement"]}
    distance = found["Interfacial distance"]
    error = math.hypot(0.011 / math.sqrt(2), 0.011)  # two seeds of equal values, one run
    assert (distance["first"], distance["second"]) == ("before", "after")
    assert (distance["difference"], distance["error"]) == pytest.approx((0.06, error))
    assert distance["agrees"] is False and distance["verdict"] == "differ by (0.060 ± 0.013) Å"
    assert found["Density profile"]["agrees"] is False
    assert found["Density profile"]["chi_square"] > 4
    assert found["O-H RDF"]["agrees"] is True
    assert found["O in-plane (xy) diffusion coefficient"]["agrees"] is True
    # the smallest of all distances seen, which falls as a run gets longer
    assert "Closest approach to the sheet" not in found
    assert "Closest approach to the sheet" in {r["quantity"] for r in summary["results"]}
    text = two.read_text()
    assert "after differs from before by (0.060 ± 0.013) Å" in text
    assert "mean of 2 runs" in text
    assert Page(text).open == []


def with_directions(*dimensions):
    """Runs of one campaign that differ by the directions their diffusion is taken in."""
    runs = [synthetic.graphene_run(seed=seed) for seed in range(len(dimensions))]
    for run, letters in zip(runs, dimensions):
        run["msd"] = {"O": synthetic.msd(np.random.default_rng(1), 2.3, dimensions=letters)}
    return synthetic.graphene_water(runs=runs)


def test_diffusion_in_other_directions_is_another_quantity(tmp_path):
    plane, bulk = with_directions("xy", "xy"), with_directions("xyz")
    page = write_report([plane, bulk], tmp_path / "r", labels=["plane", "bulk"])
    summary = json.loads((page.parent / "summary.json").read_text())
    names = ["O in-plane (xy) diffusion coefficient", "O diffusion coefficient"]
    found = {r["quantity"]: r["series"] for r in summary["results"]}
    assert [found[name] for name in names] == ["plane", "bulk"]
    assert not {a["quantity"] for a in summary["agreement"]} & set(names)
    assert page.read_text().count(f">{names[0]}</th>") == 2  # of all numbers, and side by side
    series = make_series([("plane", plane), ("bulk", bulk)])
    (axis, *_), (single, *_) = (msd_plot(found, "", []).figure.axes for found in (series, series[:1]))
    labels = [text.get_text() for text in axis.get_legend().get_texts()]
    assert labels[0].startswith("plane in-plane (xy): D = ")
    assert labels[1].startswith("bulk in all directions: D = ")
    assert (axis.get_ylabel(), single.get_ylabel()) == ("MSD (Å²)", "MSD in-plane (xy) (Å²)")


def test_diffusion_in_different_directions_is_not_averaged(tmp_path):
    page = write_report([with_directions("xy", "xyz")], tmp_path / "r")
    summary = json.loads((page.parent / "summary.json").read_text())
    assert not any("diffusion" in r["quantity"] for r in summary["results"])
    assert {"quantity": "diffusion of O", "series": ["graphene-water"], "reason":
            "runs take it in-plane (xy) and in all directions: that is not averaged"} in summary["refused"]
    assert "msd" not in {figure["name"] for figure in summary["figures"]}


def test_figures_of_each_temperature_are_told_apart_by_their_titles(tmp_path):
    runs = [{k: v for k, v in synthetic.graphene_run(kelvin=kelvin).items()
             if k in {"name", "temperature_k", "seed", "density_profile"}}
            for kelvin in (280.0, 300.0)]
    runs.append({**runs[0], "temperature_k": None})
    bare = synthetic.graphene_water(runs=runs)
    page = write_report([bare, bare], tmp_path / "r")
    figures = json.loads((page.parent / "summary.json").read_text())["figures"]
    assert [(f["name"], f["title"]) for f in figures] == [
        ("density_profile-other", "Density profile of O, temperature unknown"),
        ("density_profile-280K", "Density profile of O, 280 K"),
        ("density_profile-300K", "Density profile of O, 300 K")]
    alone = json.loads((write_report([bare], tmp_path / "r").parent / "summary.json").read_text())
    assert [f["title"] for f in alone["figures"]] == ["Density profile of O"]


@pytest.mark.parametrize(("kelvins", "name"), [((280.0,), "gw"), ((280.0, 300.0), "280 K")])
def test_what_some_seeds_refuse_names_them(kelvins, name, tmp_path):
    """And their values say how many runs they are of; what all seeds refuse needs no seed."""
    runs = [{"name": f"{kelvin:g}K-seed{seed}", "temperature_k": kelvin, "seed": seed,
             "thermo": {"quantities": {"pressure": synthetic.estimate(-121.3, 44.7, "bar")}},
             "refused": [{"quantity": "RDF", "reason": "too few"}], "notes": ["it is cold"]}
            for kelvin in kelvins for seed in (1, 2)]
    runs[0]["thermo"] = {}
    runs[0]["refused"] = [*runs[0]["refused"], {"quantity": "pressure", "reason": "it drifts"}]
    runs[1]["notes"] = ["it is cold", "an old log"]
    page = write_report([synthetic.graphene_water("gw", runs)], tmp_path / "r")
    summary = json.loads((page.parent / "summary.json").read_text())
    everywhere = [s["label"] for s in summary["series"]]
    assert [(r["quantity"], r["series"]) for r in summary["refused"]] == [
        ("RDF", everywhere), ("pressure", [f"{name}, seed 1"])]
    assert [(r["text"], r["series"]) for r in summary["remarks"]] == [
        ("it is cold", everywhere), ("an old log", [f"{name}, seed 2"])]
    text = page.read_text()
    assert f"<td>{name}, seed 1</td>" in text and f"({name}, seed 2)" in text
    assert '<td class="right">1 of 2</td>' in text
    assert text.count(", 1 of 2 runs</td>") == (len(kelvins) > 1)


@pytest.mark.parametrize("corrected", [True, False])
def test_the_arrhenius_plot_says_which_rates_it_shows(corrected):
    from mdbench.plots.combined import arrhenius_plot  # noqa: PLC0415

    analysis = synthetic.licl(seeds=(1,))
    analysis["combined"]["arrhenius"]["O"]["is_corrected"] = corrected
    axis = arrhenius_plot([("x", analysis)], []).figure.axes[0]
    found = [text.get_text() for text in axis.get_legend().get_texts()]
    assert [t.startswith(("O, corrected: ", "Li, c", "Cl, c")) for t in found] == [
        corrected, False, False]


@pytest.mark.parametrize("count", [2, 3])
def test_captions_speak_of_lines_where_there_are_lines(count, tmp_path):
    analysis = synthetic.licl(seeds=(1,))
    analysis["runs"] = []
    for section in (analysis["combined"]["density_temperature"],
                    *analysis["combined"]["arrhenius"].values()):
        section |= {k: v[:count] for k, v in section.items() if isinstance(v, list)}
    text = write_report([analysis], tmp_path / "r").read_text()
    assert text.count("</b> ") == text.count("Bars: one standard error.") == 2
    assert text.count("Lines: weighted straight-line fits") == (2 if count > 2 else 0)


def test_temperatures_are_drawn_together_with_references(tmp_path):
    density = tmp_path / "density.csv"
    density.write_text("# label: experiment\ntemperature_k,density_gcm3\n278,1.09\n298,1.08\n")
    rdf = tmp_path / "other.csv"
    rdf.write_text("# rdf O-S label: elsewhere\nr_ang,g\n1,0\n2,1\n")
    page = write_report([synthetic.licl(seeds=(1,))], tmp_path / "r", references=[density, rdf])
    summary = json.loads((page.parent / "summary.json").read_text())
    assert {"density_temperature", "arrhenius"} <= {f["name"] for f in summary["figures"]}
    assert {r["quantity"] for r in summary["results"]} >= {
        "Slope of density against temperature", "Li activation energy of diffusion"}
    (refused,) = summary["refused"]
    assert refused["quantity"] == "reference elsewhere (rdf O-S)"
    with (page.parent / "arrhenius.csv").open() as file:
        assert [r["temperature_k"] for r in csv.DictReader(file) if r["element"] == "O"] == [
            "278", "288", "298", "313", "333"]


@pytest.mark.parametrize("analysis", [
    synthetic.graphene_water(runs=[]),
    {"schema": 1, "kind": "mdbench analysis", "runs": [{"name": "x"}]},
    synthetic.graphene_water(runs=[{
        "name": "x", "temperature_k": None, "seed": None,
        "thermo": {"quantities": {"temperature": None}, "series": {
            "time_ps": [0, 1, 2], "temperature": [None, float("nan"), None]}},
        "density_profile": {"z_ang": [0, 1], "number_per_nm3": [1]},
        "rdf": {"O-O": {"r_ang": [1, 2, 3], "g": [None, float("nan"), 1.0]}, "O-H": {}},
        "msd": {"O": {"lag_ps": [0, 1], "msd_ang2": [0, None], "fit_ps": None,
                      "diffusion": {"value": None, "unit": "1e-9 m2/s"}}},
        "vacf": {"all": {"lag_ps": [], "vacf": []}}, "refused": [{"quantity": "D"}]}]),
], ids=["no runs", "bare run", "holes"])
def test_missing_sections_leave_a_page_with_the_rest(analysis, tmp_path):
    page = write_report([analysis], tmp_path / "r")
    assert Page(page.read_text()).open == []
    json.loads((page.parent / "summary.json").read_text(), parse_constant=pytest.fail)


def test_every_single_section_may_be_missing(tmp_path):
    for key in ("thermo", "density_profile", "rdf", "msd", "vacf", "provenance"):
        run = {k: v for k, v in synthetic.graphene_run().items() if k in {"name", key}}
        assert write_report([synthetic.graphene_water(runs=[run])], tmp_path / "r").is_file()


def test_a_report_is_replaced_and_nothing_else(tmp_path):
    bare = synthetic.graphene_water(runs=[])
    page = write_report([bare], tmp_path / "r")
    (page.parent / "summary.json").chmod(0o644)
    page.write_text("old")
    assert write_report([bare], tmp_path / "r").read_text() != "old"
    assert [p.name for p in tmp_path.iterdir()] == ["r"]  # nothing half-made is left
    (tmp_path / "r/mine.txt").write_text("mine")
    with pytest.raises(OutputError, match=r"'mine\.txt' is not of the report"):
        write_report([bare], tmp_path / "r")
    (tmp_path / "other").mkdir()
    (tmp_path / "other/data").write_text("mine")
    with pytest.raises(OutputError, match="holds other files"):
        write_report([bare], tmp_path / "other")
    with pytest.raises(OutputError, match="is no folder"):
        write_report([bare], tmp_path / "other/data")
    assert (tmp_path / "other/data").read_text() == (tmp_path / "r/mine.txt").read_text() == "mine"


def test_a_failed_report_leaves_the_old_one(tmp_path, monkeypatch):
    bare = synthetic.graphene_water(runs=[])
    page = write_report([bare], tmp_path / "r")
    before = page.read_text()
    monkeypatch.setattr("mdbench.report.write.render_page", lambda _: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write_report([bare], tmp_path / "r")
    assert page.read_text() == before and [p.name for p in tmp_path.iterdir()] == ["r"]


@pytest.mark.parametrize(("text", "message"), [
    ("", r"x\.csv: holds no data"),
    ("# rdf O-O\nr,g\n1,2\n", r"x\.csv:2: header 'r,g' is none of: r_ang,g;"),
    ("r_ang,g\n1,2\n", r"x\.csv:1: which pair\?"),
    ("# rdf O-O\nr_ang,g\n1,2\n2,two\n", r"x\.csv:4: g is 'two', not a number"),
    ("# rdf O-O\nr_ang,g\n1,2\n\n2,3,4\n", r"x\.csv:5: 3 cells under 2 columns"),
    ("# rdf O-O\nr_ang,g\n1,nan\n", r"x\.csv:3: g is 'nan', not a finite number"),
    ("# rdf O-O\nr_ang,g\n", r"x\.csv:2: no rows"),
    ("lag_ps,msd_ang2\n1,2\n", r"x\.csv:1: which element\?"),
    (b"\xff\xfe\x00", r"x\.csv: is no text"),
], ids=lambda v: None if isinstance(v, bytes) else v[:20])
def test_bad_references_are_refused_in_one_line(text, message, tmp_path):
    path = tmp_path / "x.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(OutputError, match=message) as caught:
        read_reference(path)
    assert "\n" not in str(caught.value)


def test_references_say_what_they_are(tmp_path):
    path = tmp_path / "msd_Li.csv"
    path.write_text("# at 298 K  label: SPC/Fw\nlag_ps,msd_ang2,msd_error\n2,4,\n1,2,0.1\n")
    (found,) = read_reference(path)
    assert (found.quantity, found.key, found.label, found.temperature_k) == (
        "msd", "Li", "SPC/Fw", 298.0)
    assert found.curve.x.tolist() == [1, 2]
    assert found.curve.error[0] == 0.1 and math.isnan(found.curve.error[1])
    with pytest.raises(OutputError, match="No such file"):
        read_reference(tmp_path / "absent.csv")


def test_what_is_no_analysis_is_refused(tmp_path):
    for analyses, labels, message in (
        ([], None, "no analyses"),
        ([{"kind": "other"}], None, "analysis 1 is no analysis.json"),
        ([synthetic.graphene_water()], ["a", "b"], "2 labels for 1 analyses"),
    ):
        with pytest.raises(OutputError, match=message):
            write_report(analyses, tmp_path / "r", labels=labels)
    assert not (tmp_path / "r").exists()


def test_labels_are_made_unique(tmp_path):
    bare = synthetic.graphene_water("same", runs=[{"name": "a"}])
    page = write_report([bare, bare, bare], tmp_path / "r")
    series = json.loads((page.parent / "summary.json").read_text())["series"]
    assert [s["label"] for s in series] == ["same", "same (2)", "same (3)"]


def test_importing_the_report_does_not_import_matplotlib():
    code = "import sys, mdbench.report; print('matplotlib' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def msd_run(element_windows, seed=1):
    rng = np.random.default_rng(seed)
    found = {e: synthetic.msd(rng, 2.0) | {"fit_ps": w} for e, w in element_windows.items()}
    return {"name": f"s{seed}", "temperature_k": 300.0, "seed": seed, "msd": found}


def test_each_curve_shows_the_lags_that_its_fit_takes():
    """And those of several seeds the lags that all fits share."""
    from mdbench.plots.motion import FITTED_WIDTH, msd_plot  # noqa: PLC0415

    runs = [msd_run({"Ar": [5.0, 12.0], "Li": [2.0, 12.0], "O": None}),
            msd_run({"Ar": [4.0, 9.0], "Li": None, "O": None}, seed=2)]
    plot = msd_plot(make_series([("x", synthetic.graphene_water(runs=runs))]), "", [])
    for axis in plot.figure.axes:
        assert not axis.patches  # of the axes, and so of all curves
        heavy = [line.get_xdata() for line in axis.lines if line.get_linewidth() == FITTED_WIDTH]
        assert len(heavy) == 3 and len(heavy[2]) == 0
        for found, limits in zip(heavy, ([5, 9], [2, 12]), strict=False):
            assert [found[0], found[-1]] == pytest.approx(limits, abs=20 / 399)
            assert limits[0] <= found[0] and found[-1] <= limits[1]
    assert "Heavy: lags of the fit" in plot.caption and "haded" not in plot.caption


@pytest.mark.parametrize(("starts_ps", "spans", "words"), [
    ((5.0, 5.0), [(5.0, 0.5)], "Shaded: equilibration, left out of all averages."),
    ((5.0, 20.0), [(5.0, 0.25), (20.0, 0.25)],
     "Shaded: equilibration, left out of averages, the fainter by the fewer runs."),
    ((0.0, 20.0), [(20.0, 0.25)], "the fainter by the fewer runs."),
    ((0.0, 0.0), [], "dashed the target.")])
def test_each_run_shades_its_own_equilibration(starts_ps, spans, words):
    from mdbench.plots.thermo import thermo_plot  # noqa: PLC0415

    runs = [synthetic.graphene_run(seed) for seed in (1, 2)]
    for run, start_ps in zip(runs, starts_ps, strict=True):
        run["thermo"]["equilibration_ps"] = start_ps
    plot = thermo_plot(make_series([("x", synthetic.graphene_water(runs=runs))]), "")
    for axis in plot.figure.axes:
        found = [(p.get_extents().transformed(axis.transData.inverted()).x1, p.get_alpha())
                 for p in axis.patches]
        assert [x for x, _ in found] == pytest.approx([x for x, _ in spans])
        assert [a for _, a in found] == [a for _, a in spans]
    assert plot.caption.endswith(words)


def test_a_figure_is_laid_out_once_and_drawn_once_for_each_file(tmp_path, monkeypatch):
    from matplotlib.figure import Figure  # noqa: PLC0415

    from mdbench.plots.style import new_figure, save  # noqa: PLC0415

    drawn, draw = [], Figure.draw
    monkeypatch.setattr(Figure, "draw", lambda *args: (drawn.append(1), draw(*args)))
    figure = new_figure(4, 3)
    axis = figure.subplots()
    axis.set_ylabel("a label\nof lines\nthat need\nroom")
    save(figure, tmp_path / "figure")
    assert len(drawn) == 2
    assert axis.get_tightbbox().x0 / figure.dpi == pytest.approx(0.06, abs=0.02), "in, as asked"


@pytest.mark.alone
def test_a_report_takes_seconds(tmp_path):
    code = ("import sys, pathlib, synthetic_analysis as s; from mdbench.report import write_report;"
            "write_report([s.graphene_water()], pathlib.Path(sys.argv[1]))")
    with Stopwatch(processor_s) as report:
        subprocess.run([sys.executable, "-c", code, str(tmp_path / "r")], check=True,
                       env={**os.environ, "PYTHONPATH": ":".join(sys.path)})
    assert report.seconds < 6


def test_what_is_said_of_a_whole_campaign_is_on_the_page(tmp_path):
    note = "2 of 4 runs hold no complete segment yet: a, b"
    analysis = synthetic.licl(seeds=(1,)) | {"notes": [note]}
    page = write_report([analysis], tmp_path / "r")
    summary = json.loads((page.parent / "summary.json").read_text())
    assert {"text": note, "series": [analysis["name"]]} in summary["remarks"]
    assert note in page.read_text()
