"""RBMD's control files, as far as its outputs are read by them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

from mdbench.errors import OutputError, SpecError
from mdbench.json_text import LARGEST_BYTES, ParsedJson, read_json_text
from mdbench.output.thermo import TIME_FS

if TYPE_CHECKING:
    from pathlib import Path

    from mdbench.spec_text import Keys

_MARK = b'"init_configuration"'
_MOST_FILES = 200
_MOST_STEPS = 2**62
_ENSEMBLES = {"nvt", "npt", "nve"}


@dataclass(frozen=True)
class RunControl:
    """What a control file says about a run."""

    path: Path
    units: str  # real or metal, as LAMMPS has them
    data_file: Path
    atom_style: str | None
    copies: int  # of what the data file holds
    timestep_fs: float | None
    num_steps: int | None
    ensemble: str | None
    temperature_k: float | None  # None where it changes too
    frame_interval: int | None
    force_field: str  # LJ/CUT, LJ/CUT/COUL/LONG, CVFF, EAM, MACE ...
    model_file: str | None
    is_rigid: bool


def find_control(folder: Path) -> Path | None:
    """The control file in a folder, if there is one.

    Raises:
        OutputError: when there are several.
    """
    found = _controls(folder)
    if len(found) > 1:
        names = ", ".join(p.name for p in found[:5])
        raise OutputError(
            f"'{folder}' holds {len(found)} control files of RBMD ({names}): give the one of "
            "this run"
        )
    return found[0] if found else None


def has_control(folder: Path) -> bool:
    """Whether a folder holds control files."""
    return bool(_controls(folder))


def _controls(folder: Path) -> list[Path]:
    return [p for p in sorted(folder.glob("*.json"))[:_MOST_FILES] if _is_control(p)]


def _is_control(path: Path) -> bool:
    try:
        if not path.is_file():
            return False
        with path.open("rb") as file:
            return _MARK in file.read(LARGEST_BYTES)
    except OSError:
        return False


def read_control(path: Path) -> RunControl:
    """Read a control file of RBMD 2.2 or 2.0.

    Raises:
        OutputError: when it cannot be read, or lacks what its outputs are read by; one line with
            that of the file.
    """
    try:
        fields = _Fields(path, read_json_text(path))
    except SpecError as problem:
        raise OutputError(str(problem)) from None
    read = ("init_configuration", "read_data")
    if fields.get("init_configuration", "inbuild") is not None and fields.get(*read) is None:
        fields.refuse(("init_configuration",), "inbuild has no structure: give one with read_data")
    units = fields.text(*read, "unit").lower()
    if units not in TIME_FS:
        fields.refuse((*read, "unit"), f"{units.upper()} is not read: only REAL and METAL are")
    timestep = fields.number("execution", "timestep", least=0, needed=False)
    if timestep == 0:
        fields.refuse(("execution", "timestep"), "0 is no timestep: write more")
    ensemble = (fields.text("execution", "ensemble", needed=False) or "").lower()
    style = fields.text(*read, "atom_style", needed=False)
    field = ("force_field", "type")
    return RunControl(
        path=path,
        units=units,
        data_file=path.parent / fields.text(*read, "file"),
        atom_style=style.lower() if style else None,
        copies=fields.copies(),
        timestep_fs=None if timestep is None else timestep * TIME_FS[units],
        num_steps=fields.whole("execution", "num_steps"),
        ensemble=ensemble if ensemble in _ENSEMBLES else None,
        temperature_k=fields.temperature(),
        frame_interval=fields.whole("outputs", "trajectory_out", "interval"),
        force_field=fields.text(*fields.place(*field), needed=False).upper(),
        model_file=fields.text(*fields.place("force_field", "model_file"), needed=False) or None,
        is_rigid=fields.yes(*fields.place("extend", "fix_shake")),
    )


class _Fields:
    """Values of a control file, checked."""

    def __init__(self, path: Path, parsed: ParsedJson) -> None:
        self._path, self._parsed = path, parsed

    def refuse(self, keys: Keys, what: str) -> NoReturn:
        """Raise the error about a key."""
        field = ".".join(str(k) for k in keys)
        raise OutputError(f"{self._path}:{self._parsed.line(keys)}: {field}: {what}")

    def get(self, *keys: str) -> Any:  # noqa: ANN401 - JSON has any type
        """A value, or ``None``."""
        value: Any = self._parsed.data
        for i, key in enumerate(keys):
            if not isinstance(value, dict):
                self.refuse(keys[:i], "is no object: write { ... }")
            value = value.get(key)
            if value is None:
                return None
        return value

    def place(self, *keys: str) -> tuple[str, ...]:
        """Keys of a hyper parameter, which older files have at the top."""
        inner = ("hyper_parameters", *keys)
        return inner if self.get("hyper_parameters") is not None else keys

    def text(self, *keys: str, needed: bool = True) -> str:
        """A text; empty where it is missing but need not be there."""
        value = self.get(*keys)
        if value is None and not needed:
            return ""
        if value is None:
            self.refuse(keys, "is missing: RBMD needs it")
        if not isinstance(value, str) or not value.strip():
            self.refuse(keys, "is no text: write it in quotes")
        return value.strip()

    def number(self, *keys: str, least: float, needed: bool = True) -> float | None:
        """A finite number."""
        value = self.get(*keys)
        if value is None and not needed:
            return None
        return self._number(keys, value, least)

    def _number(self, keys: Keys, value: object, least: float) -> float:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            self.refuse(keys, "is no number: write one, without quotes")
        if not (math.isfinite(value) and value >= least):
            self.refuse(keys, f"{value:g} is less than {least:g}")
        return float(value)

    def whole(self, *keys: str) -> int | None:
        """A number of steps, if there is one."""
        value = self.get(*keys)
        if value is None:
            return None
        number = self._number(keys, value, 0)
        if number != int(number) or number > _MOST_STEPS:
            self.refuse(keys, f"{number:g} is no number of steps: write a whole one")
        return int(number)

    def yes(self, *keys: str) -> bool:
        """Whether something is true; RBMD takes it for false where it is missing."""
        value = self.get(*keys)
        if value is not None and not isinstance(value, bool):
            self.refuse(keys, "is neither true nor false")
        return bool(value)

    def copies(self) -> int:
        """How often RBMD repeats the cell of the data file."""
        for key in ("replicate", "replicate_dims"):
            keys = ("init_configuration", "read_data", key)
            if (value := self.get(*keys)) is not None:
                if not isinstance(value, list) or len(value) != 3:  # noqa: PLR2004
                    self.refuse(keys, "is no list of three whole numbers")
                counts = [self._number((*keys, i), v, 1) for i, v in enumerate(value)]
                if any(c != int(c) for c in counts) or math.prod(counts) > _MOST_STEPS:
                    self.refuse(keys, "is no list of three whole numbers")
                return math.prod(int(c) for c in counts)
        return 1

    def temperature(self) -> float | None:
        """Target; none where it is missing or goes from one to another."""
        keys = ("execution", "temperature")
        value = self.get(*keys)
        if value is None:
            return None
        pair = value[:2] if isinstance(value, list) else [value]
        found = {self._number(keys, v, 0) for v in pair}
        return found.pop() if len(found) == 1 else None
