// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <mpi.h>

#include <string>

namespace mdbench {

/// As printf.
std::string format_text(const char* pattern, ...) __attribute__((format(printf, 1, 2)));

/// A value of all ranks together; collective.
double reduced(double value, MPI_Op op, MPI_Comm world);

}  // namespace mdbench
