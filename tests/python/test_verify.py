"""The limits of ``mdbench verify``: absolute where forces are ordinary, relative where steep."""

import numpy as np
import pytest

from mdbench.core import PointResult
from mdbench.verify import LIMITS, compare


def point(force: float, error: float = 0.0) -> PointResult:
    forces = np.zeros((2, 3))
    forces[1, 2] = force + error
    return PointResult(0.0, forces, np.zeros((3, 3)))


@pytest.mark.parametrize("largest, scale", [(0.0, 1), (9.0, 1), (-80.0, 8), (400.0, 40)])
def test_forces_may_differ_by_a_limit_that_grows_with_steep_ones(largest, scale):
    limits = LIMITS["float64"]
    allowed = scale * limits.force_ev_per_ang
    for error, passed in ((0.9 * allowed, True), (1.1 * allowed, False)):
        checks = compare("a", point(largest, error), point(largest), limits, with_virial=False)
        verdict = {c.name: c.passed for c in checks}
        assert verdict == {"a: energy": True, "a: forces": passed}


def test_a_force_that_is_no_number_fails_whatever_the_limit():
    for a, b in ((np.nan, 1.0), (1.0, np.nan), (np.inf, 1.0), (1.0, np.inf)):
        checks = compare("a", point(a), point(b), LIMITS["float64"], with_virial=False)
        assert not checks[1].passed
