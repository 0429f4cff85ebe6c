"""The tables of benchmarks/d3.py, from its results."""

from __future__ import annotations

import statistics
from typing import Any

from native_vs_peers import spread

SHOWN = (
    "mdbench",
    "mdbench, rebuilt",
    "s-dftd3",
    "LAMMPS",
    "LAMMPS, rebuilt",
    "torch-dftd float32",
)
HEADINGS = (
    "mdbench, ms",
    "list made each time",
    "s-dftd3",
    "LAMMPS dispersion/d3",
    "list made each time",
    "torch-dftd float32",
)


def find(rows: list[dict[str, Any]], row: dict[str, Any], variant: str) -> dict[str, Any]:
    """The row of another variant at the same atoms and cutoff."""
    case = row["atoms"], row["cutoff"]
    return next(r for r in rows if (r["atoms"], r["cutoff"], r["variant"]) == (*case, variant))


def ratio(rows: list[dict[str, Any]], row: dict[str, Any], slow: str, fast: str) -> float | None:
    """Median over rounds of a variant's time over another's; of the rounds that both have."""
    a, b = (find(rows, row, name)["ms"] for name in (slow, fast))
    values = [x / y for x, y in zip(a, b, strict=False)]
    return statistics.median(values) if values else None


def from_to(values: list[float | None], digits: int = 1, unit: str = "x") -> str:
    """The range of what is there."""
    there = [v for v in values if v is not None]
    if not there:
        return "not measured"
    low, high = f"{min(there):.{digits}f}", f"{max(there):.{digits}f}"
    return f"{low}{unit}" if low == high else f"{low}-{high}{unit}"


def evaluation_lines(rows: list[dict[str, Any]], reasons: list[str]) -> list[str]:
    """Time of an evaluation; reasons of gaps are numbered into ``reasons``."""
    lines = [
        "| atoms, cutoff | " + " | ".join(HEADINGS) + " | faster than LAMMPS |",
        "|---|" + "---|" * (len(HEADINGS) + 1),
    ]
    for row in rows:
        if row["variant"] != SHOWN[0]:
            continue
        cells = []
        for name in SHOWN:
            found = find(rows, row, name)
            cells.append(spread(found["ms"]) if found["ms"] else noted(found["reason"], reasons))
        faster = ratio(rows, row, "LAMMPS", "mdbench")
        cells.append(f"{faster:.1f}x" if faster else "")
        lines.append(f"| {row['atoms']:,}, {row['cutoff']} | {' | '.join(cells)} |")
    return lines


def noted(reason: str, reasons: list[str]) -> str:
    """A footnote's mark."""
    if reason not in reasons:
        reasons.append(reason)
    return f"({reasons.index(reason) + 1})"


def evaluation_note(result: dict[str, Any]) -> str:
    """What was compared, and what the table leaves out."""
    rows, where = result["evaluations"], result["machine"]
    versions = where["versions"]
    peers = [f"{n} {versions[n]}" for n in ("dftd3", "torch-dftd", "lammps") if n in versions]
    rounds = max(len(row["ms"]) for row in rows)
    text = (
        "Energy, forces and virial of PBE-D3(BJ), graphene-water, one thread, CN cutoff 12 A, hard "
        f"cutoffs. Median (range) of {rounds} interleaved runs on {where['cores']} cores of "
        f"{where['cpu']}; {', '.join(peers)}. mdbench and LAMMPS keep a list with a skin of 2 A, "
        "s-dftd3 has none."
    )
    sentences = (
        ("mdbench, 2 threads", "mdbench", "mdbench with two threads takes {} of the time", 2),
        ("mdbench, switch 2", "mdbench", "with its default switch of 2 A {} of the time", 2),
        ("torch-dftd float64", "torch-dftd float32", "torch-dftd in float64 {} of float32's", 1),
    )
    cases = [row for row in rows if row["variant"] == SHOWN[0]]
    relative = [
        sentence.format(from_to([ratio(rows, row, a, b) for row in cases], digits))
        for a, b, sentence, digits in sentences
    ]
    torch = [row for row in rows if row["variant"] == "torch-dftd float32" and row["ms"]]
    in_list = from_to([100 * min(r["list_ms"]) / min(r["ms"]) for r in torch], 0, " %")
    relative.append(f"its list, made each time, is {in_list} of its time")
    return f"{text} {'; '.join(relative)}."


def accuracy_lines(rows: list[dict[str, Any]]) -> list[str]:
    """The largest difference from s-dftd3 over all cases."""
    lines = [
        "| against s-dftd3 | energy, meV/atom | forces, meV/A | stress, GPa |",
        "|---|---|---|---|",
    ]
    keys = ("energy_mev_per_atom", "largest_force_mev_per_ang", "largest_stress_gpa")
    for name in ("mdbench", "LAMMPS", "torch-dftd float32", "torch-dftd float64"):
        mine = [row for row in rows if row["variant"].split(",")[0] == name and keys[0] in row]
        worst = [f"{max(row[key] for row in mine):.0e}" if mine else "" for key in keys]
        lines.append(f"| {name} | {' | '.join(worst)} |")
    return lines


def skin_lines(rows: list[dict[str, Any]], reasons: list[str]) -> list[str]:
    """How often the list is made in MD, and D3's time, against the skin."""
    lines = [
        "| skin, A | lists in 1,000 steps | dangerous | list, ms/step | evaluation | D3 in all |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        if not row["runs"]:
            lines.append(f"| {row['skin_ang']:g} | {noted(row['reason'], reasons)} | | | | |")
            continue
        runs = row["runs"]
        builds = statistics.median(1000 * r["builds"] / r["evaluations"] for r in runs)
        dangerous = max(r["dangerous_builds"] for r in runs)
        parts = [
            spread([r["list_ms"] for r in runs]),
            spread([r["evaluation_ms"] for r in runs]),
            spread([r["d3_ms"] for r in runs]),
        ]
        lines.append(
            f"| {row['skin_ang']:g} | {builds:.0f} | {dangerous:.0f} | {' | '.join(parts)} |"
        )
    return lines


def step_lines(rows: list[dict[str, Any]], reasons: list[str]) -> list[str]:
    """What a step costs without D3, with it, and with LAMMPS's."""
    names = ["model", "MACE alone, ms/step", "with d3", "share of the MACE step"]
    names += ["hybrid/overlay with LAMMPS's", "share"]
    lines = [f"| {' | '.join(names)} |", "|---|---|---|---|---|---|"]
    for model in dict.fromkeys(row["model"] for row in rows):
        mine = {row["style"]: row for row in rows if row["model"] == model}
        alone = [r["ms"] for r in mine["alone"]["runs"]]
        cells = [spread(alone) if alone else noted(mine["alone"]["reason"], reasons)]
        for style in ("fused", "overlay"):
            times = [r["ms"] for r in mine[style]["runs"]]
            if not times:
                cells += [noted(mine[style]["reason"], reasons), ""]
                continue
            d3 = [
                r.get("d3_ms", r["ms"] - a) for r, a in zip(mine[style]["runs"], alone, strict=True)
            ]
            share = [100 * b / a for a, b in zip(alone, d3, strict=True)]
            cells += [spread(times), f"{statistics.median(share):.1f} %"]
        lines.append(f"| {model} | {' | '.join(cells)} |")
    return lines


def table(result: dict[str, Any]) -> str:
    """The README's tables."""
    reasons: list[str] = []
    skins = result["skins"]
    skin_note = (
        f"{skins[0]['steps']:,} steps of 0.5 fs at 298 K, 372 atoms, bundled model, D3 at its "
        "defaults but for the skin, one thread."
    )
    step_note = (
        "372 atoms, native kernels in single precision, one thread, models of the first table; D3 "
        "to 15 A on both sides, `neighbor 1.0 bin`. Shares: by D3's own clock; LAMMPS's by the "
        "difference of the steps."
    )
    parts = [
        evaluation_lines(result["evaluations"], reasons),
        [evaluation_note(result)],
        accuracy_lines(result["evaluations"]),
        ["Largest difference over all rows above, at equal cutoffs."],
        skin_lines(skins, reasons),
        [skin_note],
        step_lines(result["steps"], reasons),
        [step_note],
    ]
    if reasons:
        marks = [f"({i + 1}) {reason}" for i, reason in enumerate(reasons)]
        parts.append(["; ".join(marks) + "."])
    return "\n\n".join("\n".join(lines) for lines in parts)
