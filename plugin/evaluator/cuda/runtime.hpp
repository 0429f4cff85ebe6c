// SPDX-License-Identifier: MIT
#pragma once

#include <functional>
#include <string>
#include <utility>

#include "device.hpp"
#include "error.hpp"

namespace mdbench::cuda {

/// CUDA refuses it while a graph is recorded, and does it otherwise.
struct NotRecorded : Error {
  using Error::Error;
};

/// Throws mdbench::Error unless `status` is cudaSuccess; `what` was being done ("copying ...").
void check(cudaError_t status, const char* what);
/// The same for what was launched last.
inline void check_launch(const char* what) { check(cudaGetLastError(), what); }

/// GPUs that CUDA sees; 0 without a driver.
int device_count();
/// Those of them that the kernels run on.
int usable_devices();
/// The GPU that "cuda" or "cuda:N" means to a rank; "cuda" deals the GPUs to the ranks of a node.
int choose_device(const std::string& name, int local_rank);
void use_device(int device);
/// Whether this build holds kernels that the GPU in use runs; else throws, unless it is `optional`.
bool find_kernels(bool optional);
/// Such as "NVIDIA H100 80GB HBM3 (sm_90)", of the GPU in use.
std::string describe_device();

/// Bytes that nobody has taken of the memory of the GPU in use.
std::size_t free_bytes();

/// Waits for all work on the device, copies, waits.
void copy_and_wait(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind);
/// In the order of the stream. The host's memory must stay until the stream has come to this.
void copy_later(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind,
                cudaStream_t stream);

/// A queue of work that does not wait for the default stream.
class Stream {
 public:
  Stream();
  ~Stream();
  Stream(Stream&& other) noexcept : stream_(other.stream_) { other.stream_ = nullptr; }
  Stream& operator=(Stream&& other) noexcept;
  operator cudaStream_t() const { return stream_; }
  /// Waits until its work is done; errors of kernels show here.
  void synchronize() const;

 private:
  cudaStream_t stream_ = nullptr;
};

/// A point in a stream, and the time at which it was reached.
class Event {
 public:
  Event();
  ~Event();
  Event(Event&& other) noexcept : event_(other.event_) { other.event_ = nullptr; }
  Event& operator=(Event&& other) noexcept;
  operator cudaEvent_t() const { return event_; }
  void record(cudaStream_t stream);
  void synchronize() const;
  /// From `start` to this; both are waited for.
  double seconds_since(const Event& start) const;

 private:
  cudaEvent_t event_ = nullptr;
};

/// Work that was recorded once and starts again at the cost of one launch. It keeps the addresses,
/// sizes and launches of the recording: whoever changes one of these says so, and records again.
class Graph {
 public:
  Graph() = default;
  ~Graph() { reset(); }
  Graph(Graph&& other) noexcept
      : exec_(std::exchange(other.exec_, nullptr)), current_(other.current_) {}
  Graph& operator=(Graph&& other) noexcept;
  /// Records what `enqueue` puts on the stream, which does not run, in place of what there was.
  /// False where something spoiled the recording, such as another library's thread that waited for
  /// the whole device, where CUDA refuses to record something, such as the first start of a kernel,
  /// or where the GPU has no memory for it: there is no graph then.
  bool capture(cudaStream_t stream, const std::function<void()>& enqueue);
  void launch(cudaStream_t stream) const;
  bool captured() const { return current_; }
  /// What was recorded has changed: the graph is kept only for the next recording to go into.
  void outdate() { current_ = false; }
  void reset() noexcept;

 private:
  cudaError_t make(cudaGraph_t graph, cudaStream_t stream);
  cudaGraphExec_t exec_ = nullptr;
  bool current_ = false;  ///< not outdated
};

}  // namespace mdbench::cuda
