// SPDX-License-Identifier: MIT
// What the emulated runtime keeps: memory, the work that waits in streams, graphs.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <deque>
#include <map>
#include <mutex>
#include <set>
#include <thread>
#include <vector>

#include "emulation.hpp"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#endif

using Work = std::function<void()>;

struct CUgraph_st {
  std::vector<Work> work;
};
struct CUgraphExec_st {
  std::vector<Work> work;
};
struct CUstream_st {
  int device = 0;
  bool blocking = true;
  std::deque<Work> waiting;
  CUgraph_st* capture = nullptr;
  bool spoiled = false;  // the recording, by a call that CUDA forbids meanwhile
  cudaStreamCaptureMode mode = cudaStreamCaptureModeGlobal;
  std::thread::id owner;  // that records
};
struct CUevent_st {
  CUstream_st* queue = nullptr;  // where it was recorded last; null: never
  bool pending = false;
  std::chrono::steady_clock::time_point time;
};

namespace emulation {

/// The most on all of the GPUs that the kernels run on.
inline constexpr std::size_t kSharedWithoutAsking = 48 * 1024, kSharedMost = 99 * 1024;

/// Memory of a GPU, or the host's, pinned while that GPU was chosen: CUDA lets others use the
/// latter too, at the cost of a context on that one.
struct Room {
  std::size_t bytes;
  int device;
};
using Rooms = std::map<const char*, Room>;

struct Runtime {
  Rooms device, pinned;
  std::map<const void*, std::size_t> shared_limit;
  std::size_t total = std::size_t{8} << 30, used = 0;
  std::deque<std::pair<void*, std::size_t>> freed;  // not given back yet
  std::size_t freed_bytes = 0;
  std::size_t most_pinned = ~std::size_t{0}, pinned_bytes = 0;
  int device_count = 1, device_major = 9, first_major = 9;
  cudaError_t code =  // of kernels
      std::getenv("MDBENCH_EMULATION_NO_CODE") ? cudaErrorNoKernelImageForDevice : cudaSuccess;
  std::set<CUstream_st*> capturing;
  bool spoil = false;
  std::size_t failing = 0;  // number of the allocation to fail, from now
  Counts counts;
  CUstream_st default_queue;
  std::set<CUstream_st*> streams;  // those with queues of their own
};

inline Runtime& runtime() {
  static Runtime* const one = new Runtime;  // outlives what static objects free
  return *one;
}

/// Host threads take turns: CUDA's runtime may be called by several.
class Turn {
 public:
  Turn() { mutex().lock(); }
  ~Turn() { mutex().unlock(); }
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;

 private:
  static std::recursive_mutex& mutex() {
    static auto* const one = new std::recursive_mutex;
    return *one;
  }
};

inline thread_local cudaError_t last_error = cudaSuccess;
inline thread_local int chosen_device = 0;

inline cudaError_t result(cudaError_t error) {
  if (error != cudaSuccess) last_error = error;
  return error;
}

/// Whether a recording forbids this thread to take memory or to copy without a stream; who does
/// spoils it. To wait for the whole device is forbidden to all threads, whatever the mode.
inline bool recording(bool whole_device = false) {
  bool forbidden = false;
  for (CUstream_st* stream : runtime().capturing) {
    const bool by_mode = stream->mode == cudaStreamCaptureModeGlobal ||
                         (stream->mode == cudaStreamCaptureModeThreadLocal &&
                          stream->owner == std::this_thread::get_id());
    if (!whole_device && !by_mode) continue;
    forbidden = stream->spoiled = true;
  }
  return forbidden;
}

/// The allocation that holds all of the bytes, or null.
inline const Room* room_of(const Rooms& allocations, const void* pointer, std::size_t bytes) {
  const char* const address = static_cast<const char*>(pointer);
  auto found = allocations.upper_bound(address);
  if (found == allocations.begin()) return nullptr;
  --found;
  return address + bytes <= found->first + found->second.bytes ? &found->second : nullptr;
}
inline bool inside(const Rooms& allocations, const void* pointer, std::size_t bytes) {
  return room_of(allocations, pointer, bytes);
}

/// AddressSanitizer lets the host touch device memory only in the device's own work.
inline void lock(const void* pointer, std::size_t bytes) {
#if defined(__SANITIZE_ADDRESS__)
  ASAN_POISON_MEMORY_REGION(pointer, bytes);
#else
  static_cast<void>(pointer), static_cast<void>(bytes);
#endif
}
inline void unlock(const void* pointer, std::size_t bytes) {
#if defined(__SANITIZE_ADDRESS__)
  ASAN_UNPOISON_MEMORY_REGION(pointer, bytes);
#else
  static_cast<void>(pointer), static_cast<void>(bytes);
#endif
}

inline void must_be(bool device, const void* pointer, std::size_t bytes) {
  const Room* const room = room_of(device ? runtime().device : runtime().pinned, pointer, bytes);
  if (device && !room) fail("a copy or memset reaches beyond the device's allocations");
  if (!device && inside(runtime().device, pointer, 1))
    fail("a copy takes device memory for the host's");
  if (room && room->device != chosen_device) fail("memory of one GPU is used on another");
}

inline CUstream_st& queue_of(cudaStream_t stream) {
  return stream && !stream->blocking ? *stream : runtime().default_queue;
}

/// Whether this is the allocation that `fail_allocation` named.
bool fails_now();

inline bool recording_blocking() {
  return std::any_of(runtime().capturing.begin(), runtime().capturing.end(),
                     [](auto* stream) { return stream->blocking; });
}

inline cudaError_t push(cudaStream_t stream, Work work) {
  if (stream && stream->device != chosen_device) fail("a stream of one GPU is used on another");
  if (stream && stream->spoiled) return cudaErrorStreamCaptureInvalidated;
  if (stream && stream->capture)
    stream->capture->work.push_back(std::move(work));
  else if (&queue_of(stream) == &runtime().default_queue && recording_blocking())
    return cudaErrorStreamCaptureImplicit;
  else
    queue_of(stream).waiting.push_back(std::move(work));
  return cudaSuccess;
}

inline void drain(CUstream_st& queue) {
  static int depth = 0;  // work may wait for another stream
  if (queue.waiting.empty()) return;
  if (depth++ == 0)
    for (const auto& [pointer, room] : runtime().device) unlock(pointer, room.bytes);
  while (!queue.waiting.empty()) {
    const Work work = std::move(queue.waiting.front());
    queue.waiting.pop_front();
    work();
  }
  if (--depth == 0)
    for (const auto& [pointer, room] : runtime().device) lock(pointer, room.bytes);
}

inline void drain_all() {
  drain(runtime().default_queue);
  for (CUstream_st* const stream : runtime().streams) drain(*stream);
}

}  // namespace emulation
