"""D3 in this process, timed: python -m pytest benchmarks/test_d3.py.

Prints how an evaluation divides into list and evaluation; `benchmarks/d3.py` compares with others.
"""

from __future__ import annotations

from typing import Any

import pytest
from d3 import CUTOFFS
from d3_engines import Case, mdbench_engine

CASES = [
    Case(n, CUTOFFS[cutoff], cutoff)
    for n, cutoff in [
        (128, "15 A"),
        (372, "15 A"),
        (372, "95 Bohr"),
        (1038, "15 A"),
        (1038, "95 Bohr"),
    ]
]


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("skin", [2.0, 0.0], ids=["kept", "rebuilt"])
@pytest.mark.parametrize("case", CASES, ids=lambda c: f"{c.atoms}, {c.cutoff}")
def test_evaluation(benchmark: Any, case: Case, skin: float, threads: int) -> None:  # noqa: ANN401
    """With the list kept, and with a list made each time."""
    evaluate = mdbench_engine(case, threads=threads, skin=skin, switch=2.0)
    evaluate(0)
    steps = iter(range(1, 1000))
    found = []

    def one() -> None:
        found.append(evaluate(next(steps))[:2])

    benchmark.pedantic(one, rounds=9, warmup_rounds=1)
    total, in_list = (1e3 * min(values) for values in zip(*found, strict=True))
    benchmark.extra_info.update(kernel_ms=total, list_ms=in_list)
    print(f"\n{total:.2f} ms, of which the list {in_list:.2f}")
