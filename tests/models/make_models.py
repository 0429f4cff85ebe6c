"""Make the models that the tests use: random weights, real shapes. Runs in its own process.

Usage: python make_models.py FOLDER
"""

import sys
from pathlib import Path

import numpy as np
import torch
from mace import modules
from mace.calculators import LAMMPS_MACE

# e3nn loads only after mace has relaxed torch.load
from mace.modules.models import o3

ALL_89 = [z for z in range(1, 95) if z not in (84, 85, 86, 87, 88)]
GATED = {
    "interaction_cls_first": modules.RealAgnosticResidualNonLinearInteractionBlock,
    "interaction_cls": modules.RealAgnosticResidualNonLinearInteractionBlock,
    "readout_cls": modules.NonLinearBiasReadoutBlock,
    "edge_irreps": o3.Irreps("8x0e+8x1o+8x2e"),
    "use_edge_irreps_first": True,
    "apply_cutoff": False,
    "use_agnostic_product": True,
    "use_last_readout_only": True,
    "correlation": 2,
    "radial_MLP": [16, 16],
    "distance_transform": "Agnesi",
    "pair_repulsion": True,
}
# of MACE-OMOL: classes of both numbers; an energy read from the embedding
CHARGED = {
    "embedding_specs": {
        "total_charge": {"type": "categorical", "per": "graph", "num_classes": 201, "offset": 100,
                         "emb_dim": 8},
        "total_spin": {"type": "categorical", "per": "graph", "num_classes": 101, "emb_dim": 8},
    },
    "use_embedding_readout": True,
}
# a number of its own instead, and no such energy
CONTINUOUS = {"total_charge": {"type": "continuous", "per": "graph", "in_dim": 1, "emb_dim": 8}}


def mace_model(**changes: object) -> torch.nn.Module:
    """A ScaleShiftMACE, or another ``kind``, of given shape with seeded random weights."""
    elements = changes.pop("elements")
    kind = changes.pop("kind", modules.ScaleShiftMACE)
    heads = changes.pop("heads", ["Default"])
    shape = {
        "r_max": 4.0,
        "num_bessel": 8,
        "num_polynomial_cutoff": 5,
        "max_ell": 2,
        "interaction_cls_first": modules.RealAgnosticResidualInteractionBlock,
        "interaction_cls": modules.RealAgnosticResidualInteractionBlock,
        "num_interactions": 2,
        "hidden_irreps": o3.Irreps("16x0e+16x1o"),
        "MLP_irreps": o3.Irreps("16x0e"),
        "gate": torch.nn.functional.silu,
        "avg_num_neighbors": 20.0,
        "correlation": 3,
        "radial_type": "bessel",
    }
    torch.manual_seed(5)
    rng = np.random.default_rng(5)
    many = len(heads)
    if kind is modules.ScaleShiftMACE:
        shape["atomic_inter_scale"] = [0.8, 0.5, 1.3][:many] if many > 1 else 0.8
        shape["atomic_inter_shift"] = [0.1, -0.2, 0.3][:many] if many > 1 else 0.1
    return kind(
        **{**shape, **changes},
        num_elements=len(elements),
        atomic_numbers=elements,
        atomic_energies=-rng.uniform(1, 9, size=(many, len(elements))),
        heads=heads,
    )


def learn(model: torch.nn.Module) -> None:
    """What training would have made of parameters that begin at zero, one or next to it."""
    with torch.no_grad():
        for name, value in model.named_parameters():
            if name.endswith(("bias", "beta", "_embedding.weight", "net.1.weight")):
                value.uniform_(-1, 1)
            if name.endswith("alpha"):
                value.fill_(3.0)


def main() -> None:
    """Write every model, all but one in double precision."""
    from e3nn.util import jit  # noqa: PLC0415 - only after mace, as above

    folder = Path(sys.argv[1])
    torch.set_default_dtype(torch.float64)
    models = {
        # the shape of MACE-MP-0b3 medium
        "medium": mace_model(
            elements=ALL_89,
            r_max=6.0,
            num_bessel=10,
            max_ell=3,
            hidden_irreps=o3.Irreps("128x0e+128x1o"),
            interaction_cls_first=modules.RealAgnosticDensityInteractionBlock,
            interaction_cls=modules.RealAgnosticDensityResidualInteractionBlock,
            avg_num_neighbors=61.0,
            distance_transform="Agnesi",
            pair_repulsion=True,
        ),
        "two_heads": mace_model(elements=[1, 6, 8], heads=["pbe", "r2scan"]),
        # the blocks of MACE-MH-1
        "gated": mace_model(elements=[1, 6, 8], heads=["omat", "spice"], **GATED),
        "charged": mace_model(elements=[1, 6, 8], **GATED, **CHARGED),
        "charged_heads": mace_model(elements=[1, 6, 8], heads=["pbe", "r2scan"], **CHARGED),
    }
    torch.set_default_dtype(torch.float32)
    models["charged_single"] = mace_model(
        elements=[1, 6, 8], kind=modules.MACE, embedding_specs=CONTINUOUS
    )
    torch.set_default_dtype(torch.float64)
    for name in ("gated", "charged"):
        learn(models[name])
    for name, model in models.items():
        torch.save(model, folder / f"{name}.model")
        if name not in ("medium", "two_heads"):  # mace-torch cannot script them
            continue
        script = jit.compile(LAMMPS_MACE(model.eval(), head=model.heads[0]))
        script.save(str(folder / f"{name}-lammps.pt"))


if __name__ == "__main__":
    main()
