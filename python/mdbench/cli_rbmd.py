"""Verbs of RBMD: export, import."""

from __future__ import annotations

import json
import shlex
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mdbench.cli_driver import Json, Spec, Trust  # noqa: TC001 - typer reads them at run time

if TYPE_CHECKING:
    from collections.abc import Callable


class Engine(StrEnum):
    """The lines of RBMD."""

    RBMD_22 = "rbmd-2.2"
    RBMD_20 = "rbmd-2.0"


def export(
    spec: Spec = None,
    *,
    engine: Annotated[Engine, typer.Option(help="The line of RBMD that will run it.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder to make.")],
    trust_unpinned: Trust = False,
    as_json: Json = False,
) -> None:
    """Write the runs of a specification for RBMD, or say what it cannot do with them."""
    from mdbench.campaign import find_spec  # noqa: PLC0415 - keeps --help fast
    from mdbench.rbmd.export import export as run_export  # noqa: PLC0415
    from mdbench.spec_file import load_spec  # noqa: PLC0415

    loaded = load_spec(find_spec(spec, Path.cwd()))
    made = run_export(loaded.spec, engine, output, trust_unpinned=trust_unpinned)
    if as_json:
        typer.echo(json.dumps({"engine": engine, "folders": [str(p) for p in made]}))
        return
    for folder in made:
        named = shlex.quote(str(folder))
        typer.echo(f"{folder}: cd {named} && rbmd -j rbmd.json; then mdbench analyze {named}")


def import_(
    control: Annotated[Path, typer.Argument(help="RBMD's control file, rbmd.json.")],
    *,
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder to make.")],
    engine: Annotated[
        Engine | None, typer.Option(help="The line of RBMD that it is for, if it does not show.")
    ] = None,
    lj_scale: Annotated[
        str | None,
        typer.Option(help="Units of unit LJ: 'Ar', or '0.2381 kcal/mol,3.405 A,39.948 u'."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Make a specification of RBMD's inputs, to run them in LAMMPS, or say what cannot be said."""
    from mdbench.rbmd.importer import import_case  # noqa: PLC0415 - keeps --help fast
    from mdbench.rbmd.lj_scale import parse_scale  # noqa: PLC0415

    scale = parse_scale(lj_scale) if lj_scale is not None else None
    made = import_case(control, output, engine=engine, scale=scale)
    if as_json:
        about = {"folder": str(made.folder), "atoms": made.num_atoms, "notes": list(made.notes)}
        typer.echo(json.dumps(about))
        return
    for note in made.notes:
        print(f"mdbench: note: {note}", file=sys.stderr)  # noqa: T201
    named = shlex.quote(str(made.folder))
    typer.echo(f"{made.folder}: {made.num_atoms} atoms; to run them in LAMMPS: mdbench run {named}")


VERBS: dict[Callable[..., None], str] = {
    export: "mdbench export water --engine rbmd-2.2 -o water-rbmd",
    import_: "mdbench import rbmd.json -o water",
}
