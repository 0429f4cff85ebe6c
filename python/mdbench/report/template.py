"""Templates of pages, with one look for all."""

from __future__ import annotations

from pathlib import Path

import jinja2

_SHARED = Path(__file__).parent / "report_files"


def template(name: str, folder: Path | None = None) -> jinja2.Template:
    """A page's template; everything that is put into it from outside is escaped.

    Args:
        name: Of its file.
        folder: Where it lies; it may include what lies in the report's own folder.
    """
    folders = [_SHARED] if folder is None else [folder, _SHARED]
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(folders),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(name)
