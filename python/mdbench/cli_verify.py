"""The verb verify: LAMMPS, or RBMD's call of a model, against the MACE Python model."""

from __future__ import annotations

import json
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from mdbench.cli_driver import print_table
from mdbench.errors import SettingError

if TYPE_CHECKING:
    from mdbench.verify import Check


Charge = Annotated[
    int | None,
    typer.Option(help="Of all atoms together, e; for models that take one, default 0."),
]
Spin = Annotated[
    int | None,
    typer.Option(min=1, help="2S + 1 of all atoms together; for models that take it, default 1."),
]


def state_of(charge: int | None, spin: int | None) -> dict[str, int]:
    """What is given of charge and spin."""
    given = {"charge": charge, "spin": spin}
    return {name: value for name, value in given.items() if value is not None}


class Dtype(StrEnum):
    """Floating-point types of a model."""

    FLOAT32 = "float32"
    FLOAT64 = "float64"


def verify(  # noqa: PLR0913 - one parameter an option
    model: Annotated[Path, typer.Argument(help="*.model, or a converted file with --structure.")],
    *,
    structure: Annotated[
        list[Path] | None,
        typer.Option("-s", "--structure", help="Any file that ASE reads; may be given again."),
    ] = None,
    lammps_file: Annotated[
        Path | None, typer.Option(help="Converted file to test; made anew if left out.")
    ] = None,
    head: Annotated[str | None, typer.Option()] = None,
    charge: Charge = None,
    spin: Spin = None,
    dtype: Annotated[Dtype, typer.Option()] = Dtype.FLOAT64,
    rbmd: Annotated[
        bool, typer.Option("--rbmd", help="Test the call that RBMD's MACE branch makes instead.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Compare LAMMPS with the MACE Python model and with finite differences."""
    options: dict[str, Any] = {
        "lammps_file": lammps_file,
        "head": head,
        "state": state_of(charge, spin),
    }
    if rbmd:
        if dtype is Dtype.FLOAT32:
            raise SettingError("--rbmd tests double precision, as RBMD computes: leave --dtype out")
        _verify_rbmd(model, structure or [], options, as_json=as_json)
        return
    from mdbench.verify import verify as run_verify  # noqa: PLC0415 - keeps --help fast

    checks: list[Check] = []
    paths: list[Path | None] = list(structure) if structure else [None]
    for path in paths:
        found = run_verify(model, structure=path, dtype=dtype, **options)
        many = len(paths) > 1
        checks += [replace(c, name=f"{path}: {c.name}") for c in found] if many else found
    if as_json:
        typer.echo(json.dumps([c.as_dict() for c in checks], indent=1))
    else:
        table = Table("", "check", "largest difference", "limit", "unit", box=None)
        for c in checks:
            mark = Text("ok", "green") if c.passed else Text("FAILED", "red")
            table.add_row(mark, c.name, f"{c.value:.1e}", f"{c.limit:.0e}", c.unit)
        print_table(table)
    if not all(c.passed for c in checks):
        raise typer.Exit(1)


def _verify_rbmd(
    model: Path,
    structures: list[Path],
    options: dict[str, Any],
    *,
    as_json: bool,
) -> None:
    from mdbench.rbmd.contract import check_model  # noqa: PLC0415 - keeps --help fast

    reports = check_model(model, structures, **options)
    if as_json:
        typer.echo(json.dumps([report.as_dict() for report in reports], indent=1))
    else:
        typer.echo("\n\n".join("\n".join(report.lines()) for report in reports))
    if not all(report.passed for report in reports):
        raise typer.Exit(1)
