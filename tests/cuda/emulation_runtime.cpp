// SPDX-License-Identifier: MIT
// The emulated runtime: memory, streams, events, graphs.
#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <deque>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <utility>
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
  bool blocking = true;
  std::deque<Work> waiting;
  CUgraph_st* capture = nullptr;
  cudaStreamCaptureMode mode = cudaStreamCaptureModeGlobal;
  std::thread::id owner;  // that records
};
struct CUevent_st {
  CUstream_st* queue = nullptr;  // where it was recorded last; null: never
  bool pending = false;
  std::chrono::steady_clock::time_point time;
};

namespace {

constexpr std::size_t kSharedWithoutAsking = 48 * 1024, kSharedMost = 227 * 1024;

struct Runtime {
  std::map<const char*, std::size_t> device, pinned;
  std::map<const void*, std::size_t> shared_limit;
  std::size_t total = std::size_t{8} << 30, used = 0;
  int device_count = 1;
  std::set<CUstream_st*> capturing;
  emulation::Counts counts;
  CUstream_st default_queue;
  std::set<CUstream_st*> streams;  // those with queues of their own
};

Runtime& runtime() {
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

thread_local cudaError_t last_error = cudaSuccess;

cudaError_t result(cudaError_t error) {
  if (error != cudaSuccess) last_error = error;
  return error;
}

/// Whether a recording forbids this thread to take memory or to copy without a stream.
bool recording() {
  return std::any_of(runtime().capturing.begin(), runtime().capturing.end(), [](auto* stream) {
    return stream->mode == cudaStreamCaptureModeGlobal ||
           (stream->mode == cudaStreamCaptureModeThreadLocal &&
            stream->owner == std::this_thread::get_id());
  });
}

/// Whether an allocation holds all of the bytes.
bool inside(const std::map<const char*, std::size_t>& allocations, const void* pointer,
            std::size_t bytes) {
  const char* const address = static_cast<const char*>(pointer);
  auto found = allocations.upper_bound(address);
  if (found == allocations.begin()) return false;
  --found;
  return address + bytes <= found->first + found->second;
}

/// AddressSanitizer lets the host touch device memory only in the device's own work.
void lock(const void* pointer, std::size_t bytes) {
#if defined(__SANITIZE_ADDRESS__)
  ASAN_POISON_MEMORY_REGION(pointer, bytes);
#else
  static_cast<void>(pointer), static_cast<void>(bytes);
#endif
}
void unlock(const void* pointer, std::size_t bytes) {
#if defined(__SANITIZE_ADDRESS__)
  ASAN_UNPOISON_MEMORY_REGION(pointer, bytes);
#else
  static_cast<void>(pointer), static_cast<void>(bytes);
#endif
}

void must_be(bool device, const void* pointer, std::size_t bytes) {
  if (device && !inside(runtime().device, pointer, bytes))
    emulation::fail("a copy or memset reaches beyond the device's allocations");
  if (!device && inside(runtime().device, pointer, 1))
    emulation::fail("a copy takes device memory for the host's");
}

CUstream_st& queue_of(cudaStream_t stream) {
  return stream && !stream->blocking ? *stream : runtime().default_queue;
}

bool recording_blocking() {
  return std::any_of(runtime().capturing.begin(), runtime().capturing.end(),
                     [](auto* stream) { return stream->blocking; });
}

cudaError_t push(cudaStream_t stream, Work work) {
  if (stream && stream->capture)
    stream->capture->work.push_back(std::move(work));
  else if (&queue_of(stream) == &runtime().default_queue && recording_blocking())
    return cudaErrorStreamCaptureImplicit;
  else
    queue_of(stream).waiting.push_back(std::move(work));
  return cudaSuccess;
}

void drain(CUstream_st& queue) {
  static int depth = 0;  // work may wait for another stream
  if (queue.waiting.empty()) return;
  if (depth++ == 0)
    for (const auto& [pointer, bytes] : runtime().device) unlock(pointer, bytes);
  while (!queue.waiting.empty()) {
    const Work work = std::move(queue.waiting.front());
    queue.waiting.pop_front();
    work();
  }
  if (--depth == 0)
    for (const auto& [pointer, bytes] : runtime().device) lock(pointer, bytes);
}

void drain_all() {
  drain(runtime().default_queue);
  for (CUstream_st* const stream : runtime().streams) drain(*stream);
}

cudaError_t allocate(std::map<const char*, std::size_t>& allocations, void** pointer,
                     std::size_t bytes) {
  *pointer = nullptr;
  if (bytes == 0) return cudaSuccess;
  if (posix_memalign(pointer, 256, bytes) != 0) return cudaErrorMemoryAllocation;
  std::memset(*pointer, 0xff, bytes);
  ++runtime().counts.allocations;
  allocations[static_cast<const char*>(*pointer)] = bytes;
  return cudaSuccess;
}

std::size_t release(std::map<const char*, std::size_t>& allocations, void* pointer) {
  const auto found = allocations.find(static_cast<const char*>(pointer));
  if (found == allocations.end()) emulation::fail("memory is freed that was not allocated");
  const std::size_t bytes = found->second;
  unlock(pointer, bytes);
  allocations.erase(found);
  std::free(pointer);
  return bytes;
}

}  // namespace

namespace emulation {

void set_device_memory(std::size_t bytes) { runtime().total = bytes; }
void set_device_count(int count) { runtime().device_count = count; }
Counts counts() { return runtime().counts; }

cudaError_t set_function_attribute(const void* kernel, cudaFuncAttribute attribute, int value) {
  if (attribute != cudaFuncAttributeMaxDynamicSharedMemorySize) return cudaSuccess;
  if (value < 0 || static_cast<std::size_t>(value) > kSharedMost)
    return result(cudaErrorInvalidValue);
  runtime().shared_limit[kernel] = static_cast<std::size_t>(value);
  return cudaSuccess;
}

void launch(Launch kernel, cudaStream_t stream) {
  const Turn turn;
  const dim3 &grid = kernel.grid, &block = kernel.block;
  const std::size_t threads = std::size_t{block.x} * block.y * block.z;
  const auto limit = runtime().shared_limit.find(kernel.kernel);
  const std::size_t shared =
      limit == runtime().shared_limit.end() ? kSharedWithoutAsking : limit->second;
  if (threads == 0 || threads > 1024 || block.z > 64 || grid.x > 0x7fffffffu || grid.y > 65535 ||
      grid.z > 65535)
    result(cudaErrorInvalidConfiguration);
  else if (kernel.shared_bytes > std::max(shared, kSharedWithoutAsking))
    result(cudaErrorInvalidValue);
  else
    result(push(stream, [kernel = std::move(kernel)] {
      ++runtime().counts.kernels;
      run(kernel);
    }));
}

}  // namespace emulation

const char* cudaGetErrorName(cudaError_t error) {
  switch (error) {
    case cudaSuccess:
      return "cudaSuccess";
    case cudaErrorInvalidValue:
      return "cudaErrorInvalidValue";
    case cudaErrorMemoryAllocation:
      return "cudaErrorMemoryAllocation";
    case cudaErrorInvalidConfiguration:
      return "cudaErrorInvalidConfiguration";
    case cudaErrorNoDevice:
      return "cudaErrorNoDevice";
    case cudaErrorInvalidDevice:
      return "cudaErrorInvalidDevice";
    case cudaErrorStreamCaptureUnsupported:
      return "cudaErrorStreamCaptureUnsupported";
    case cudaErrorStreamCaptureImplicit:
      return "cudaErrorStreamCaptureImplicit";
  }
  return "unknown error";
}
const char* cudaGetErrorString(cudaError_t error) {
  return error == cudaErrorMemoryAllocation ? "out of memory" : cudaGetErrorName(error);
}
cudaError_t cudaGetLastError() { return std::exchange(last_error, cudaSuccess); }
cudaError_t cudaPeekAtLastError() { return last_error; }

cudaError_t cudaGetDeviceCount(int* count) {
  const Turn turn;
  *count = runtime().device_count;
  return *count > 0 ? cudaSuccess : result(cudaErrorNoDevice);
}
cudaError_t cudaSetDevice(int device) {
  const Turn turn;
  return device >= 0 && device < runtime().device_count ? cudaSuccess
                                                        : result(cudaErrorInvalidDevice);
}
cudaError_t cudaGetDevice(int* device) {
  const Turn turn;
  *device = 0;
  return cudaSuccess;
}
cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int) {
  const Turn turn;
  *properties = {"emulated GPU", runtime().total, kSharedMost, 9, 0, 4, 32 << 20};
  return cudaSuccess;
}
cudaError_t cudaDeviceSynchronize() {
  const Turn turn;
  if (recording()) return result(cudaErrorStreamCaptureUnsupported);
  ++runtime().counts.waits;
  drain_all();
  return cudaSuccess;
}
cudaError_t cudaMemGetInfo(std::size_t* available, std::size_t* total) {
  const Turn turn;
  *total = runtime().total;
  *available = runtime().used < runtime().total ? runtime().total - runtime().used : 0;
  return cudaSuccess;
}

cudaError_t cudaMalloc(void** pointer, std::size_t bytes) {
  const Turn turn;
  if (recording()) return result(cudaErrorStreamCaptureUnsupported);
  *pointer = nullptr;
  if (runtime().used + bytes > runtime().total) return result(cudaErrorMemoryAllocation);
  runtime().used += bytes;
  const cudaError_t error = allocate(runtime().device, pointer, bytes);
  if (*pointer) lock(*pointer, bytes);
  return result(error);
}
cudaError_t cudaFree(void* pointer) {
  const Turn turn;
  if (!pointer) return cudaSuccess;
  if (recording()) return result(cudaErrorStreamCaptureUnsupported);
  drain_all();
  runtime().used -= release(runtime().device, pointer);
  return cudaSuccess;
}
cudaError_t cudaMallocHost(void** pointer, std::size_t bytes) {
  const Turn turn;
  return result(allocate(runtime().pinned, pointer, bytes));
}
cudaError_t cudaFreeHost(void* pointer) {
  const Turn turn;
  if (!pointer) return cudaSuccess;
  drain_all();
  release(runtime().pinned, pointer);
  return cudaSuccess;
}

cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind,
                            cudaStream_t stream) {
  const Turn turn;
  if (bytes == 0) return cudaSuccess;
  const bool to_device = kind == cudaMemcpyHostToDevice || kind == cudaMemcpyDeviceToDevice;
  const bool from_device = kind == cudaMemcpyDeviceToHost || kind == cudaMemcpyDeviceToDevice;
  if (kind == cudaMemcpyDefault) emulation::fail("say which kind of copy it is");
  must_be(to_device, to, bytes);
  must_be(from_device, from, bytes);
  const cudaError_t error = push(stream, [=] { std::memcpy(to, from, bytes); });
  // memory that is not pinned is copied before the call returns
  const void* const host = to_device ? from : to;
  if (to_device != from_device && !inside(runtime().pinned, host, bytes) &&
      !(stream && stream->capture))
    drain(queue_of(stream));
  return result(error);
}
cudaError_t cudaMemcpy(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind) {
  const Turn turn;
  if (recording()) return result(cudaErrorStreamCaptureUnsupported);
  const cudaError_t error = cudaMemcpyAsync(to, from, bytes, kind, nullptr);
  ++runtime().counts.waits;
  drain(runtime().default_queue);
  return error;
}
cudaError_t cudaMemsetAsync(void* to, int value, std::size_t bytes, cudaStream_t stream) {
  const Turn turn;
  if (bytes == 0) return cudaSuccess;
  must_be(true, to, bytes);
  return result(push(stream, [=] { std::memset(to, value, bytes); }));
}
cudaError_t cudaMemset(void* to, int value, std::size_t bytes) {
  const Turn turn;
  return cudaMemsetAsync(to, value, bytes, nullptr);
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned flags) {
  const Turn turn;
  *stream = new CUstream_st;
  (*stream)->blocking = (flags & cudaStreamNonBlocking) == 0;
  if (!(*stream)->blocking) runtime().streams.insert(*stream);
  return cudaSuccess;
}
cudaError_t cudaStreamCreate(cudaStream_t* stream) {
  const Turn turn;
  return cudaStreamCreateWithFlags(stream, cudaStreamDefault);
}
cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  const Turn turn;
  if (stream && stream->capture) return result(cudaErrorStreamCaptureUnsupported);
  ++runtime().counts.waits;
  drain(queue_of(stream));
  return cudaSuccess;
}
cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  const Turn turn;
  drain(queue_of(stream));
  runtime().streams.erase(stream);
  delete stream;
  return cudaSuccess;
}
cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned) {
  const Turn turn;
  return result(push(stream, [=] {
    if (event->pending) drain(*event->queue);
  }));
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned) {
  const Turn turn;
  *event = new CUevent_st;
  return cudaSuccess;
}
cudaError_t cudaEventCreate(cudaEvent_t* event) { return cudaEventCreateWithFlags(event, 0); }
cudaError_t cudaEventDestroy(cudaEvent_t event) {
  const Turn turn;
  cudaEventSynchronize(event);
  delete event;
  return cudaSuccess;
}
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  const Turn turn;
  event->queue = &queue_of(stream);
  event->pending = true;
  return result(push(stream, [=] {
    event->time = std::chrono::steady_clock::now();
    event->pending = false;
  }));
}
cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  const Turn turn;
  if (event->pending && event->queue) drain(*event->queue);
  return cudaSuccess;
}
cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t start, cudaEvent_t end) {
  const Turn turn;
  if (!start->queue || !end->queue || start->pending || end->pending)
    return result(cudaErrorInvalidValue);
  *milliseconds = std::chrono::duration<float, std::milli>(end->time - start->time).count();
  return cudaSuccess;
}

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode mode) {
  const Turn turn;
  if (!stream || stream->capture) return result(cudaErrorStreamCaptureUnsupported);
  stream->capture = new CUgraph_st;
  stream->mode = mode;
  stream->owner = std::this_thread::get_id();
  runtime().capturing.insert(stream);
  return cudaSuccess;
}
cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph) {
  const Turn turn;
  if (!stream || !stream->capture) return result(cudaErrorInvalidValue);
  *graph = stream->capture;
  stream->capture = nullptr;
  runtime().capturing.erase(stream);
  return cudaSuccess;
}
cudaError_t cudaGraphInstantiate(cudaGraphExec_t* exec, cudaGraph_t graph, unsigned long long) {
  const Turn turn;
  *exec = new CUgraphExec_st{graph->work};
  return cudaSuccess;
}
cudaError_t cudaGraphLaunch(cudaGraphExec_t exec, cudaStream_t stream) {
  const Turn turn;
  return result(push(stream, [work = exec->work] {
    for (const Work& item : work) item();
  }));
}
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t exec) {
  const Turn turn;
  delete exec;
  return cudaSuccess;
}
cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  const Turn turn;
  delete graph;
  return cudaSuccess;
}
