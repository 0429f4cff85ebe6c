"""Verbs of RBMD: export."""

from __future__ import annotations

import json
import shlex
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


VERBS: dict[Callable[..., None], str] = {
    export: "mdbench export water --engine rbmd-2.2 -o water-rbmd",
}
