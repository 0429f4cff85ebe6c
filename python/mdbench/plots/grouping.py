"""Which runs are averaged, and which curves share a figure."""

from __future__ import annotations

from collections import Counter
from itertools import groupby

from mdbench.plots.colours import PALETTE, temperature_colours
from mdbench.plots.series import Json, Series, number, same_temperature, temperature_text


def make_series(analyses: list[tuple[str, Json]]) -> list[Series]:
    """The series of campaigns, given with their labels.

    Temperatures of one campaign are coloured cold to hot, campaigns by a palette. Campaigns of one
    temperature each, but not the same, have it in their names: they are drawn together.
    """
    if len(analyses) == 1:
        groups = split_runs(_runs(analyses[0][1]))
        names = _names(groups, analyses[0][0])
        if len({g[0].get("temperature_k") for g in groups}) == len(groups) > 1:
            colours = temperature_colours(len(groups))
        else:
            colours = [PALETTE[i % len(PALETTE)] for i in range(len(groups))]
        return [
            Series(name, name, colour, 0, temperature(group[0]), group)
            for name, colour, group in zip(names, colours, groups, strict=True)
        ]
    split = [split_runs(_runs(analysis)) for _, analysis in analyses]
    targets = [temperature(group[0]) for groups in split for group in groups]
    mixed = all(len(groups) <= 1 for groups in split) and any(
        not same_temperature(targets[0], t) for t in targets
    )
    series = []
    for i, ((label, _), groups) in enumerate(zip(analyses, split, strict=True)):
        for name, group in zip(_names(groups, ""), groups, strict=True):
            kelvin = temperature(group[0])
            said = temperature_text(kelvin) or "temperature unknown" if mixed else name
            full = f"{label}, {said}" if said else label
            short = label if kelvin is not None and not mixed else full
            series.append(Series(full, short, PALETTE[i % len(PALETTE)], i, kelvin, group))
    return series


def _runs(analysis: Json) -> list[Json]:
    """The runs of an analysis."""
    found = analysis.get("runs")
    return [r for r in found if isinstance(r, dict)] if isinstance(found, list) else []


def _names(groups: list[tuple[Json, ...]], alone: str) -> list[str]:
    """Names of a campaign's groups: by what tells them apart."""
    if len(groups) == 1:
        return [alone]
    names = [temperature_text(temperature(g[0])) or str(g[0].get("name") or "run") for g in groups]
    twice = {n for n, count in Counter(names).items() if count > 1}
    names = [
        f"{n}, {g[0].get('name') or 'run'}" if n in twice else n
        for n, g in zip(names, groups, strict=True)
    ]
    seen: Counter[str] = Counter()
    for i, name in enumerate(names):
        seen[name] += 1
        names[i] = name if seen[name] == 1 else f"{name} ({seen[name]})"
    return names


def temperature(run: Json) -> float | None:
    """Target temperature of a run, K."""
    return number(run.get("temperature_k"))


def split_runs(runs: list[Json]) -> list[tuple[Json, ...]]:
    """Runs that may be averaged: of one known temperature, each with a seed of its own."""
    ordered = sorted(runs, key=lambda r: temperature(r) or 0.0)
    groups: list[tuple[Json, ...]] = []
    for target, same in groupby(ordered, key=temperature):
        found = tuple(same)
        seeds = [r.get("seed") for r in found]
        apart = target is None or None in seeds or len(set(map(str, seeds))) < len(seeds)
        groups.extend([(r,) for r in found] if apart else [found])
    return groups


def comparable(series: list[Series]) -> list[tuple[str, list[Series]]]:
    """Series that share a figure, with the ending of its name.

    One campaign is drawn whole. Several are drawn against each other at each temperature,
    or as they are where each has but one.
    """
    campaigns = {s.campaign for s in series}
    if len(campaigns) <= 1 or len(series) == len(campaigns):
        return [("", series)] if series else []
    groups: list[list[Series]] = []
    for one in series:
        for group in groups:
            if same_temperature(group[0].temperature_k, one.temperature_k):
                group.append(one)
                break
        else:
            groups.append([one])
    named = [(temperature_text(g[0].temperature_k).replace(" ", ""), g) for g in groups]
    if len(groups) == 1:
        return [("", groups[0])]
    return [(f"-{name}" if name else "-other", g) for name, g in named]
