"""An analytic two-layer model with the signature of a MACE export: fast, smooth, checkable by eye."""

import torch


class Analytic(torch.nn.Module):
    """Morse pairs plus a message-passing term; energies depend on neighbours of neighbours.

    With c(r) = (1 - r^2/rc^2)^3: rho_i = sum_j w_j c(r_ij), m_i = sum_j tanh(rho_j) c(r_ij),
    E_i = sum_j Morse(r_ij) c(r_ij) / 2 + 0.05 sin(m_i) - 0.1 sqrt(1 + rho_i^2).
    """

    heads: list[str]

    def __init__(self, num_elements: int, cutoff: float) -> None:
        super().__init__()
        self.heads = ["Default"]
        self.cutoff = cutoff
        self.weights = torch.nn.Parameter(torch.linspace(0.6, 1.4, num_elements))

    def forward(
        self, data: dict[str, torch.Tensor], compute_force: bool = True
    ) -> dict[str, torch.Tensor]:
        sender, receiver = data["edge_index"][0], data["edge_index"][1]
        positions = data["positions"]
        r = torch.linalg.norm(positions[receiver] - positions[sender] + data["shifts"], dim=-1)
        c = (1 - (r / self.cutoff) ** 2) ** 3
        zero = torch.zeros(positions.shape[0], dtype=r.dtype, device=r.device)
        w = data["node_attrs"] @ self.weights
        rho = zero.index_add(0, receiver, w[sender] * c)
        m = zero.index_add(0, receiver, torch.tanh(rho)[sender] * c)
        morse = 0.4 * ((1 - torch.exp(-1.6 * (r - 2.5))) ** 2 - 1)
        pair = zero.index_add(0, receiver, 0.5 * morse * c)
        return {"node_energy": pair + 0.05 * torch.sin(m) - 0.1 * torch.sqrt(1 + rho**2)}


class Wrapper(torch.nn.Module):
    """What LAMMPS_MACE of mace-torch adds around a model."""

    def __init__(self, model: Analytic, atomic_numbers: list[int]) -> None:
        super().__init__()
        self.model = model
        self.register_buffer("atomic_numbers", torch.tensor(atomic_numbers))
        self.register_buffer("r_max", torch.tensor(model.cutoff))
        self.register_buffer("num_interactions", torch.tensor(2))
        self.register_buffer("head", torch.tensor([0]))

    def forward(self, data: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        return self.model(data)


def save_analytic(path: str, atomic_numbers: list[int], cutoff: float) -> None:
    """Write the model in double precision."""
    model = Wrapper(Analytic(len(atomic_numbers), cutoff), atomic_numbers).double()
    torch.jit.script(model).save(path)
