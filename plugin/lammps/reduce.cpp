// SPDX-License-Identifier: GPL-2.0-only
#include "reduce.h"

#include <cstdarg>
#include <cstdio>

namespace mdbench {

std::string format_text(const char* pattern, ...) {
  char line[512];
  va_list args;
  va_start(args, pattern);
  std::vsnprintf(line, sizeof line, pattern, args);
  va_end(args);
  return line;
}

double reduced(double value, MPI_Op op, MPI_Comm world) {
  double all = value;
  MPI_Allreduce(&value, &all, 1, MPI_DOUBLE, op, world);
  return all;
}

}  // namespace mdbench
