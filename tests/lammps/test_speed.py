"""Limits on time, from one run side by side; generous enough for a noisy machine, and no more."""

import json
import statistics
import subprocess
import sys

import pytest
from support import ROOT


@pytest.mark.slow
@pytest.mark.alone
def test_no_slower_than_the_python_calculator(tmp_path):
    output = tmp_path / "times.json"
    script = ROOT / "benchmarks/plugin_vs_calculator.py"
    subprocess.run([sys.executable, str(script), "--rounds", "4", "--steps", "12", "--threads", "1",
                    "--output", str(output)], check=True)
    for row in json.loads(output.read_text())["rows"]:
        # the quietest round of each: what else runs on the machine only adds
        native, torchscript, calculator = (
            min(row[f"{name}_ms"]) for name in ("native", "torchscript", "calculator"))
        assert torchscript <= calculator, row
        assert 10 * native <= calculator, row
        assert statistics.median(row["overhead_percent"]) < 3.0, row
