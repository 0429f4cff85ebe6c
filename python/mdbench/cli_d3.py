"""Verbs about D3 dispersion: d3 add, d3 subtract."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, help="D3 dispersion in the labels of data sets.")

Source = Annotated[Path, typer.Argument(help="Extended XYZ; .gz, .xz and .bz2 too.")]
Output = Annotated[Path, typer.Option("-o", "--output", help="File to write.")]
Functional = Annotated[str, typer.Option(help="Of the labels: pbe, r2scan, ...; or custom.")]
Method = Annotated[str, typer.Option(help="Damping: bj, zero, bjm or zerom.")]
Cutoff = Annotated[
    float | None,
    typer.Option(help="Of the pairs, A; default 50.27 (95 Bohr), as in most codes; VASP: 50.2."),
]
Switch = Annotated[
    float | None, typer.Option(help="Width over which pairs fade out, A; default 0, as in codes.")
]
Cn = Annotated[
    float | None,
    typer.Option(help="Cutoff of coordination numbers, A; default 21.17 (40 Bohr); VASP: 20."),
]
Atm = Annotated[
    float | None, typer.Option(help="Cutoff of the three-body term, A; default 0: left out.")
]
Parameters = Annotated[
    str, typer.Option(help='Of --functional custom: "s8 0.7875 a1 0.4289 a2 4.4407".')
]
EnergyKey = Annotated[str | None, typer.Option(help="Default: REF_energy or energy.")]
ForcesKey = Annotated[str | None, typer.Option(help="Default: REF_forces or forces.")]
StressKey = Annotated[
    str | None, typer.Option(help="eV/A^3, tension positive. Default: REF_stress or stress.")
]
VirialsKey = Annotated[
    str | None, typer.Option(help="eV, -stress x volume. Default: REF_virials, virials, virial.")
]
Threads = Annotated[int, typer.Option(min=0, help="CPU threads; 0: all that OpenMP takes.")]
Force = Annotated[bool, typer.Option("--force", help="Replace the output if it exists.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


_ABOUT = {
    "add": "Add D3 to energies, forces, stresses and virials of a data set.\n\n"
    "For labels without dispersion, and a model that is to have D3 inside it. All else in the file "
    'stays as it was written. Every frame gets a mark, d3="added ...": nothing is added twice, and '
    "'d3 subtract' with the same options takes it out again.",
    "subtract": "Take D3 out of energies, forces, stresses and virials of a data set.\n\n"
    "For labels that were computed with D3 (VASP: IVDW = 12 is bj, 11 is zero), and a model to "
    "which the simulation adds it. All else in the file stays as it was written. Every frame gets "
    'a mark, d3="subtracted ...": nothing is subtracted twice.',
}


def change(  # noqa: PLR0913 - one parameter an option
    context: typer.Context,
    source: Source,
    *,
    output: Output,
    functional: Functional,
    method: Method = "bj",
    cutoff: Cutoff = None,
    switch: Switch = None,
    cn: Cn = None,
    atm: Atm = None,
    parameters: Parameters = "",
    energy_key: EnergyKey = None,
    forces_key: ForcesKey = None,
    stress_key: StressKey = None,
    virials_key: VirialsKey = None,
    threads: Threads = 0,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Add or subtract, as the verb says."""
    from mdbench.d3_labels import Change, Keys, change_labels, label_words  # noqa: PLC0415

    lengths = {"cutoff": cutoff, "switch": switch, "cn": cn, "atm": atm}
    task = Change(
        "add" if context.info_name == "add" else "subtract",
        label_words(method, functional, parameters.split(), lengths),
        Keys(energy_key, forces_key, stress_key, virials_key),
        threads,
    )
    summary = change_labels(task, source, output, force=force)
    if as_json:
        typer.echo(
            json.dumps({"output": str(output), "settings": task.settings, **asdict(summary)})
        )
    else:
        typer.echo(f"{output}: {task.done} {task.settings}: {summary.line()}")


for verb, about in _ABOUT.items():
    example = f"mdbench d3 {verb} labels.xyz -o {verb}ed.xyz --method bj --functional pbe"
    app.command(verb, help=about, epilog=f"Example: {example}")(change)
