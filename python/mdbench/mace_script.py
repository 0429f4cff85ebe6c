"""TorchScript of mace-torch models, as LAMMPS calls it. Part of the worker.

Gated layers, as in MACE-MH-1, get a gate of our own: mace-torch 0.3.16 cannot script its own (issue
1713 of ACEsuit/mace).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from mace.calculators import LAMMPS_MACE

from mdbench.errors import Refused

if TYPE_CHECKING:
    from torch import Tensor

GATES = "GatedEquivariantBlock"


class ScriptedGate(torch.nn.Module):  # type: ignore[misc] # torch is Any
    """silu of scalars; vectors and tensors, each channel times the sigmoid of its own gate."""

    def __init__(self, source: Any) -> None:  # noqa: ANN401 - mace has no types
        """Take over the places and the factors of mace-torch's block.

        Raises:
            Refused: when it has other functions, or channels last.
        """
        super().__init__()
        known = (torch.nn.functional.silu, torch.nn.functional.sigmoid)
        if (source._act_scalar, source._act_gate) != known or source._layout_is_ir_mul:  # noqa: SLF001
            raise Refused("its gates are not those of mace-torch's own models: not supported")
        self.scalars: tuple[int, int] = (source._s_start, source._s_len)  # noqa: SLF001
        self.gates: tuple[int, int] = (source._g_start, source._g_len)  # noqa: SLF001
        self.gated: list[tuple[int, int, int, int, int]] = source._gated_info  # noqa: SLF001
        self.scalar_factor: float = source._scalar_cst  # noqa: SLF001
        self.gate_factor: float = source._gate_cst  # noqa: SLF001

    def forward(self, features: Tensor) -> Tensor:
        """Features [nodes, out] of features and gates [nodes, in]."""
        scalars = features.narrow(-1, self.scalars[0], self.scalars[1])
        gates = features.narrow(-1, self.gates[0], self.gates[1]).sigmoid() * self.gate_factor
        parts = [torch.nn.functional.silu(scalars) * self.scalar_factor]
        for start, length, components, channels, gate in self.gated:
            part = features.narrow(-1, start, length).reshape(-1, channels, components)
            part = part * gates.narrow(-1, gate, channels).unsqueeze(-1)
            parts.append(part.reshape(-1, channels * components))
        return torch.cat(parts, dim=-1)


def script(model: Any, head: str) -> Any:  # noqa: ANN401
    """The model, scripted; its own gates are replaced."""
    from e3nn.util import jit  # noqa: PLC0415 - only after mace, which relaxes torch.load

    for name, part in list(model.named_modules()):
        if type(part).__name__ == GATES:
            model.set_submodule(name, ScriptedGate(part))
    return jit.compile(LAMMPS_MACE(model, head=head))
