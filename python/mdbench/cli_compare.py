"""The verb compare: two results of mdbench scaling against each other."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from mdbench.errors import OutputError, SettingError

INCOMPARABLE = 2
"""Exit code where nothing can be compared; 1 is a regression."""


def compare(
    before: Annotated[Path, typer.Argument(help="result.json of mdbench scaling, or its folder.")],
    after: Annotated[Path, typer.Argument(help="The one that is judged.")],
    *,
    tolerance: Annotated[str, typer.Option(help="How much slower a row may be.")] = "10%",
    across_machines: Annotated[
        bool, typer.Option("--across-machines", help="Compare times of different machines.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Compare two results of mdbench scaling; exit code 1: rows became slower or vanished.

    Exit code 2: they cannot be compared. For runs and campaigns there is mdbench report.
    """
    from mdbench.scaling.compare import compare as run_compare  # noqa: PLC0415 - keeps --help fast
    from mdbench.scaling.compare import parse_tolerance  # noqa: PLC0415
    from mdbench.scaling.compare_text import show_comparison  # noqa: PLC0415
    from mdbench.scaling.result_file import read_result  # noqa: PLC0415

    try:
        allowed = parse_tolerance(tolerance)
        old, new = (read_result(_result_file(p)) for p in (before, after))
        found = run_compare(old, new, allowed, across_machines=across_machines)
    except (OutputError, SettingError) as problem:
        typer.echo(f"mdbench: error: {problem}", err=True)
        raise typer.Exit(INCOMPARABLE) from None
    if as_json:
        typer.echo(json.dumps(found.as_dict(), indent=1))
    else:
        typer.echo(show_comparison(found, old, new))
    if found.failed:
        raise typer.Exit(1)


def _result_file(given: Path) -> Path:
    """The file, or the one in a folder.

    Raises:
        SettingError: for a folder of runs, which another verb compares.
    """
    if not given.is_dir():
        return given
    path = given / "result.json"
    if not path.exists():
        from mdbench.campaign import DEFAULT_NAME, RUNS  # noqa: PLC0415 - keeps --help fast
        from mdbench.run_folder import MANIFEST  # noqa: PLC0415

        if any((given / name).exists() for name in (DEFAULT_NAME, RUNS, MANIFEST)):
            raise SettingError(
                f"'{given}' holds runs, not a result of mdbench scaling: 'mdbench report A B' "
                "compares runs"
            )
    return path
