// SPDX-License-Identifier: MIT
// Small kernels by which the emulation, and a GPU beside it, are tested.
#pragma once

#include "device.hpp"

namespace mdbench::cuda::sample {

/// What each lane of a warp gets from the warp operations.
struct LaneResults {
  double from_seventh;    ///< shuffle from lane 7 lane + 3
  float within_eight;     ///< from lane 5, width 8
  int up, down;           ///< by 3 in width 16, by 5
  long long exchanged;    ///< with lane ^ 16, width 16: the lower half keeps its own
  unsigned equal, third;  ///< lanes with the same lane % 5; ballot of lane % 3 == 0
  int any, all;           ///< in each half by itself: of lane == 20, of lane < 16
  unsigned largest;       ///< of 7 lane % 32
  int sum;                ///< of the lanes of the own half
};
struct Lanes {
  LaneResults* out;  ///< [32]
};
void lanes(const Lanes&, cudaStream_t stream);

/// Reverses each block's numbers through shared memory.
struct Reverse {
  const int* in;
  int* out;
  int blocks, threads;
};
void reverse(const Reverse&, cudaStream_t stream);

/// The same by dynamic shared memory of `elements`.
void reverse_dynamic(const Reverse&, int elements, cudaStream_t stream);

/// Each thread takes the number of the one before it; without a barrier this is a race, hidden as
/// long as the threads run in order.
struct Shift {
  const int* in;
  int* out;
  int threads;
  bool with_barrier;
};
void shift(const Shift&, cudaStream_t stream);

struct Convert {
  const double* in;
  long long* out;
  int count;
};
void convert(const Convert&, cudaStream_t stream);

/// All threads add to one place.
struct Accumulate {
  unsigned long long* sum;
  unsigned* bits;
  int *count, *largest;
  int blocks, threads;
};
void accumulate(const Accumulate&, cudaStream_t stream);

/// Faults that the emulation has to name.
enum class Fault { early_return, other_barrier, lane_missing, other_call, outside_mask, overflow };
struct Faulty {
  int* out;
  Fault fault;
};
void faulty(const Faulty&, cudaStream_t stream);

/// Two blocks of 64 threads, most of which race.
enum class Race {
  none,
  shuffle_is_no_barrier,
  other_warp,
  write_after_read,
  other_block,
  atomic_and_read,
  read_only_cache
};
struct Racing {
  int* out;  ///< [129]
  Race race;
};
void racing(const Racing&, cudaStream_t stream);

}  // namespace mdbench::cuda::sample
