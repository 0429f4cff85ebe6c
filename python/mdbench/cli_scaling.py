"""The verb scaling: time variants of the model over sizes."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mdbench.errors import SettingError

if TYPE_CHECKING:
    from mdbench.scaling.results import Result

BAD_ARGUMENTS = 2
STOPPED = 130


def scaling(  # noqa: PLR0913 - one parameter an option
    *,
    quick: Annotated[bool, typer.Option("--quick", help="Under two minutes on two cores.")] = False,
    system: Annotated[str, typer.Option(help="graphene-water or hea.")] = "graphene-water",
    sizes: Annotated[
        str | None, typer.Option(help="Atoms, 128,512,2048: the nearest supercells are taken.")
    ] = None,
    variants: Annotated[
        str | None,
        typer.Option(help="Of torchscript,native,e3nn,cueq,compile,symmetrix-xl. Default: all."),
    ] = None,
    precision: Annotated[str, typer.Option(help="single,double,mixed; several.")] = "single",
    device: Annotated[
        str, typer.Option(help="cpu, cuda, or auto: a GPU if there is one.")
    ] = "auto",
    threads: Annotated[str | None, typer.Option(help="1,2; default: all cores; quick: 1.")] = None,
    mpi: Annotated[
        str | None, typer.Option(help="strong or weak: ranks 1,2,4... of one thread each.")
    ] = None,
    model: Annotated[
        Path | None,
        typer.Option(help="*.model (or *.mace, *-lammps.pt); default: the bundled one."),
    ] = None,
    random_weights: Annotated[
        str | None, typer.Option(help="small or medium: the shape of MACE-MP, made here.")
    ] = None,
    max_atoms: Annotated[
        bool, typer.Option("--max-atoms", help="Double the size until memory or time ends.")
    ] = False,
    steps: Annotated[
        int | None, typer.Option(min=1, help="Of a timed run; default: about a second of them.")
    ] = None,
    repeats: Annotated[int | None, typer.Option(min=1, help="Timed runs of a process.")] = None,
    rounds: Annotated[
        int | None, typer.Option(min=1, help="Fresh processes of each variant and size.")
    ] = None,
    time_limit: Annotated[str | None, typer.Option(help='Of everything, such as "600 s".')] = None,
    memory_limit: Annotated[str | None, typer.Option(help='--max-atoms: such as "4 GiB".')] = None,
    output: Annotated[Path, typer.Option("-o", "--output")] = Path("scaling"),
) -> None:
    """Time the model with and without fast kernels; the same command goes on after a stop.

    Every variant is first compared with a double-precision reference, and not timed when it is
    wrong. Leave the machine alone meanwhile.
    """
    from mdbench.scaling.options import Options, make_request  # noqa: PLC0415 - keeps --help fast
    from mdbench.scaling.protocol import run  # noqa: PLC0415

    options = Options(
        quick=quick,
        system=system,
        sizes=sizes,
        variants=variants,
        precision=precision,
        device=device,
        threads=threads,
        mpi=mpi,
        model=model,
        random_weights=random_weights,
        max_atoms=max_atoms,
        steps=steps,
        repeats=repeats,
        rounds=rounds,
        time_limit=time_limit,
        memory_limit=memory_limit,
        output=output,
        command=shlex.join(["mdbench", *sys.argv[1:]]),
    )
    try:
        result = run(make_request(options), typer.echo)
    except SettingError as problem:
        typer.echo(f"mdbench: error: {problem}", err=True)
        raise typer.Exit(BAD_ARGUMENTS) from None
    except KeyboardInterrupt:
        typer.echo("stopped; the same command goes on from here", err=True)
        raise typer.Exit(STOPPED) from None
    _finish(result, output)


def _finish(result: Result, output: Path) -> None:
    """Write, show, and fail when something is wrong with what was measured."""
    from mdbench.scaling.files import write_files  # noqa: PLC0415
    from mdbench.scaling.fits import with_fits  # noqa: PLC0415
    from mdbench.scaling.text import show  # noqa: PLC0415

    fitted = with_fits(result)
    paths = write_files(fitted, output)
    typer.echo("\n" + show(fitted))
    typer.echo("\nwritten: " + ", ".join(str(p) for p in paths))
    if not result.timed or any(m.status in {"refused", "failed"} for m in result.measurements):
        raise typer.Exit(1)
