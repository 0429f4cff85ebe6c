"""Numbers out of text, an array at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_LONGEST = 40  # characters of a number; anything longer is damage
_EXACT = 15  # digits that a double holds exactly: mantissa / 10**k is then rounded once
_POWERS = 10.0 ** np.arange(_EXACT + 2)
_SPACE, _ZERO, _DOT, _MINUS, _PLUS = b" 0.-+"


def parse_numbers(text: bytes) -> NDArray[np.float64]:
    """All numbers of a text, as ``float`` reads them, separated by white space.

    Plain decimals are read a character position at a time for all of them, several times as fast
    as ``numpy.fromstring``; the few with an exponent or many digits one by one.

    Raises:
        ValueError: when something is no number.
    """
    padded = np.frombuffer(b" " + text + b" " * _LONGEST, np.uint8)
    white = padded <= _SPACE
    edges = np.flatnonzero(white[1:] != white[:-1]) + 1
    starts, ends = edges[::2], edges[1::2]
    if not len(starts):
        return np.empty(0)
    lengths = ends - starts
    if lengths.max() > _LONGEST:
        raise ValueError("a word is too long for a number")
    lengths = lengths.astype(np.uint8)
    numbers = np.zeros(len(starts))
    digits, dots, dot_at = (np.zeros(len(starts), np.uint8) for _ in range(3))
    at = starts.copy()
    for i in range(int(lengths.max())):
        char = padded.take(at, mode="clip")  # no check of bounds: twice as fast
        char *= lengths > i
        digit = char - np.uint8(_ZERO)  # wraps around below "0"
        is_digit = (digit < 10).view(np.uint8)  # noqa: PLR2004
        numbers *= (is_digit * np.uint8(9) + np.uint8(1)).astype(np.float64)
        numbers += (digit * is_digit).astype(np.float64)
        digits += is_digit
        dot = (char == _DOT).view(np.uint8)
        dots += dot
        dot_at += dot * np.uint8(i)
        at += 1
    first = padded.take(starts)
    sign = (first == _MINUS) | (first == _PLUS)
    plain = (digits + dots + sign == lengths) & (dots <= 1) & (digits > 0) & (digits <= _EXACT)
    decimals = np.where(plain & (dots == 1), lengths - 1 - dot_at, 0)
    numbers /= _POWERS.take(decimals)
    np.negative(numbers, out=numbers, where=first == _MINUS)
    for i in np.flatnonzero(~plain).tolist():
        word = text[starts[i] - 1 : ends[i] - 1]
        if b"_" in word:  # Python's float would take it
            raise ValueError(f"{word!r} is no number")
        numbers[i] = float(word)
    return numbers


def rows_to_keep(steps: NDArray[np.int64]) -> NDArray[np.int64]:
    """Indices of what counts where steps repeat or go back.

    What was written later replaces all that was written before from its step on. So the step that
    ends a run and begins the next counts once, a run that went on from an older restart file
    replaces what came after that file, and after ``reset_timestep 0`` only the new steps count.
    """
    if not len(steps):
        return np.empty(0, np.int64)
    lowest_after = np.minimum.accumulate(steps[::-1])[::-1][1:]
    return np.flatnonzero(np.append(steps[:-1] < lowest_after, True))


def integers(numbers: NDArray[np.float64]) -> NDArray[np.int64]:
    """Numbers that must be whole.

    Raises:
        ValueError: when one is not.
    """
    if not np.all(np.abs(numbers) < 2.0**53) or np.any(numbers != np.rint(numbers)):
        raise ValueError("a step, an index or a type is no whole number")
    return numbers.astype(np.int64)
