// SPDX-License-Identifier: MIT
#pragma once

/// Reference data of D3 (Grimme, Antony, Ehrlich, Krieg, J. Chem. Phys. 132, 154104 (2010)) for
/// hydrogen to plutonium, in atomic units; s-dftd3 has newer data from francium on. `z`, `y`:
/// atomic numbers from 1 to kD3Elements.
namespace mdbench::d3 {

inline constexpr double kBohr = 0.529177210903;      ///< Angstrom, CODATA 2018
inline constexpr double kHartree = 27.211386245988;  ///< eV, CODATA 2018
inline constexpr int kD3Elements = 94, kMaxReferences = 5;

int num_references(int z);
/// Coordination number of reference system `a`.
double reference_cn(int z, int a);
/// C6 of reference systems `a` and `b`, Hartree Bohr^6; symmetric.
double reference_c6(int z, int a, int y, int b);
/// Covalent radius times 4/3, Bohr.
double covalent_radius(int z);
/// sqrt(Q) with C8 = 3 C6 sqrt(Q_z Q_y).
double sqrt_q(int z);
/// Cutoff radius R0 of a pair, Bohr.
double cutoff_radius(int z, int y);

}  // namespace mdbench::d3
