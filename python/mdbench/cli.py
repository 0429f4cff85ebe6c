"""The command line: verbs only, no logic."""

from __future__ import annotations

import json
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.table import Table
from rich.text import Text

from mdbench import __version__
from mdbench.cli_compare import compare
from mdbench.cli_d3 import app as d3_app
from mdbench.cli_driver import VERBS, print_table
from mdbench.cli_rbmd import VERBS as RBMD_VERBS
from mdbench.cli_scaling import scaling
from mdbench.cli_verify import Charge, Dtype, Spin, state_of, verify
from mdbench.errors import MdbenchError, ModelError

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="MACE molecular dynamics in stock LAMMPS.",
)
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]


class DispersionLabels(StrEnum):
    """What the training labels say about dispersion."""

    NONE = "none"
    D3 = "d3"
    FUNCTIONAL = "functional"
    UNKNOWN = "unknown"


def _show_version(asked: bool) -> None:  # noqa: FBT001 - typer's callback form
    if asked:
        typer.echo(f"mdbench {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[  # noqa: FBT002
        bool, typer.Option("--version", callback=_show_version, is_eager=True)
    ] = False,
) -> None:
    """MACE molecular dynamics in stock LAMMPS."""
    del version


@app.command(epilog="Example: mdbench doctor")
def doctor(*, as_json: Json = False) -> None:
    """Check the installation; exits non-zero when something needed is missing."""
    from mdbench.doctor import examine  # noqa: PLC0415 - keeps --help fast

    findings = examine()
    if as_json:
        typer.echo(json.dumps([vars(f) for f in findings], indent=1))
    else:
        table = Table("", "check", "found", "remedy", box=None)
        for f in findings:
            bad = Text("MISSING", "red") if f.required else Text("-", "yellow")
            mark = Text("ok", "green") if f.ok else bad
            table.add_row(mark, f.name, f.detail, "" if f.ok else f.remedy)
        print_table(table)
    if not all(f.ok for f in findings if f.required):
        raise typer.Exit(1)


@app.command(epilog="Example: mdbench convert my.model --elements C,H,O")
def convert(  # noqa: PLR0913 - one parameter an option
    model: Annotated[Path, typer.Argument(help="A *.model file of mace-torch. It is code.")],
    *,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="*.mace or TorchScript *.pt; default: NAME.mace."),
    ] = None,
    elements: Annotated[
        str | None, typer.Option(help="Keep only these: C,H,O. Default: all of the model.")
    ] = None,
    head: Annotated[
        str | None, typer.Option(help="*.pt: needed when the model has several; *.mace: default.")
    ] = None,
    dtype: Annotated[
        Dtype | None, typer.Option(help="Of a *.pt file; default: that of the weights.")
    ] = None,
    charge: Charge = None,
    spin: Spin = None,
    labels_include_dispersion: Annotated[
        DispersionLabels, typer.Option(help="Kept in the file to guard against adding D3 twice.")
    ] = DispersionLabels.UNKNOWN,
    as_json: Json = False,
) -> None:
    """Convert a MACE model for pair_style mace, and check it against the Python model."""
    from mdbench.model import convert as run_convert  # noqa: PLC0415
    from mdbench.model import default_output, inspect  # noqa: PLC0415

    description = inspect(model).description
    target = output or default_output(model)
    if output is None and target.exists():
        raise ModelError(f"'{target}' exists: give '-o {target}' to replace it")
    metadata = run_convert(
        model,
        target,
        head=head,
        dtype=dtype,
        elements=[e.strip() for e in elements.split(",")] if elements else None,
        state=state_of(charge, spin),
        labels_include_dispersion=labels_include_dispersion,
    )
    sha256 = inspect(target).sha256
    if as_json:
        typer.echo(json.dumps({"output": str(target), "sha256": sha256, **metadata}))
        return
    typer.echo(f"{model}: {description}")
    what = metadata.get("dtype", "native, all precisions")
    heads = metadata["head"] or ", ".join(metadata["heads"])
    state = "".join(f", {name} {value}" for name, value in metadata.get("state", {}).items())
    typer.echo(f"{target}: {what}, head {heads}{state}, sha256 {sha256}")


app.add_typer(d3_app, name="d3")
for verb, example in (*VERBS.items(), *RBMD_VERBS.items()):
    app.command(verb.__name__.rstrip("_"), epilog=f"Example: {example}")(verb)
app.command(epilog="Example: mdbench verify my.model --structure frame.xyz")(verify)
app.command(epilog="Example: mdbench scaling --quick")(scaling)
app.command(epilog="Example: mdbench compare before/result.json after/result.json")(compare)


def main() -> NoReturn:
    """Run the command line; problems become one line and exit code 1."""
    try:
        app()
    except MdbenchError as problem:
        sys.exit(f"mdbench: error: {problem}")
    raise SystemExit(0)
