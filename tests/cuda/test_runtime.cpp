// SPDX-License-Identifier: MIT
// Memory, streams and graphs.
#include <chrono>
#include <cmath>
#include <thread>

#include "check.hpp"
#include "error.hpp"
#include "memory.hpp"
#include "sample_kernels.hpp"

using namespace mdbench::cuda;

namespace {

const std::vector<int> kNumbers{1, 2, 3, 4}, kReversed{4, 3, 2, 1};

void reverse(const Array<int>& in, Array<int>& out, cudaStream_t stream) {
  sample::reverse({in.data(), out.data(), 1, static_cast<int>(in.size())}, stream);
  check_launch("reverse");
}

constexpr cudaError_t kNoCode[] = {cudaErrorInvalidDeviceFunction, cudaErrorNoKernelImageForDevice,
                                   cudaErrorUnsupportedPtxVersion, cudaErrorJitCompilerNotFound};

std::string device_error(const std::string& name) {
  return check::thrown<mdbench::Error>([&] { choose_device(name, 0); });
}

}  // namespace

TEST(arrays_hold_what_they_are_given) {
  const std::size_t before = allocated_bytes();
  {
    Array<int> a(kNumbers);
    CHECK(a.download() == kNumbers);
    CHECK(allocated_bytes() == before + 16);
    Array<int> b(std::move(a));
    CHECK(a.data() == nullptr && a.size() == 0 && b.download() == kNumbers);
    a = std::move(b);
    CHECK(b.data() == nullptr && a.download() == kNumbers);
    CHECK(!a.upload(std::vector<int>{7, 8}));
    CHECK(a.size() == 2 && a.capacity() == 4 && a.download() == (std::vector<int>{7, 8}));
    CHECK(a.resize(5));  // grows by more than it must
    CHECK(a.size() == 5 && a.capacity() > 5 && !a.resize(a.capacity()));
    CHECK(allocated_bytes() == before + a.capacity() * sizeof(int));
    CHECK(peak_bytes() >= allocated_bytes());
    CHECK(a.reserve(100) && a.empty() && a.capacity() == 100);
    CHECK(Array<double>().download().empty());
    CHECK(Array<double>(std::vector<double>{}).data() == nullptr);
  }
  CHECK(allocated_bytes() == before);
}

TEST(streams_keep_order) {
  Stream stream;
  PinnedArray<int> in(4), out;
  std::copy(kNumbers.begin(), kNumbers.end(), in.begin());
  Array<int> a, b(4);
  a.upload(in, stream);
  reverse(a, b, stream);
  b.download(out, stream);
  stream.synchronize();
  CHECK(std::vector<int>(out.begin(), out.end()) == kReversed);
  b.clear(stream);
  b.download(out, stream);
  stream.synchronize();
  CHECK(std::vector<int>(out.begin(), out.end()) == std::vector<int>(4, 0));
}

TEST(events_tell_times) {
  Stream stream;
  Event start, end;
  const Array<int> in(kNumbers);
  Array<int> out(4);
  start.record(stream);
  reverse(in, out, stream);
  end.record(stream);
  CHECK(end.seconds_since(start) >= 0.0);
  CHECK_BELOW(end.seconds_since(start), 10.0);
}

TEST(streams_wait_for_events) {
  Stream first, second;
  Event done;
  const Array<int> in(kNumbers);
  Array<int> middle(4), out(4);
  PinnedArray<int> host(4);
  reverse(in, middle, first);
  done.record(first);
  mdbench::cuda::check(cudaStreamWaitEvent(second, done, 0), "waiting");
  reverse(middle, out, second);
  out.download(host, second);
  second.synchronize();
  CHECK(std::vector<int>(host.begin(), host.end()) == kNumbers);
}

TEST(graphs_replay_and_are_replaced) {
  Stream stream;
  Array<int> in(kNumbers), out(std::vector<int>(4, 0)), other(4);
  Graph graph;
  CHECK(!graph.captured());
  graph.capture(stream, [&] { reverse(in, out, stream); });
  stream.synchronize();
  CHECK(graph.captured());
  CHECK(out.download() == std::vector<int>(4, 0));  // recorded, not run
  graph.launch(stream);
  stream.synchronize();
  CHECK(out.download() == kReversed);
  in.upload(std::vector<int>{5, 6, 7, 8});  // in place: the graph reads what is there when it runs
  graph.launch(stream);
  stream.synchronize();
  CHECK(out.download() == (std::vector<int>{8, 7, 6, 5}));
  graph.capture(stream, [&] {
    other.clear(stream);
    reverse(out, in, stream);
  });
  graph.launch(stream);
  stream.synchronize();
  CHECK(in.download() == (std::vector<int>{5, 6, 7, 8}));
  CHECK(other.download() == std::vector<int>(4, 0));
}

TEST(a_failed_recording_leaves_the_stream_usable) {
  Stream stream;
  Graph graph;
  const std::string error = check::thrown<mdbench::Error>(
      [&] { graph.capture(stream, [] { throw mdbench::Error("refused"); }); });
  CHECK(error == "refused" && !graph.captured());
  // memory cannot be taken while a graph is recorded
  Array<int> late;
  CHECK(!graph.capture(stream, [&] { late.resize(9); }));
  CHECK(late.empty() && !graph.captured());
  // and a wait is refused, not made: its caller goes on without a graph
  CHECK(!graph.capture(stream, [&] { stream.synchronize(); }));
  CHECK(!graph.captured() && cudaGetLastError() == cudaSuccess);
  // but by another thread
  CHECK(graph.capture(stream, [] { std::thread([] { Array<int>(9); }).join(); }));
  const Array<int> in(kNumbers);
  Array<int> out(4);
  reverse(in, out, stream);
  CHECK(out.download() == kReversed);
}

/// The graph that there was takes what was recorded anew; with other nodes it is made anew.
TEST(graphs_take_other_recordings) {
  Stream stream;
  const Array<int> in(kNumbers), pair(std::vector<int>{7, 8});
  Array<int> out(4), other(2);
  Graph graph;
  const auto record = [&](const Array<int>& from, Array<int>& to, int clearings) {
    graph.outdate();
    CHECK(!graph.captured());
    CHECK(graph.capture(stream, [&] {
      for (int i = 0; i < clearings; ++i) to.clear(stream);
      reverse(from, to, stream);
    }));
    CHECK(graph.captured());
    graph.launch(stream);
    stream.synchronize();
  };
  record(in, out, 0);
  CHECK(out.download() == kReversed);
  record(pair, other, 0);
  CHECK(other.download() == (std::vector<int>{8, 7}));
  out.clear(stream);
  for (const int clearings : {2, 1}) {
    record(in, out, clearings);
    CHECK(out.download() == kReversed);
  }
}

TEST(devices_are_chosen_by_name) {
  const int count = device_count();
  CHECK(count >= 1);
  for (const int rank : {0, 1, 5}) CHECK(choose_device("cuda", rank) == rank % count);
  CHECK(choose_device("cuda:0", 3) == 0);
  use_device(0);
  CHECK(describe_device().find(" (sm_") != std::string::npos);
  for (const char* name : {"gpu", "cuda:", "cuda:x", "cuda:-1", "cuda0", "cuda:12345"})
    CHECK(device_error(name) == std::string("device '") + name + "' is none of cpu, cuda, cuda:N");
  CHECK(device_error("cuda:99") == "device cuda:99 was asked for and CUDA sees " +
                                       std::to_string(count) +
                                       " GPU(s): say 'device cpu' or a lower number");
}

TEST(errors_say_what_to_do) {
  const std::string full = check::thrown<mdbench::Error>([] { Array<double>(1ull << 45); });
  CHECK(full.starts_with("the GPU has too little memory: taking 281475.0 GB failed with "));
  CHECK(full.find("precision single") != std::string::npos);
  CHECK(cudaGetLastError() == cudaSuccess);
  CHECK(check::thrown<mdbench::Error>([] {
          mdbench::cuda::check(cudaErrorInvalidValue, "sorting");
        }).starts_with("CUDA: sorting failed: "));
  for (const auto status : kNoCode)
    CHECK(check::thrown<mdbench::Error>([=] {
            mdbench::cuda::check(status, "sorting");
          }).find("MDBENCH_CUDA_ARCHITECTURES, or say 'device cpu'") != std::string::npos);
}

TEST(kernels_are_for_this_gpu) { CHECK(find_kernels(true) && find_kernels(false)); }

#ifdef MDBENCH_EMULATE_CUDA

TEST(no_gpu_is_an_error_with_advice) {
  emulation::set_devices(0);
  CHECK(device_count() == 0);
  CHECK(device_error("cuda").starts_with(
      "device cuda was asked for and CUDA sees no GPU (cudaErrorNoDevice): say 'device cpu'"));
  emulation::set_devices(1);
}

TEST(old_gpus_are_not_for_these_kernels) {
  emulation::set_devices(2, 7);
  CHECK(device_count() == 2 && usable_devices() == 0);  // 'device auto' takes the CPU
  CHECK(device_error("cuda").find("has compute capability 7.0, less than the 8.0") !=
        std::string::npos);
  emulation::set_devices(3, 8, 7);
  CHECK(usable_devices() == 2);
  for (const int rank : {0, 1, 2}) CHECK(choose_device("cuda", rank) == 1 + rank % 2);
  CHECK(device_error("cuda:0").find("has compute capability 7.0") != std::string::npos);
  emulation::set_devices(1);
  CHECK(usable_devices() == 1);
}

TEST(gpus_without_kernels_are_refused_or_left) {
  const auto problem = [](bool optional) {
    return check::thrown<mdbench::Error>([=] { CHECK(!find_kernels(optional)); });
  };
  for (const auto status : kNoCode) {
    emulation::fail_kernels(status);
    CHECK(problem(true).empty() && cudaGetLastError() == cudaSuccess);
    CHECK(problem(false).starts_with("CUDA: loading the kernels failed: "));
    CHECK(problem(false).find("MDBENCH_CUDA_ARCHITECTURES") != std::string::npos);
  }
  // other troubles are no reason to leave a GPU
  emulation::fail_kernels(cudaErrorDevicesUnavailable);
  CHECK(problem(true).find("another process has the GPU to itself") != std::string::npos);
  emulation::fail_kernels(cudaSuccess);
}

TEST(memory_of_the_host_is_another_one) {
  emulation::set_pinned_memory(1000);
  const std::string full = check::thrown<mdbench::Error>([] { PinnedArray<double>(1000); });
  emulation::set_pinned_memory(~std::size_t{0});
  CHECK(full.starts_with("the host has too little memory"));
  CHECK(cudaGetLastError() == cudaSuccess);
}

/// Another library's thread may do so at any time.
TEST(waits_for_the_whole_device_spoil_a_recording) {
  Stream stream;
  Graph graph;
  const Array<int> in(kNumbers);
  Array<int> out(4);
  CHECK(!graph.capture(stream, [&] {
    std::thread([] { cudaDeviceSynchronize(); }).join();
    reverse(in, out, stream);
  }));
  CHECK(!graph.captured() && cudaGetLastError() == cudaSuccess);
  CHECK(graph.capture(stream, [&] { reverse(in, out, stream); }));
  // ours waits until the graph is recorded, which lasts until the other thread has begun
  std::thread other;
  CHECK(graph.capture(stream, [&] {
    other = std::thread([&] { out.download(); });
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    reverse(in, out, stream);
  }));
  other.join();
  graph.launch(stream);
  stream.synchronize();
  CHECK(out.download() == kReversed);
}

/// What is read before the stream was waited for is what was there before, as on a GPU.
TEST(work_waits_until_it_is_waited_for) {
  Stream stream;
  const Array<int> in(kNumbers);
  Array<int> out(4);
  PinnedArray<int> host(4);
  std::fill(host.begin(), host.end(), -1);
  reverse(in, out, stream);
  out.download(host, stream);
  CHECK(host[0] == -1);
  stream.synchronize();
  CHECK(host[0] == 4);
}

#endif
