// SPDX-License-Identifier: MIT
// The emulated runtime: errors, devices, memory.
#include <cstdlib>
#include <string>
#include <utility>

#include "emulation_state.hpp"

using namespace emulation;

namespace {

cudaError_t allocate(Rooms& allocations, void** pointer, std::size_t bytes) {
  *pointer = nullptr;
  if (bytes == 0) return cudaSuccess;
  if (posix_memalign(pointer, 256, bytes) != 0) return cudaErrorMemoryAllocation;
  std::memset(*pointer, 0xff, bytes);
  ++runtime().counts.allocations;
  allocations[static_cast<const char*>(*pointer)] = {bytes, chosen_device};
  return cudaSuccess;
}

/// Memory comes back late, and holds no numbers until then: what still reads it shows.
void free_later(void* pointer, std::size_t bytes) {
  constexpr std::size_t kKept = 64 << 20;
  std::memset(pointer, 0xff, bytes);
  lock(pointer, bytes);
  auto& freed = runtime().freed;
  freed.emplace_back(pointer, bytes);
  runtime().freed_bytes += bytes;
  while (runtime().freed_bytes > kKept) {
    const auto [oldest, size] = freed.front();
    freed.pop_front();
    runtime().freed_bytes -= size;
    unlock(oldest, size);
    std::free(oldest);
  }
}

std::size_t release(Rooms& allocations, void* pointer) {
  const auto found = allocations.find(static_cast<const char*>(pointer));
  if (found == allocations.end()) emulation::fail("memory is freed that was not allocated");
  const std::size_t bytes = found->second.bytes;
  unlock(pointer, bytes);
  allocations.erase(found);
  free_later(pointer, bytes);
  return bytes;
}

/// Of no bytes: CUDA does not say what it makes of null pointers.
cudaError_t nothing(bool real) { return result(real ? cudaSuccess : cudaErrorInvalidValue); }

}  // namespace

namespace emulation {

bool fails_now() {
  std::size_t& left = runtime().failing;
  return left > 0 && --left == 0;
}

void set_device_memory(std::size_t bytes) { runtime().total = bytes; }
void set_devices(int count, int major, int of_first) {
  runtime().device_count = count;
  runtime().device_major = major;
  runtime().first_major = of_first > 0 ? of_first : major;
}
void fail_allocation(std::size_t number) { runtime().failing = number; }
void fail_kernels(cudaError_t error) { runtime().code = error; }
void spoil_recordings(bool spoil) { runtime().spoil = spoil; }
void set_pinned_memory(std::size_t bytes) { runtime().most_pinned = bytes; }
Counts counts() { return runtime().counts; }

cudaError_t set_function_attribute(const void* kernel, cudaFuncAttribute attribute, int value) {
  const Turn turn;
  if (attribute != cudaFuncAttributeMaxDynamicSharedMemorySize) return cudaSuccess;
  if (value < 0 || static_cast<std::size_t>(value) > kSharedMost)
    return result(cudaErrorInvalidValue);
  std::size_t& limit = runtime().shared_limit[kernel];
  if (static_cast<std::size_t>(value) < limit)
    fail("less shared memory for a kernel, which another thread may be about to start with more");
  limit = static_cast<std::size_t>(value);
  return cudaSuccess;
}

cudaError_t function_attributes(cudaFuncAttributes* attributes) {
  const Turn turn;
  *attributes = {1024};
  return result(runtime().code);
}

void launch(Launch kernel, cudaStream_t stream) {
  const Turn turn;
  const dim3 &grid = kernel.grid, &block = kernel.block;
  const std::size_t threads = std::size_t{block.x} * block.y * block.z;
  const auto limit = runtime().shared_limit.find(kernel.kernel);
  const std::size_t shared =
      limit == runtime().shared_limit.end() ? kSharedWithoutAsking : limit->second;
  if (runtime().code != cudaSuccess)
    result(runtime().code);
  else if (threads == 0 || threads > 1024 || block.z > 64 || grid.x > 0x7fffffffu ||
           grid.y > 65535 || grid.z > 65535)
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
    case cudaErrorDevicesUnavailable:
      return "cudaErrorDevicesUnavailable";
    case cudaErrorInvalidDeviceFunction:
      return "cudaErrorInvalidDeviceFunction";
    case cudaErrorNoDevice:
      return "cudaErrorNoDevice";
    case cudaErrorInvalidDevice:
      return "cudaErrorInvalidDevice";
    case cudaErrorNoKernelImageForDevice:
      return "cudaErrorNoKernelImageForDevice";
    case cudaErrorJitCompilerNotFound:
      return "cudaErrorJitCompilerNotFound";
    case cudaErrorUnsupportedPtxVersion:
      return "cudaErrorUnsupportedPtxVersion";
    case cudaErrorStreamCaptureUnsupported:
      return "cudaErrorStreamCaptureUnsupported";
    case cudaErrorStreamCaptureInvalidated:
      return "cudaErrorStreamCaptureInvalidated";
    case cudaErrorStreamCaptureImplicit:
      return "cudaErrorStreamCaptureImplicit";
    case cudaErrorGraphExecUpdateFailure:
      return "cudaErrorGraphExecUpdateFailure";
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
  if (device < 0 || device >= runtime().device_count) return result(cudaErrorInvalidDevice);
  chosen_device = device;
  return cudaSuccess;
}
cudaError_t cudaGetDevice(int* device) {
  const Turn turn;
  *device = chosen_device;
  return cudaSuccess;
}
cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device) {
  const Turn turn;
  const int major = device == 0 ? runtime().first_major : runtime().device_major;
  *properties = {"emulated GPU", runtime().total, kSharedMost, major, 0, 4, 32 << 20};
  return cudaSuccess;
}
cudaError_t cudaDeviceSynchronize() {
  const Turn turn;
  if (recording(true)) return result(cudaErrorStreamCaptureUnsupported);
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
  if (fails_now() || runtime().used + bytes > runtime().total)
    return result(cudaErrorMemoryAllocation);
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
  *pointer = nullptr;
  if (fails_now() || runtime().pinned_bytes + bytes > runtime().most_pinned)
    return result(cudaErrorMemoryAllocation);
  runtime().pinned_bytes += bytes;
  return result(allocate(runtime().pinned, pointer, bytes));
}
cudaError_t cudaFreeHost(void* pointer) {
  const Turn turn;
  if (!pointer) return cudaSuccess;
  drain_all();
  runtime().pinned_bytes -= release(runtime().pinned, pointer);
  return cudaSuccess;
}

cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind,
                            cudaStream_t stream) {
  const Turn turn;
  if (bytes == 0) return nothing(to && from);
  const bool to_device = kind == cudaMemcpyHostToDevice || kind == cudaMemcpyDeviceToDevice;
  const bool from_device = kind == cudaMemcpyDeviceToHost || kind == cudaMemcpyDeviceToDevice;
  if (kind == cudaMemcpyDefault) emulation::fail("say which kind of copy it is");
  must_be(to_device, to, bytes);
  must_be(from_device, from, bytes);
  const cudaError_t error = push(stream, [=] {
    ++runtime().counts.copies;
    std::memcpy(to, from, bytes);
  });
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
  if (bytes == 0) return nothing(to);
  must_be(true, to, bytes);
  return result(push(stream, [=] {
    ++runtime().counts.copies;
    std::memset(to, value, bytes);
  }));
}
cudaError_t cudaMemset(void* to, int value, std::size_t bytes) {
  const Turn turn;
  return cudaMemsetAsync(to, value, bytes, nullptr);
}
