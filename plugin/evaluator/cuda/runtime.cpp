// SPDX-License-Identifier: MIT
#include "runtime.hpp"

#include <atomic>
#include <cstdio>
#include <exception>
#include <mutex>
#include <utility>

#include "memory.hpp"

namespace mdbench::cuda {

namespace {

constexpr int kLeastMajor = 8;  // compute capability that the kernels are compiled for

std::atomic<std::size_t> allocated{0}, peak{0};

/// CUDA lets no thread wait for the whole device while one records, in whatever mode. Recursive, so
/// that who does it within a recording gets CUDA's error.
std::recursive_mutex whole_device;

std::string gigabytes(std::size_t bytes) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f", static_cast<double>(bytes) * 1e-9);
  return text;
}

std::string out_of_memory(const char* what) {
  std::string text = std::string("the GPU has too little memory: ") + what + " failed";
  std::size_t available = 0, total = 0;
  if (cudaMemGetInfo(&available, &total) == cudaSuccess)
    text += " with " + gigabytes(available) + " of " + gigabytes(total) + " GB free";
  return text + ", of which this process took " + gigabytes(allocated_bytes()) +
         " GB: take fewer atoms, more GPUs or 'precision single', or end other programs on it; "
         "ranks "
         "that share a GPU need a 'workspace' each";
}

/// What an error means to who gets it; empty: its text says enough.
const char* remedy_of(cudaError_t status) {
  switch (status) {
    case cudaErrorInvalidDeviceFunction:
    case cudaErrorNoKernelImageForDevice:
      return ": the CUDA kernels were compiled for other GPUs: build mdbench with this one's "
             "architecture in MDBENCH_CUDA_ARCHITECTURES, or say 'device cpu'";
    case cudaErrorUnsupportedPtxVersion:
      return ": the driver is too old to compile the kernels for this GPU: update it, build "
             "mdbench with the GPU's architecture in MDBENCH_CUDA_ARCHITECTURES, or say 'device "
             "cpu'";
    case cudaErrorJitCompilerNotFound:
      return ": the driver's libnvidia-ptxjitcompiler, which compiles the kernels for this GPU, is "
             "not here: install it, build mdbench with the GPU's architecture in "
             "MDBENCH_CUDA_ARCHITECTURES, or say 'device cpu'";
    case cudaErrorDevicesUnavailable:
      return ": another process has the GPU to itself: say 'device cuda:N' for another one, or "
             "'device cpu'";
    default:
      return "";
  }
}

/// That this build holds nothing that the GPU runs.
bool means_no_code(cudaError_t status) {
  return status == cudaErrorInvalidDeviceFunction || status == cudaErrorNoKernelImageForDevice ||
         status == cudaErrorUnsupportedPtxVersion || status == cudaErrorJitCompilerNotFound;
}

cudaDeviceProp properties(int device) {
  cudaDeviceProp found;
  check(cudaGetDeviceProperties(&found, device), "asking for the GPU's properties");
  return found;
}

bool is_usable(const cudaDeviceProp& device) { return device.major >= kLeastMajor; }

std::vector<int> usable_among(int count) {
  std::vector<int> usable;
  for (int device = 0; device < count; ++device)
    if (is_usable(properties(device))) usable.push_back(device);
  return usable;
}

int known_device(int device) {
  const cudaDeviceProp found = properties(device);
  if (!is_usable(found))
    throw Error("device cuda was asked for and " + std::string(found.name) +
                " has compute capability " + std::to_string(found.major) + "." +
                std::to_string(found.minor) + ", less than the " + std::to_string(kLeastMajor) +
                ".0 that the kernels need: say 'device cpu'");
  return device;
}

}  // namespace

void check(cudaError_t status, const char* what) {
  if (status == cudaSuccess) return;
  cudaGetLastError();  // or the next check would report this one
  if (status == cudaErrorMemoryAllocation) throw Error(out_of_memory(what));
  const std::string text = std::string("CUDA: ") + what + " failed: " + cudaGetErrorString(status) +
                           " (" + cudaGetErrorName(status) + ")" + remedy_of(status);
  if (status == cudaErrorStreamCaptureUnsupported) throw NotRecorded(text);
  throw Error(text);
}

int device_count() {
  int count = 0;
  if (cudaGetDeviceCount(&count) == cudaSuccess) return count;
  cudaGetLastError();
  return 0;
}

int usable_devices() { return static_cast<int>(usable_among(device_count()).size()); }

int choose_device(const std::string& name, int local_rank) {
  const int count = device_count();
  const bool numbered = name.starts_with("cuda:") && name.size() > 5 && name.size() <= 8 &&
                        name.find_first_not_of("0123456789", 5) == std::string::npos;
  if (name != "cuda" && !numbered)
    throw Error("device '" + name + "' is none of cpu, cuda, cuda:N");
  if (count == 0) {
    int unused = 0;
    const std::string reason = cudaGetErrorString(cudaGetDeviceCount(&unused));
    cudaGetLastError();
    throw Error("device " + name + " was asked for and CUDA sees no GPU (" + reason +
                "): say 'device cpu', or check nvidia-smi and that the driver is new enough for "
                "CUDA 13");
  }
  if (!numbered) {
    const std::vector<int> usable = usable_among(count);
    return usable.empty() ? known_device(0) : usable[local_rank % usable.size()];
  }
  const int device = std::stoi(name.substr(5));
  if (device >= count)
    throw Error("device " + name + " was asked for and CUDA sees " + std::to_string(count) +
                " GPU(s): say 'device cpu' or a lower number");
  return known_device(device);
}

void use_device(int device) { check(cudaSetDevice(device), "choosing the GPU"); }

bool find_kernels(bool optional) {
  const cudaError_t status = load_kernel();
  if (!optional || !means_no_code(status)) check(status, "loading the kernels");
  cudaGetLastError();
  return status == cudaSuccess;
}

std::string describe_device() {
  int device = 0;
  check(cudaGetDevice(&device), "asking for the GPU in use");
  const cudaDeviceProp found = properties(device);
  return std::string(found.name) + " (sm_" + std::to_string(found.major) +
         std::to_string(found.minor) + ")";
}

std::size_t allocated_bytes() { return allocated; }
std::size_t peak_bytes() { return peak; }

void* allocate(Memory kind, std::size_t bytes) {
  void* pointer = nullptr;
  if (bytes == 0) return pointer;
  if (kind == Memory::pinned) {
    const cudaError_t status = cudaMallocHost(&pointer, bytes);
    if (status == cudaErrorMemoryAllocation) {
      cudaGetLastError();
      throw Error("the host has too little memory that a GPU can copy from: taking " +
                  gigabytes(bytes) + " GB failed: take fewer atoms, or more of the host's memory");
    }
    check(status, "taking pinned memory of the host");
    return pointer;
  }
  const std::string what = "taking " + gigabytes(bytes) + " GB";
  check(cudaMalloc(&pointer, bytes), what.c_str());
  const std::size_t now = allocated += bytes;
  std::size_t before = peak;
  while (before < now && !peak.compare_exchange_weak(before, now)) {
  }
  return pointer;
}

void release(Memory kind, void* pointer, std::size_t bytes) noexcept {
  if (!pointer) return;
  if (kind == Memory::pinned) {
    cudaFreeHost(pointer);
    return;
  }
  cudaFree(pointer);
  allocated -= bytes;
}

std::size_t free_bytes() {
  std::size_t available = 0, total = 0;
  check(cudaMemGetInfo(&available, &total), "asking for the GPU's free memory");
  return available;
}

void copy_and_wait(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind) {
  const std::scoped_lock turn(whole_device);
  check(cudaDeviceSynchronize(), "waiting for the GPU");
  if (bytes > 0) check(cudaMemcpy(to, from, bytes, kind), "copying to or from the GPU");
  // cudaMemcpy of pageable memory may return before the copy has arrived
  check(cudaDeviceSynchronize(), "waiting for the GPU");
}

void copy_later(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind,
                cudaStream_t stream) {
  if (bytes == 0) return;
  check(cudaMemcpyAsync(to, from, bytes, kind, stream), "copying to or from the GPU");
}

Stream::Stream() {
  check(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "making a stream");
}
Stream::~Stream() {
  if (stream_) cudaStreamDestroy(stream_);
}
Stream& Stream::operator=(Stream&& other) noexcept {
  std::swap(stream_, other.stream_);
  return *this;
}
void Stream::synchronize() const {
  check(cudaStreamSynchronize(stream_), "running kernels on the GPU");
}

Event::Event() { check(cudaEventCreate(&event_), "making an event"); }
Event::~Event() {
  if (event_) cudaEventDestroy(event_);
}
Event& Event::operator=(Event&& other) noexcept {
  std::swap(event_, other.event_);
  return *this;
}
void Event::record(cudaStream_t stream) {
  check(cudaEventRecord(event_, stream), "recording an event");
}
void Event::synchronize() const {
  check(cudaEventSynchronize(event_), "running kernels on the GPU");
}
double Event::seconds_since(const Event& start) const {
  start.synchronize();
  synchronize();
  float milliseconds = 0.0f;
  check(cudaEventElapsedTime(&milliseconds, start, event_), "reading a time");
  return 1e-3 * static_cast<double>(milliseconds);
}

Graph& Graph::operator=(Graph&& other) noexcept {
  std::swap(exec_, other.exec_);
  std::swap(current_, other.current_);
  return *this;
}

void Graph::reset() noexcept {
  if (exec_) cudaGraphExecDestroy(exec_);
  exec_ = nullptr;
  current_ = false;
}

/// Into the graph that there was, where it has as many nodes: that costs less than a new one.
cudaError_t Graph::make(cudaGraph_t graph, cudaStream_t stream) {
  if (exec_) {
    cudaGraphExecUpdateResultInfo info;
    if (cudaGraphExecUpdate(exec_, graph, &info) == cudaSuccess) return cudaSuccess;
    cudaGetLastError();
    reset();
  }
  const cudaError_t made = cudaGraphInstantiate(&exec_, graph, 0);
  return made == cudaSuccess ? cudaGraphUpload(exec_, stream) : made;
}

bool Graph::capture(cudaStream_t stream, const std::function<void()>& enqueue) {
  const std::scoped_lock turn(whole_device);
  current_ = false;
  // other threads of the process may go on using CUDA
  check(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal), "recording a graph");
  cudaGraph_t graph = nullptr;
  std::exception_ptr problem;
  bool refused = false;
  try {
    enqueue();
  } catch (const NotRecorded&) {
    refused = true;
  } catch (...) {
    problem = std::current_exception();
  }
  cudaError_t status = cudaStreamEndCapture(stream, &graph);
  refused = refused || status == cudaErrorStreamCaptureInvalidated;
  if (status == cudaSuccess && !refused && !problem) {
    status = make(graph, stream);
    refused = status == cudaErrorMemoryAllocation;
  }
  if (graph) cudaGraphDestroy(graph);
  if (status != cudaSuccess) {
    cudaGetLastError();
    reset();
  }
  if (refused) return false;
  if (problem) std::rethrow_exception(problem);
  check(status, "making a graph");
  return current_ = true;
}

void Graph::launch(cudaStream_t stream) const {
  check(cudaGraphLaunch(exec_, stream), "starting a graph");
}

}  // namespace mdbench::cuda
