// SPDX-License-Identifier: GPL-2.0-only
#pragma once

namespace LAMMPS_NS {

/// Stops with one line where the LAMMPS that runs is not the one whose headers this was built with.
/// Calls would go to the wrong functions and members.
void require_same_lammps(class LAMMPS* lmp);

}  // namespace LAMMPS_NS
