"""The model in a specification."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from mdbench.spec_types import Located, Section, Text


class Model(Section):
    """The potential."""

    file: Annotated[Path, Located(words=("bundled", "reference"))] = Path("bundled")
    """``*.mace``, ``*.pt`` or ``*.model``; ``bundled``; ``reference``: the classical force field
    that labelled the bundled model's data."""
    sha256: Annotated[str, Text("[0-9a-f]{64}", "64 digits 0-9 a-f")] | None = None
    """Of the file. Needed for ``*.pt`` and ``*.model`` files, which are code."""
    head: (
        Annotated[
            str,
            Text(
                "[A-Za-z0-9][A-Za-z0-9_.+-]{0,63}",
                "1 to 64 letters, digits and _ . + -, a letter or digit first",
            ),
        ]
        | None
    ) = None
    """Of a model with several; by default that chosen when it was converted."""
    precision: Literal["single", "double", "mixed"] = "mixed"
    """TorchScript files know ``single`` and ``double``: ``mixed`` is single there."""
    device: Annotated[str, Text("auto|cpu|cuda|cuda:[0-9]{1,2}", "auto, cpu, cuda or cuda:N")] = (
        "auto"
    )
    """Where the model is evaluated; ``auto``: on a GPU if there is one."""
    deterministic: bool = True
    """On a GPU: sums that do not depend on the order in which it adds, so that runs repeat bit for
    bit. ``*.mace`` files only."""

    @property
    def is_reference(self) -> bool:
        """Whether this is the classical force field instead of a model file."""
        return str(self.file) == "reference"
