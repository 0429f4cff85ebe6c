"""A grid of small random-weight architectures as native files, with what mace-torch makes of them.

Usage: python native_models.py FOLDER. Writes for every NAME of CASES: NAME.model, NAME.mace (all
elements), NAME-some.mace (those in KEPT) and their answers NAME.json, NAME-some.json: `metadata`
and `probes`, per head two graphs with energies and edge gradients in double precision. For every
NAME of REFUSED: NAME.json with the refusal. All in one process: importing mace takes seconds.
"""

import json
import sys
from pathlib import Path

import torch
from mace import modules
from make_models import learn, mace_model

# e3nn loads only after mace has relaxed torch.load
from mace.modules.models import o3  # isort: skip

from mdbench import mace_worker
from mdbench.errors import Refused

ELEMENTS = [1, 3, 6, 7, 8, 9, 14, 16, 29, 79]
KEPT = {1: [79], 2: [1, 8], 3: [1, 6, 8], 4: [3, 7, 14, 29]}
PLAIN = modules.RealAgnosticInteractionBlock
RESIDUAL = modules.RealAgnosticResidualInteractionBlock
DENSITY = modules.RealAgnosticDensityInteractionBlock
DENSITY_RESIDUAL = modules.RealAgnosticDensityResidualInteractionBlock
GATED = modules.RealAgnosticResidualNonLinearInteractionBlock
BIASED = modules.NonLinearBiasReadoutBlock
SILU, TANH = torch.nn.functional.silu, torch.tanh


def shape(hidden_l, correlation, max_ell, layers, blocks, **more):
    """Arguments of a model: 8 channels for every l of the hidden features."""
    return {
        "hidden_irreps": o3.Irreps("+".join(f"8x{l}{'eo'[l % 2]}" for l in range(hidden_l + 1))),
        "correlation": correlation, "max_ell": max_ell, "num_interactions": layers,
        "interaction_cls_first": blocks[0], "interaction_cls": blocks[1],
        "radial_MLP": [8, 6], "MLP_irreps": o3.Irreps("4x0e"), "gate": SILU, "num_bessel": 5,
        **more,
    }


TWO, THREE = ["pbe", "r2scan"], ["a", "b", "c"]
# single: trained in float32; kept: how many elements the second file keeps
CASES = {
    "scalars": shape(0, 1, 1, 1, (PLAIN, PLAIN), kept=1, unscaled=True),
    "one_layer": shape(1, 3, 2, 1, (RESIDUAL, RESIDUAL), kept=2, single=True, heads=TWO),
    "residual": shape(1, 2, 2, 2, (RESIDUAL, RESIDUAL), kept=3, single=True,
                      distance_transform="Agnesi", gate=TANH),
    "mixed": shape(2, 3, 3, 2, (PLAIN, RESIDUAL), kept=2, use_reduced_cg=False),
    "density": shape(1, 3, 3, 2, (DENSITY, DENSITY_RESIDUAL), kept=3, single=True, heads=TWO,
                     distance_transform="Agnesi", pair_repulsion=True, apply_cutoff=False),
    "density_residual": shape(1, 2, 2, 3, (DENSITY_RESIDUAL, DENSITY_RESIDUAL), kept=4, heads=THREE,
                              radial_type="gaussian"),
    "plain": shape(2, 2, 2, 3, (PLAIN, PLAIN), kept=4, distance_transform="Soft",
                   radial_type="gaussian", unscaled=True, pair_repulsion=True, heads=TWO),
    "chebyshev": shape(1, 2, 1, 2, (DENSITY, DENSITY), kept=1, radial_type="chebyshev",
                       distance_transform="Agnesi", apply_cutoff=False, num_bessel=8),
    "soft": shape(0, 3, 2, 2, (RESIDUAL, DENSITY_RESIDUAL), kept=2, distance_transform="Soft"),
    "agnostic": shape(1, 3, 2, 2, (RESIDUAL, RESIDUAL), kept=3, use_agnostic_product=True,
                      use_last_readout_only=True, apply_cutoff=False, heads=THREE, gate=None),
    "last_readout": shape(1, 2, 1, 3, (PLAIN, DENSITY_RESIDUAL), kept=1, heads=THREE, gate=TANH,
                          use_last_readout_only=True, keep_last_layer_irreps=True, single=True),
    "gated": shape(1, 2, 3, 2, (GATED, GATED), kept=2, single=True, heads=TWO, apply_cutoff=False,
                   edge_irreps=o3.Irreps("4x0e+4x1o+4x2e"), use_edge_irreps_first=True,
                   use_agnostic_product=True, use_last_readout_only=True, readout_cls=BIASED,
                   distance_transform="Agnesi", pair_repulsion=True),
    "gated_deep": shape(2, 2, 2, 3, (RESIDUAL, GATED), kept=3, apply_cutoff=False, gate=TANH,
                        edge_irreps=o3.Irreps("12x0e+12x1o+12x2e"), use_edge_irreps_first=False,
                        readout_cls=BIASED),
    "beyond_reach": shape(2, [2, 1], 1, 2, (RESIDUAL, RESIDUAL), kept=4, single=True,
                          use_reduced_cg=True, num_polynomial_cutoff=6, pair_repulsion=True),
}
REFUSED = {
    "attention": shape(0, 1, 1, 1, (modules.RealAgnosticAttResidualInteractionBlock, PLAIN)),
    "gates_cut": shape(0, 1, 1, 2, (RESIDUAL, GATED)),
    "high_ell": shape(0, 1, 4, 1, (PLAIN, PLAIN)),
    "high_order": shape(0, 4, 1, 1, (PLAIN, PLAIN)),
    "so3": shape(0, 1, 1, 1, (PLAIN, PLAIN), use_so3=True),
    "unequal": shape(0, 1, 1, 2, (RESIDUAL, RESIDUAL)) | {"hidden_irreps": o3.Irreps("8x0e+4x1o")},
    "parity": shape(0, 1, 1, 2, (RESIDUAL, RESIDUAL)) | {"hidden_irreps": o3.Irreps("8x0e+8x0o")},
    "edges": shape(0, 1, 1, 2, (RESIDUAL, RESIDUAL), edge_irreps=o3.Irreps("4x0e")),
    "gate": shape(0, 1, 1, 2, (RESIDUAL, RESIDUAL), gate=torch.abs),
    "readout": shape(0, 1, 1, 2, (RESIDUAL, RESIDUAL), readout_cls=BIASED, gate=None),
}


def build(**case):
    """The model of a case."""
    torch.set_default_dtype(torch.float32 if case.pop("single", False) else torch.float64)
    kind = modules.MACE if case.pop("unscaled", False) else modules.ScaleShiftMACE
    model = mace_model(kind=kind, elements=ELEMENTS, **case)
    if GATED in (case["interaction_cls"], case["interaction_cls_first"]):
        learn(model)
    return model


def request(folder, name, target, elements):
    """What the driver asks of the worker."""
    return {
        "model": str(folder / f"{name}.model"), "output": str(folder / f"{target}.mace"),
        "head": None, "elements": elements, "description": "a test model",
        "source_sha256": "0" * 64, "labels_include_dispersion": "none",
    }


def refusal(task, asked):
    """The answer of the worker, or its reason not to."""
    try:
        return task(asked)
    except Refused as reason:
        return {"error": str(reason)}


def main() -> None:
    """Write everything."""
    folder = Path(sys.argv[1])

    def answer(name, content):
        (folder / f"{name}.json").write_text(json.dumps(content))

    for name, case in CASES.items():
        kept = KEPT[case.pop("kept")]
        torch.save(build(**case), folder / f"{name}.model")
        for target, elements in ((name, None), (f"{name}-some", kept)):
            answer(target, mace_worker.native(request(folder, name, target, elements)))
    for name, case in REFUSED.items():
        torch.save(build(**case), folder / f"{name}.model")
        answer(name, refusal(mace_worker.native, request(folder, name, name, None)))
    asked = request(folder, "chebyshev", "unwritten", None)
    answer("chebyshev-torchscript", refusal(mace_worker.convert, asked))


if __name__ == "__main__":
    main()
