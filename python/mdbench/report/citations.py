"""Software and methods that a report's numbers rest on, as text and as BibTeX."""

from __future__ import annotations

from dataclasses import dataclass

from mdbench.plots.series import Json, Series, lookup


@dataclass(frozen=True)
class Citation:
    """One entry of the list."""

    name: str
    text: str
    doi: str  # or an arXiv number, or empty
    bibtex: str

    @property
    def url(self) -> str:
        """Where it is found."""
        return f"https://doi.org/{self.doi}" if self.doi else ""


def _article(key: str, doi: str, **fields: str) -> str:
    """A BibTeX entry."""
    kind = "inproceedings" if "booktitle" in fields else "article"
    lines = [f"  {name} = {{{value}}}," for name, value in fields.items()]
    return "\n".join([f"@{kind}{{{key},", *lines, f"  doi = {{{doi}}},", "}"])


MDBENCH = Citation(
    "mdbench",
    "The mdbench developers, mdbench: MACE molecular dynamics in stock LAMMPS.",
    "",
    "@software{mdbench,\n  author = {{The mdbench developers}},\n"
    "  title = {mdbench: {MACE} molecular dynamics in stock {LAMMPS}},\n}",
)
LAMMPS = Citation(
    "LAMMPS",
    "A. P. Thompson et al., Comput. Phys. Commun. 271, 108171 (2022).",
    "10.1016/j.cpc.2021.108171",
    _article(
        "lammps",
        "10.1016/j.cpc.2021.108171",
        author="Thompson, A. P. and Aktulga, H. M. and Berger, R. and Bolintineanu, D. S. and "
        "Brown, W. M. and Crozier, P. S. and in 't Veld, P. J. and Kohlmeyer, A. and Moore, S. G. "
        "and Nguyen, T. D. and Shan, R. and Stevens, M. J. and Tranchida, J. and Trott, C. and "
        "Plimpton, S. J.",
        title="{LAMMPS} - a flexible simulation tool for particle-based materials modeling at the "
        "atomic, meso, and continuum scales",
        journal="Comput. Phys. Commun.",
        volume="271",
        pages="108171",
        year="2022",
    ),
)
RBMD = Citation(
    "RBMD",
    "W. Gao, T. Zhao, Y. Guo et al., RBMD: A molecular dynamics package enabling to simulate 10 "
    "million all-atom particles in a single graphics processing unit, arXiv:2407.09315 (2024).",
    "10.48550/arXiv.2407.09315",
    _article(
        "rbmd",
        "10.48550/arXiv.2407.09315",
        author="Gao, W. and Zhao, T. and Guo, Y. and others",
        title="{RBMD}: A molecular dynamics package enabling to simulate 10 million all-atom "
        "particles in a single graphics processing unit",
        journal="arXiv:2407.09315",
        year="2024",
    ),
)
MACE = Citation(
    "MACE",
    "I. Batatia, D. P. Kovács, G. N. C. Simm, C. Ortner and G. Csányi, MACE: Higher Order "
    "Equivariant Message Passing Neural Networks, NeurIPS 35 (2022).",
    "10.48550/arXiv.2206.07697",
    _article(
        "mace",
        "10.48550/arXiv.2206.07697",
        author="Batatia, I. and Kov{\\'a}cs, D. P. and Simm, G. N. C. and Ortner, C. and "
        "Cs{\\'a}nyi, G.",
        title="{MACE}: Higher Order Equivariant Message Passing Neural Networks for Fast and "
        "Accurate Force Fields",
        booktitle="Advances in Neural Information Processing Systems",
        volume="35",
        year="2022",
    ),
)
ASE = Citation(
    "ASE",
    "A. H. Larsen et al., J. Phys.: Condens. Matter 29, 273002 (2017).",
    "10.1088/1361-648X/aa680e",
    _article(
        "ase",
        "10.1088/1361-648X/aa680e",
        author="Larsen, A. H. and others",
        title="The atomic simulation environment - a {Python} library for working with atoms",
        journal="J. Phys.: Condens. Matter",
        volume="29",
        pages="273002",
        year="2017",
    ),
)
MDANALYSIS = Citation(
    "MDAnalysis",
    "N. Michaud-Agrawal, E. J. Denning, T. B. Woolf and O. Beckstein, J. Comput. Chem. 32, 2319 "
    "(2011).",
    "10.1002/jcc.21787",
    _article(
        "mdanalysis",
        "10.1002/jcc.21787",
        author="Michaud-Agrawal, N. and Denning, E. J. and Woolf, T. B. and Beckstein, O.",
        title="{MDAnalysis}: A toolkit for the analysis of molecular dynamics simulations",
        journal="J. Comput. Chem.",
        volume="32",
        pages="2319--2327",
        year="2011",
    ),
)
EQUILIBRATION = Citation(
    "Equilibration and errors",
    "J. D. Chodera, J. Chem. Theory Comput. 12, 1799 (2016).",
    "10.1021/acs.jctc.5b00784",
    _article(
        "equilibration",
        "10.1021/acs.jctc.5b00784",
        author="Chodera, J. D.",
        title="A simple method for automated equilibration detection in molecular simulations",
        journal="J. Chem. Theory Comput.",
        volume="12",
        pages="1799--1805",
        year="2016",
    ),
)
INEFFICIENCY = Citation(
    "Statistical inefficiency",
    "M. R. Shirts and J. D. Chodera, J. Chem. Phys. 129, 124105 (2008).",
    "10.1063/1.2978177",
    _article(
        "mbar",
        "10.1063/1.2978177",
        author="Shirts, M. R. and Chodera, J. D.",
        title="Statistically optimal analysis of samples from multiple equilibrium states",
        journal="J. Chem. Phys.",
        volume="129",
        pages="124105",
        year="2008",
    ),
)
YEH_HUMMER = Citation(
    "Finite-size correction",
    "I.-C. Yeh and G. Hummer, J. Phys. Chem. B 108, 15873 (2004).",
    "10.1021/jp0477147",
    _article(
        "yehhummer",
        "10.1021/jp0477147",
        author="Yeh, I.-C. and Hummer, G.",
        title="System-size dependence of diffusion coefficients and viscosities from molecular "
        "dynamics simulations with periodic boundary conditions",
        journal="J. Phys. Chem. B",
        volume="108",
        pages="15873--15879",
        year="2004",
    ),
)
D3 = Citation(
    "D3 dispersion",
    "S. Grimme, J. Antony, S. Ehrlich and H. Krieg, J. Chem. Phys. 132, 154104 (2010).",
    "10.1063/1.3382344",
    _article(
        "d3",
        "10.1063/1.3382344",
        author="Grimme, S. and Antony, J. and Ehrlich, S. and Krieg, H.",
        title="A consistent and accurate ab initio parametrization of density functional "
        "dispersion correction ({DFT-D}) for the 94 elements {H}-{Pu}",
        journal="J. Chem. Phys.",
        volume="132",
        pages="154104",
        year="2010",
    ),
)
D3_BJ = Citation(
    "Becke-Johnson damping",
    "S. Grimme, S. Ehrlich and L. Goerigk, J. Comput. Chem. 32, 1456 (2011).",
    "10.1002/jcc.21759",
    _article(
        "d3bj",
        "10.1002/jcc.21759",
        author="Grimme, S. and Ehrlich, S. and Goerigk, L.",
        title="Effect of the damping function in dispersion corrected density functional theory",
        journal="J. Comput. Chem.",
        volume="32",
        pages="1456--1465",
        year="2011",
    ),
)
D3_MODIFIED = Citation(
    "Modified damping",
    "D. G. A. Smith, L. A. Burns, K. Patkowski and C. D. Sherrill, J. Phys. Chem. Lett. 7, 2197 "
    "(2016).",
    "10.1021/acs.jpclett.6b00780",
    _article(
        "d3m",
        "10.1021/acs.jpclett.6b00780",
        author="Smith, D. G. A. and Burns, L. A. and Patkowski, K. and Sherrill, C. D.",
        title="Revised damping parameters for the {D3} dispersion correction to density functional "
        "theory",
        journal="J. Phys. Chem. Lett.",
        volume="7",
        pages="2197--2203",
        year="2016",
    ),
)
_OF_DAMPING = {
    "zero": (D3,),
    "bj": (D3, D3_BJ),
    "zerom": (D3, D3_MODIFIED),
    "bjm": (D3, D3_BJ, D3_MODIFIED),
}


def citations(series: list[Series]) -> list[Citation]:
    """What these runs rest on."""
    runs = [run for one in series for run in one.runs]
    used = {name.lower() for run in runs for name in _versions(run)}
    dampings = {str(lookup(run, "provenance", "dispersion", "damping")) for run in runs}
    d3 = dict.fromkeys(c for name in sorted(dampings) for c in _OF_DAMPING.get(name, ()))
    by_rbmd = [lookup(run, "provenance", "engine") == RBMD.name for run in runs]
    found = [MDBENCH]
    found += [LAMMPS] if not by_rbmd or not all(by_rbmd) else []
    found += [RBMD] if any(by_rbmd) else []
    found += [MACE] if not runs or not all(map(_is_classical, runs)) else []
    found += [*d3, ASE]
    found += [MDANALYSIS] if any(MDANALYSIS.name.lower() in name for name in used) else []
    found += [EQUILIBRATION, INEFFICIENCY]
    corrected = any(
        one.estimate("msd", element, "yeh_hummer") for one in series for element in one.keys("msd")
    )
    return [*found, YEH_HUMMER] if corrected else found


def _is_classical(run: Json) -> bool:
    """Whether a run says that no learned model acted in it; a plain LAMMPS log says nothing."""
    about = str(lookup(run, "provenance", "model", "description"))
    by_rbmd = lookup(run, "provenance", "engine") == RBMD.name
    no_model = lookup(run, "provenance", "model", "file") is None
    return about.startswith("classical") or (by_rbmd and no_model)


def _versions(run: Json) -> list[str]:
    """Names of the software of a run."""
    found = lookup(run, "provenance", "versions")
    return list(map(str, found)) if isinstance(found, dict) else []
