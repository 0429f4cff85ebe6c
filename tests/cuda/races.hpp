// SPDX-License-Identifier: MIT
// Finds races in emulated kernels, in whatever order their threads run: two threads use the same
// memory, one of them writes, and no barrier stands between. As in CUDA, __syncthreads orders the
// accesses of a block and __syncwarp those of a warp; shuffles and votes order nothing. Nothing
// orders blocks. Kernels must be compiled with -fsanitize=thread, whose calls are answered here in
// place of its runtime; otherwise nothing is seen. It takes time: MDBENCH_EMULATION_RACES=1 asks.
#pragma once

#include <cstddef>

namespace emulation::races {

/// Whether races are looked for, in kernels whose accesses are seen.
extern bool active;

void begin_launch();
/// @param shared the block's dynamic shared memory
void begin_block(const void* shared, std::size_t bytes);
/// What is read and written from now on is a thread's; its own stack does not count.
void enter_thread(int thread, const void* stack, std::size_t bytes);
/// And now the host's.
void leave_thread();
/// The thread that runs has got past a barrier of its block, of its warp.
void pass_barrier();
void pass_warp_barrier();
void note_atomic(const void* address, std::size_t bytes);
void note_read_only(const void* address, std::size_t bytes);
/// It changes memory by an atomic operation.
inline void atomic(const void* address, std::size_t bytes) {
  if (active) note_atomic(address, bytes);
}
/// It reads through the cache that does not see what the kernel writes.
inline void read_only(const void* address, std::size_t bytes) {
  if (active) note_read_only(address, bytes);
}

}  // namespace emulation::races
