"""Verbs of the driver: init, check, run, resume, submit, analyze, report, schema."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Callable

Spec = Annotated[
    Path | None,
    typer.Argument(help="run.toml or its folder; left out: the only one here or one folder below."),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Jobs = Annotated[int, typer.Option("-j", "--jobs", min=1, help="Runs at the same time.")]
Trust = Annotated[
    bool, typer.Option("--trust-unpinned", help="Run model code without sha256; recorded.")
]
Quiet = Annotated[bool, typer.Option("-q", "--quiet", help="No progress.")]


def print_table(table: Table) -> None:
    """Print a table as it is, no text as markup; into a pipe without breaking lines at 80."""
    for column in table.columns:
        column.overflow = "fold"
    width = None if Console().is_terminal else 200
    Console(width=width, markup=False, emoji=False).print(table)


def init(
    system: Annotated[str, typer.Argument(help="graphene-water, water, spce, licl, hea or lgps.")],
    *,
    folder: Annotated[Path | None, typer.Option("-o", "--output", help="Default: NAME.")] = None,
    size: Annotated[
        str | None,
        typer.Option(help="graphene-water: 128, 372, 1038, 2976 atoms or a supercell like 2x2x1."),
    ] = None,
) -> None:
    """Make a folder with a commented specification that runs as it stands."""
    from mdbench.templates import init as run_init  # noqa: PLC0415 - keeps --help fast

    made = run_init(system, folder, size=size)
    typer.echo(f"{made}: edit run.toml, then 'mdbench check {made}' and 'mdbench run {made}'")


def check(
    spec: Spec = None,
    *,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the LAMMPS input instead; it runs as it is.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Check a specification and its structure; estimate atoms, memory, time and disk."""
    from mdbench.campaign import find_spec  # noqa: PLC0415
    from mdbench.check import examine  # noqa: PLC0415
    from mdbench.lammps_input import render  # noqa: PLC0415
    from mdbench.spec_file import load_spec  # noqa: PLC0415
    from mdbench.subject import load_subject  # noqa: PLC0415

    chosen = load_spec(find_spec(spec, Path.cwd())).spec
    subject = load_subject(chosen)
    if dry_run:
        typer.echo(render(chosen, chosen.variants()[0], subject.facts(chosen)), nl=False)
        return
    report = examine(chosen, subject)
    if as_json:
        typer.echo(json.dumps(report.as_dict(), indent=1))
    else:
        typer.echo("\n".join(report.lines()))
    if report.errors:
        raise typer.Exit(1)


def run(  # noqa: PLR0913 - one parameter an option
    spec: Spec = None,
    *,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with runs that exist.")] = False,
    only: Annotated[str | None, typer.Option(help="One run, such as 298K-seed1.")] = None,
    jobs: Jobs = 1,
    trust_unpinned: Trust = False,
    quiet: Quiet = False,
) -> None:
    """Run all temperatures and seeds of a specification."""
    from mdbench.campaign import Options, find_spec, run_campaign  # noqa: PLC0415
    from mdbench.spec_file import load_spec  # noqa: PLC0415

    path = find_spec(spec, Path.cwd())
    options = Options(resume, only, jobs, trust_unpinned, quiet)
    _end(run_campaign(load_spec(path), options), path.parent)


def resume(
    folder: Annotated[Path | None, typer.Argument(help="Campaign or run folder.")] = None,
    *,
    jobs: Jobs = 1,
    trust_unpinned: Trust = False,
    quiet: Quiet = False,
) -> None:
    """Go on after an interruption; longer, if run.production has been raised."""
    from mdbench.campaign import Options, find_spec  # noqa: PLC0415
    from mdbench.campaign import resume as run_resume  # noqa: PLC0415

    chosen = folder or find_spec(None, Path.cwd()).parent
    options = Options(jobs=jobs, trust_unpinned=trust_unpinned, quiet=quiet)
    _end(run_resume(chosen, options), chosen)


def _end(status: str, folder: Path) -> None:
    from mdbench.submit import STOPPED_CODE  # noqa: PLC0415

    named = shlex.quote(str(folder))
    if status == "stopped":
        typer.echo(f"stopped with a checkpoint; to go on: mdbench resume {named}", err=True)
        raise typer.Exit(STOPPED_CODE)
    typer.echo(f"finished; to analyse and show it: mdbench report {named}")


def submit(
    spec: Spec = None,
    *,
    slurm: Annotated[bool, typer.Option("--slurm", help="Write a SLURM array script.")] = True,
    time: Annotated[str, typer.Option(help="Limit of a task, HH:MM:SS.")] = "24:00:00",
    sbatch: Annotated[
        list[str] | None, typer.Option(help="More of sbatch, e.g. --sbatch=--partition=short")
    ] = None,
) -> None:
    """Write a job script that runs each temperature and seed as a task of an array."""
    from mdbench.campaign import find_spec  # noqa: PLC0415
    from mdbench.spec_file import load_spec  # noqa: PLC0415
    from mdbench.submit import write_slurm  # noqa: PLC0415

    del slurm  # the only scheduler so far
    path = write_slurm(load_spec(find_spec(spec, Path.cwd())), time, sbatch or ())
    typer.echo(f"{path}: cd {shlex.quote(str(path.parent))} && sbatch {path.name}")


def schema(
    *,
    scaling: Annotated[
        bool, typer.Option("--scaling", help="Of the result.json of mdbench scaling instead.")
    ] = False,
) -> None:
    """Print the JSON schema of specifications, for editors."""
    from mdbench.scaling.result_file import json_schema as of_results  # noqa: PLC0415
    from mdbench.spec_file import json_schema  # noqa: PLC0415

    typer.echo(json.dumps(of_results() if scaling else json_schema(), indent=1))


def analyze(  # noqa: PLR0913 - one parameter an option
    folder: Annotated[
        Path | None, typer.Argument(help="Campaign, run folder, log of plain lmp, run of RBMD.")
    ] = None,
    *,
    trajectory: Annotated[Path | None, typer.Option(help="Plain runs, RBMD: unless named.")] = None,
    timestep: Annotated[str | None, typer.Option(help='Plain runs, RBMD: "0.5 fs".')] = None,
    elements: Annotated[
        str | None, typer.Option(help="Plain runs, RBMD: of the types, C,O,H.")
    ] = None,
    structure: Annotated[Path | None, typer.Option(help="Plain runs, RBMD: data file.")] = None,
    as_json: Json = False,
) -> None:
    """Averages, density profile, RDF, diffusion, spectrum, with errors; writes analysis/."""
    from mdbench.campaign import find_spec  # noqa: PLC0415
    from mdbench.collect import Hints, analyze_folder  # noqa: PLC0415
    from mdbench.results import estimates_in  # noqa: PLC0415
    from mdbench.units import parse_option  # noqa: PLC0415

    path = folder or find_spec(None, Path.cwd()).parent
    hints = Hints(
        trajectory,
        parse_option(timestep, "time", "--timestep") if timestep else None,
        [e.strip() for e in elements.split(",")] if elements else None,
        structure,
    )
    analysis = analyze_folder(path, hints)
    if as_json:
        typer.echo(json.dumps(analysis))
        return
    together = {"name": "together", "notes": analysis["notes"], "refused": analysis["refused"]}
    for run in [*analysis["runs"], together | analysis["combined"]]:
        table = Table("quantity", "value", "error", "unit", box=None, title=run["name"])
        for quantity, e in estimates_in(run):
            error = "" if e["error"] is None else f"{e['error']:.2g}"
            table.add_row(quantity, f"{e['value']:.6g}", error, e["unit"])
        if table.row_count:
            print_table(table)
        for refused in run["refused"]:
            typer.echo(f"no {refused['quantity']}: {refused['reason']}")
        for note in run.get("notes", []):
            typer.echo(f"note: {note}")


def report(
    folders: Annotated[
        list[Path] | None, typer.Argument(help="Campaigns or runs; several are compared.")
    ] = None,
    *,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Default: report/.")] = None,
    reference: Annotated[
        list[Path] | None, typer.Option(help="CSV of reference data, drawn beside.")
    ] = None,
    label: Annotated[list[str] | None, typer.Option(help="One for each folder.")] = None,
) -> None:
    """One page with figures, tables, errors and provenance; analyses first where needed."""
    from mdbench.campaign import find_spec  # noqa: PLC0415
    from mdbench.collect import analysis_of, home_of  # noqa: PLC0415
    from mdbench.report import write_report  # noqa: PLC0415

    chosen = folders or [find_spec(None, Path.cwd()).parent]
    target = output or home_of(chosen[0]) / "report"
    analyses = [analysis_of(p) for p in chosen]
    page = write_report(analyses, target, references=reference or [], labels=label)
    typer.echo(f"{page}")


VERBS: dict[Callable[..., None], str] = {
    init: "mdbench init graphene-water --size 372",
    check: "mdbench check graphene-water --dry-run",
    run: "mdbench run graphene-water",
    resume: "mdbench resume graphene-water",
    submit: "mdbench submit licl --slurm --time 12:00:00",
    analyze: "mdbench analyze graphene-water",
    report: "mdbench report before after --label before --label after -o comparison",
    schema: "mdbench schema > run.schema.json",
}
