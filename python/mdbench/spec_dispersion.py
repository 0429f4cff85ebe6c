"""D3 dispersion in a specification."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from mdbench import _core
from mdbench.spec_types import (
    LengthAng,
    LengthOrOffAng,
    LengthOrZeroAng,
    Section,
    Text,
    Yes,
    conflict,
)

_METHODS = ("bj", "zero", "bjm", "zerom")
_WORDS = _core.d3_words(["bj", "pbe"])[2:]
_DEFAULTS: dict[str, Any] = dict(zip(_WORDS[::2], _WORDS[1::2], strict=True))
_KEYS = {
    "cutoff": "cutoff",
    "switch": "switch",
    "cn": "coordination_cutoff",
    "skin": "skin",
    "atm": "atm",
}
"""Keys by the keywords of ``pair_style dftd3``."""
FUNCTIONALS = sorted({name for method in _METHODS for name in _core.d3_functionals(method)})


def _digits(length_ang: float) -> str:
    return repr(float(length_ang)).removesuffix(".0")


class Dispersion(Section):
    """D3 dispersion added to the model."""

    method: Literal["none", "d3"] = "none"
    """Leave it at ``none`` where the model's labels hold dispersion already."""
    functional: Annotated[
        str,
        Text("[A-Za-z0-9][A-Za-z0-9_-]{0,31}", "the name of a functional such as pbe or r2scan"),
    ] = Field("pbe", examples=[*FUNCTIONALS])
    """That the model was trained on; case, hyphens and underscores do not matter."""
    damping: Literal["bj", "zero", "bjm", "zerom"] = "bj"
    """Becke-Johnson or zero damping, or their modified forms."""
    cutoff_ang: LengthAng = Field(float(_DEFAULTS["cutoff"]), alias="cutoff")
    """Of the pairs."""
    switch_ang: LengthOrZeroAng = Field(float(_DEFAULTS["switch"]), alias="switch")
    """Over which pairs and counted neighbours fade out before their cutoffs; 0 A: hard cutoffs."""
    coordination_cutoff_ang: LengthAng = Field(float(_DEFAULTS["cn"]), alias="coordination_cutoff")
    """Of the coordination numbers; not more than ``cutoff``."""
    atm_ang: LengthOrOffAng = Field(float(_DEFAULTS["atm"]), alias="atm")
    """Cutoff of the three-body term; ``off`` leaves it out."""
    skin_ang: LengthOrZeroAng = Field(float(_DEFAULTS["skin"]), alias="skin")
    """Of the list of pairs; changes speed and no result."""
    allow_double_counting: Yes = False
    """Add D3 even to a model whose labels hold dispersion, or do not say."""

    def words(self) -> list[str]:
        """All settings as ``pair_style dftd3`` takes them."""
        lengths = (
            ("cutoff", self.cutoff_ang),
            ("switch", self.switch_ang),
            ("cn", self.coordination_cutoff_ang),
            ("skin", self.skin_ang),
            ("atm", self.atm_ang),
        )
        given = [word for keyword, length in lengths for word in (keyword, _digits(length))]
        words: list[str] = _core.d3_words([self.damping, self.functional, *given])
        return words

    @model_validator(mode="after")
    def _d3_takes_it(self) -> Dispersion:
        if self.functional.lower() == "custom":
            raise conflict("functional", "'custom' is for LAMMPS inputs and Python, not for files")
        try:
            self.words()
        except _core.CoreError as problem:
            text = str(problem).removeprefix("d3: ").split(" The method")[0]
            raise conflict(self._to_blame(text), text) from None
        return self

    @model_validator(mode="after")
    def _keys_go_with_a_method(self) -> Dispersion:
        if self.model_fields_set and "method" not in self.model_fields_set:
            raise conflict("method", "is missing: d3")
        if self.method == "none" and self != Dispersion.model_construct():
            raise conflict("method", "'none' leaves the other keys without effect: take 'd3'")
        return self

    def _to_blame(self, text: str) -> str:
        """The key that a message is about; of two that clash the one that was written."""
        named = [_KEYS[word] for word in text.split() if word in _KEYS]
        written = [key for key in named if f"{key}_ang" in self.model_fields_set]
        return [*written, *named, "functional"][0]
