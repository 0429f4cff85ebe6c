// SPDX-License-Identifier: MIT
// The emulation does what CUDA says; on a GPU the same numbers are asked of CUDA itself.
#include <cmath>
#include <limits>
#include <numeric>

#include "check.hpp"
#include "memory.hpp"
#include "orders.hpp"
#include "sample_kernels.hpp"

#ifdef MDBENCH_EMULATE_CUDA
#include <sys/wait.h>
#include <unistd.h>

#include <utility>

#include "races.hpp"
#endif

using namespace mdbench::cuda;

TEST(warp_operations) {
  check::for_orders([] {
    Array<sample::LaneResults> out(32);
    sample::lanes({out.data()}, nullptr);
    check_launch("lanes");
    const auto results = out.download();
    for (int lane = 0; lane < 32; ++lane) {
      const sample::LaneResults& r = results[lane];
      CHECK(r.from_seventh == 1.5 * ((7 * lane + 3) % 32));
      CHECK(r.within_eight == 0.5f * static_cast<float>(lane / 8 * 8 + 5));
      CHECK(r.up == (lane % 16 < 3 ? lane : lane - 3));
      CHECK(r.down == (lane + 5 > 31 ? lane : lane + 5));
      CHECK(r.exchanged == (1ll << 40) + lane % 16);
      unsigned equal = 0;
      for (int i = lane % 5; i < 32; i += 5) equal |= 1u << i;
      CHECK(r.equal == equal);
      CHECK(r.third == 0x49249249u);
      CHECK(r.largest == 31);
      CHECK((r.any != 0) == (lane >= 16));
      CHECK((r.all != 0) == (lane < 16));
      CHECK(r.sum == (lane < 16 ? 120 : 376));
    }
  });
}

TEST(barriers) {
  check::for_orders([] {
    for (const int threads : {1, 33, 96, 128}) {
      const int blocks = 5;
      std::vector<int> in(static_cast<std::size_t>(blocks * threads));
      std::iota(in.begin(), in.end(), 7);
      const Array<int> values(in);
      Array<int> out(in.size()), same(in.size());
      const sample::Reverse reverse{values.data(), out.data(), blocks, threads};
      sample::reverse(reverse, nullptr);
      sample::reverse_dynamic({values.data(), same.data(), blocks, threads}, threads, nullptr);
      check_launch("reverse");
      const auto results = out.download();
      CHECK(results == same.download());
      for (int i = 0; i < blocks * threads; ++i)
        CHECK(results[i] == 7 + i / threads * threads + threads - 1 - i % threads);
    }
  });
}

TEST(conversions_saturate) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  constexpr long long kLeast = std::numeric_limits<long long>::min();
  constexpr long long kMost = std::numeric_limits<long long>::max();
  const Array<double> in(std::vector<double>{0.5, 1.5, -2.5, 1e18, 9.3e18, -9.3e18, kInfinity,
                                             -kInfinity, std::nan(""), -0.4});
  Array<long long> out(in.size());
  sample::convert({in.data(), out.data(), static_cast<int>(in.size())}, nullptr);
  check_launch("convert");
  CHECK(out.download() == (std::vector<long long>{0, 2, -2, 1000000000000000000, kMost, kLeast,
                                                  kMost, kLeast, kLeast, 0}));
}

TEST(atomics) {
  Array<unsigned long long> sum(std::vector<unsigned long long>{5});
  Array<unsigned> bits(std::vector<unsigned>{1u << 31});
  Array<int> count(std::vector<int>{-3}), largest(std::vector<int>{-1});
  const long long threads = 7 * 70;
  sample::accumulate({sum.data(), bits.data(), count.data(), largest.data(), 7, 70}, nullptr);
  check_launch("accumulate");
  CHECK(static_cast<long long>(sum.download()[0]) == 5 + 3 * threads - threads * (threads - 1));
  CHECK(bits.download()[0] == 0x800fffffu);
  CHECK(count.download()[0] == static_cast<int>(threads) - 3);
  CHECK(largest.download()[0] == static_cast<int>(threads) - 1);
}

TEST(shared_memory_beyond_48_kilobytes) {
  const Array<int> in(std::vector<int>{1, 2, 3, 4});
  Array<int> out(4);
  sample::reverse_dynamic({in.data(), out.data(), 1, 4}, 25000, nullptr);
  check_launch("reverse");
  CHECK(out.download() == (std::vector<int>{4, 3, 2, 1}));
  sample::reverse_dynamic({in.data(), out.data(), 1, 4}, 90000, nullptr);  // 360 kB
  CHECK(cudaGetLastError() != cudaSuccess);
  sample::reverse({in.data(), out.data(), 1, 2000}, nullptr);
  CHECK(cudaGetLastError() != cudaSuccess);
  CHECK(cudaGetLastError() == cudaSuccess);
}

#ifdef MDBENCH_EMULATE_CUDA

namespace {

/// What a process says that runs `body`; it has to die of it.
template <class Body>
std::string last_words(Body&& body) {
  int ends[2];
  if (pipe(ends) != 0) return "no pipe";
  std::fflush(nullptr);
  const pid_t child = fork();
  if (child == 0) {
    dup2(ends[1], STDERR_FILENO);
    body();
    _exit(0);
  }
  close(ends[1]);
  std::string text;
  char part[4096];
  for (ssize_t n = 0; (n = read(ends[0], part, sizeof part)) > 0;)
    text.append(part, static_cast<std::size_t>(n));
  close(ends[0]);
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? "it lived" : text;
}

std::string fault(sample::Fault fault) {
  return last_words([&] {
    Array<int> out(64);
    sample::faulty({out.data(), fault}, nullptr);
    out.download();
  });
}

bool holds(const std::string& text, const char* part) {
  if (text.find(part) != std::string::npos) return true;
  std::printf("'%s' is not in: %s\n", part, text.c_str());
  return false;
}

}  // namespace

TEST(divergence_is_named) {
  using sample::Fault;
  check::for_orders([] {
    CHECK(holds(fault(Fault::early_return), "divergent barrier"));
    CHECK(holds(fault(Fault::early_return), "from thread 40 on: has ended"));
    CHECK(holds(fault(Fault::other_barrier), "divergent barrier"));
    CHECK(holds(fault(Fault::lane_missing), "divergent warp operation"));
    CHECK(holds(fault(Fault::lane_missing), "from thread 9 on: has ended"));
    CHECK(holds(fault(Fault::other_call), "divergent warp operation"));
    CHECK(holds(fault(Fault::outside_mask), "the mask lacks the lane that calls"));
  });
}

TEST(device_memory_is_guarded) {
  CHECK(holds(last_words([] {
                Array<int> in(4);
                int out[8];
                cudaMemcpy(out, in.data(), sizeof out, cudaMemcpyDeviceToHost);
              }),
              "beyond the device's allocations"));
  CHECK(holds(last_words([] {
                const Array<int> in(4);
                Array<int> out(4);
                cudaMemcpy(out.data(), in.data(), 16, cudaMemcpyHostToDevice);
              }),
              "takes device memory for the host's"));
#ifdef __SANITIZE_ADDRESS__
  CHECK(holds(fault(sample::Fault::overflow), "heap-buffer-overflow"));
  CHECK(holds(last_words([] {
                const Array<int> in(std::vector<int>{1});
                std::printf("%d\n", *in.data());
              }),
              "use-after-poison"));
#endif
}

/// Of two GPUs: a thread has chosen the one whose memory and streams it uses.
TEST(gpus_are_kept_apart) {
  const std::vector<int> numbers{1, 2, 3, 4};
  const auto words = [&](int first, int second) {
    return last_words([&] {
      emulation::set_devices(2);
      use_device(first);
      const Stream stream;
      Array<int> array(4);
      use_device(second);
      array.clear(stream);
      array.upload(numbers, nullptr);
    });
  };
  CHECK(words(1, 1) == "it lived");
  CHECK(holds(words(0, 1), "memory of one GPU is used on another"));
  CHECK(holds(last_words([] {
                emulation::set_devices(2);
                const Stream stream;
                use_device(1);
                sample::lanes({nullptr}, stream);
              }),
              "a stream of one GPU is used on another"));
}

/// Its limit is one for all who start the kernel, in whatever thread.
TEST(shared_memory_of_a_kernel_is_never_less) {
  const auto limits = [](int first, int second) {
    return last_words([=] {
      void (*const kernel)(int) = [](int) {};
      for (const int bytes : {first, second})
        cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, bytes);
    });
  };
  CHECK(limits(60000, 60000) == "it lived");
  CHECK(holds(limits(60000, 50000), "less shared memory for a kernel"));
  // as other threads do it between the limit and the start of each
  CHECK(last_words([] {
          const Array<int> in(std::vector<int>{1, 2, 3, 4});
          Array<int> out(4);
          for (const int elements : {25000, 13000})
            sample::reverse_dynamic({in.data(), out.data(), 1, 4}, elements, nullptr);
        }) == "it lived");
}

TEST(memory_begins_as_not_a_number) {
  for (const double x : Array<double>(5).download()) CHECK(std::isnan(x));
}

/// Whether races are looked for, while it lives.
class Races {
 public:
  explicit Races(bool sought) : before_(std::exchange(emulation::races::active, sought)) {}
  ~Races() { emulation::races::active = before_; }
  Races(const Races&) = delete;
  Races& operator=(const Races&) = delete;

 private:
  bool before_;
};

#ifdef MDBENCH_CUDA_RACES
TEST(races_when_asked) {
  if (emulation::races::active) std::puts("races are looked for");
}

TEST(races_are_named) {
  const Races sought(true);
  using sample::Race;
  const auto race = [](Race race) {
    return last_words([=] {
      Array<int> out(std::vector<int>(129, 0));
      sample::racing({out.data(), race}, nullptr);
      check_launch("racing");
      out.download();
    });
  };
  check::for_orders([&] {
    CHECK(race(Race::none) == "it lived");
    CHECK(holds(race(Race::shuffle_is_no_barrier), "race in block"));
    CHECK(holds(race(Race::other_warp), "race in block"));
    CHECK(holds(race(Race::write_after_read), "race in block"));
    CHECK(holds(race(Race::other_block), "another block's thread 0 wrote what thread 0 writes"));
    CHECK(holds(race(Race::atomic_and_read), "by an atomic operation"));
    CHECK(holds(race(Race::read_only_cache), "reads through the read-only cache"));
  });
}
#endif

TEST(order_shows_races) {
  const Races sought(false);
  std::vector<int> numbers(64), shifted(64, 0);
  std::iota(numbers.begin(), numbers.end(), 0);
  std::iota(shifted.begin() + 1, shifted.end(), 0);
  const Array<int> in(numbers), ones(std::vector<int>(64, -1));
  int right = 0, with_barrier = 0;
  check::for_orders([&] {
    for (const bool barrier : {false, true}) {
      Array<int> out(64);
      sample::shift({ones.data(), out.data(), 64, true}, nullptr);  // leaves -1 in shared memory
      sample::shift({in.data(), out.data(), 64, barrier}, nullptr);
      (barrier ? with_barrier : right) += out.download() == shifted;
    }
  });
  CHECK(with_barrier == 4);
  CHECK(right == 2);  // where the first threads come first
}

#endif
