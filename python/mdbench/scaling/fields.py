"""Types of the fields of a result file: what is written down is always one line and finite."""

from __future__ import annotations

import math
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field

_LONGEST = 500

CONFIG = ConfigDict(extra="forbid", allow_inf_nan=False)
"""A key that is not known is a mistake; JSON has no infinity."""


def one_line(text: str) -> str:
    """A text without line breaks and control characters, at most 500 characters."""
    plain = "".join(c if c.isprintable() else " " for c in text)
    plain = " ".join(plain.split())
    return plain if len(plain) <= _LONGEST else plain[: _LONGEST - 1] + "…"


def _finite_or_none(value: object) -> object:
    """A number that a failed run left as NaN or infinity is no number."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


Line = Annotated[str, AfterValidator(one_line)]
Count = Annotated[int, Field(ge=1, le=10**12)]
Positive = Annotated[float, Field(gt=0, lt=1e15)]
NotNegative = Annotated[float, Field(ge=0, lt=1e15)]
MaybeNumber = Annotated[NotNegative | None, BeforeValidator(_finite_or_none)]
Seconds = Annotated[float, Field(gt=1e-9, lt=1e9)]
