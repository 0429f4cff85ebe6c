"""The watch of the tests that measure time."""

import pytest
from support import Stopwatch


@pytest.mark.parametrize(("errand_s", "seconds"), [(Stopwatch.ERRAND_S * 2, 5.0),
                                                   (Stopwatch.ERRAND_S, 10.0),
                                                   (Stopwatch.ERRAND_S / 9, 10.0)])
def test_a_slow_machine_is_allowed_for_and_a_fast_one_is_not(errand_s, seconds):
    """Ten seconds of work between two times five errands."""
    times = iter([0, 5 * errand_s, 100, 110, 110, 110 + 5 * errand_s])
    with Stopwatch(lambda: next(times)) as watch:
        pass
    assert watch.seconds == pytest.approx(seconds)
