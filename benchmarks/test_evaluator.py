"""Parts that run in this process, timed: python -m pytest benchmarks/test_evaluator.py.

Prints the native evaluator's stages in microseconds an atom. `benchmarks/kernels.cpp` times the
kernels alone against the peaks of the machine.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from native_vs_peers import files, structure

from mdbench import _core
from mdbench.core import GraphArrays


def evaluator_and_graph(model: str, precision: str) -> tuple[Any, GraphArrays]:
    """The native evaluator and the 372-atom interface's graph."""
    path = files(model)["native"]
    evaluator = _core.load_evaluator(str(path), device="cpu", precision=precision, threads=1)
    info = evaluator.info
    graph = GraphArrays.from_atoms(structure(), info["atomic_numbers"], info["cutoff_ang"])
    evaluator.prepare(np.unique(graph.species))
    return evaluator, graph


@pytest.mark.parametrize("precision", ["single", "mixed", "double"])
@pytest.mark.parametrize("model", ["bundled", "medium"])
def test_evaluate(benchmark: Any, model: str, precision: str) -> None:  # noqa: ANN401
    """Energy and edge gradients."""
    evaluator, graph = evaluator_and_graph(model, precision)
    arguments = (graph.species, graph.first_edge, graph.sender, graph.edge_vector, graph.num_local)
    before, calls = dict(evaluator.stage_seconds()), 0

    def evaluate() -> None:
        nonlocal calls
        calls += 1
        evaluator.evaluate(*arguments)

    benchmark.pedantic(evaluate, rounds=9, warmup_rounds=1)
    microseconds = {
        stage: 1e6 * (seconds - before[stage]) / calls / graph.num_local
        for stage, seconds in evaluator.stage_seconds()
    }
    benchmark.extra_info["us_per_atom"] = microseconds
    print(f"\n{model}, {precision}, {evaluator.info['kernel']}: us/atom by stage")
    for stage, value in microseconds.items():
        print(f"  {stage:26s} {value:8.2f}")
