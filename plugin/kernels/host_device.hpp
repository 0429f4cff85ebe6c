// SPDX-License-Identifier: MIT
#pragma once

/// Marks formulas that the CPU and GPUs share.
#ifdef __CUDACC__
#define MDBENCH_HD __host__ __device__
#else
#define MDBENCH_HD
#endif
