"""The model in a specification."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from mdbench.spec_types import Integer, Located, Section, Text


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
    charge: Annotated[Integer, Field(ge=-1000, le=1000)] | None = None
    """Of all atoms together, in e, for a ``*.model`` file that takes one; 0 by default."""
    spin: Annotated[Integer, Field(ge=1, le=1000)] | None = None
    """2S + 1 of all atoms together, for a ``*.model`` file that takes one; 1 by default."""
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
    def state(self) -> dict[str, int]:
        """Charge and spin, as far as they are given."""
        given = {"charge": self.charge, "spin": self.spin}
        return {name: value for name, value in given.items() if value is not None}

    @property
    def is_reference(self) -> bool:
        """Whether this is the classical force field instead of a model file."""
        return str(self.file) == "reference"
