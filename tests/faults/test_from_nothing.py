"""What the README promises a new user: from nothing to a report in three minutes."""

import json
import re
import subprocess
import sys
import time
from html.parser import HTMLParser

import pytest
from faults.driver import environment, mdbench
from support import ROOT, Stopwatch


@pytest.mark.alone
@pytest.mark.slow
def test_from_nothing_to_a_report(tmp_path):
    readme = (ROOT / "README.md").read_text()
    verbs = re.findall(r"^mdbench (.*?)\s+#", re.search(r"```sh\n(.*?)```", readme, re.DOTALL)[1],
                       re.MULTILINE)
    assert [v.split()[0] for v in verbs] == ["init", "check", "run", "report"]
    with Stopwatch(time.monotonic) as all_verbs:
        for verb in verbs:
            code, out, err = mdbench(*verb.split(), cwd=tmp_path)
            assert code == 0, out + err
    assert all_verbs.seconds < 180
    page = tmp_path / "graphene-water/report/report.html"
    HTMLParser().feed(page.read_text())
    found = json.loads((tmp_path / "graphene-water/analysis/analysis.json").read_text())["runs"][0]
    assert found["thermo"]["quantities"]["temperature"]["value"] == pytest.approx(298, abs=10)
    profile = found["density_profile"]
    height, highest = max(zip(profile["number_per_nm3"], profile["z_ang"], strict=True))
    assert height > 60 and abs(abs(highest) - 3.28) < 0.4  # in long runs 3.28 A
    peak = profile["peak_ang"]  # of one run in ten so short, too few samples are independent
    assert (peak is None) == ("run longer" in profile["note"])
    if peak is not None:
        assert abs(peak["value"] - 3.28) < 3 * peak["error"] < 0.75
    assert found["rdf"]["O-O"]["first_peak_ang"]["value"] == pytest.approx(2.75, abs=0.03)
    code = re.search(r"```py\n(.*?)```", readme, re.DOTALL)[1]
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment(), text=True,
                          capture_output=True, check=False)
    assert done.returncode == 0 and "Estimate" in done.stdout, done.stderr
