// SPDX-License-Identifier: MIT
// Sums over the lanes of a warp, and sums of integers.
#include <limits>

#include "check.hpp"
#include "random_pairs.hpp"
#include "warp_kernels.hpp"

using namespace mdbench;
using namespace cuda_test;

namespace {

struct Sums {
  std::vector<double> total, reduced;
  std::vector<int> owners;
  double fixed;
  unsigned flags;
};

template <int N>
Sums sums_of(const std::vector<double>& values) {
  const Array<double> in(values);
  auto total = poisoned<double>(32), reduced = poisoned<double>(N);
  Array<int> owners(std::vector<int>(N, 0));
  Array<cuda::Fixed> fixed(std::vector<cuda::Fixed>{0});
  Array<unsigned> flags(std::vector<unsigned>{0});
  warp_sums<N>(
      {in.data(), total.data(), reduced.data(), owners.data(), fixed.data(), flags.data()});
  cuda::check_launch("warp sums");
  return {total.download(), reduced.download(), owners.download(),
          cuda::from_fixed(fixed.download()[0]), flags.download()[0]};
}

template <int N>
void check_sums(check::Random& random) {
  std::vector<double> values(32 * N), expected(N, 0.0);
  random.fill(values);
  double all = 0.0;
  for (int i = 0; i < 32 * N; ++i) {
    expected[i % N] += values[i];
    all += values[i];
  }
  const Sums sums = sums_of<N>(values);
  check::Worst worst;
  for (int i = 0; i < N; ++i) {
    worst.add(sums.reduced[i], expected[i]);
    CHECK(sums.owners[i] == 1);
  }
  for (const double x : sums.total) {
    worst.add(x, expected[0]);
    CHECK(x == sums.total[0]);
  }
  CHECK_BELOW(worst, 1e-13);
  CHECK_BELOW(std::abs(sums.fixed - all), 32.0 * N / cuda::kFixedUnit);
  CHECK(sums.flags == 0);
}

}  // namespace

TEST(sums_over_the_lanes_of_a_warp) {
  check::Random random(1);
  check_sums<1>(random);
  check_sums<2>(random);
  check_sums<5>(random);
  check_sums<13>(random);
  check_sums<16>(random);
  check_sums<20>(random);
  check_sums<32>(random);
  check_sums<33>(random);
  check_sums<64>(random);
  check_sums<100>(random);
}

TEST(integers_take_only_numbers_that_fit) {
  constexpr double kLimit = cuda::fixed_limit(32);
  const double nan = std::nan(""), infinity = std::numeric_limits<double>::infinity();
  for (const double wrong : {nan, infinity, -infinity, kLimit, -kLimit}) {
    std::vector<double> values(32, 0.25);
    values[7] = wrong;
    const Sums sums = sums_of<1>(values);
    CHECK(sums.flags == cuda::kNotFinite);
    CHECK(sums.fixed == 31 * 0.25);
  }
  std::vector<double> values(32, 0.0);
  values[3] = std::nextafter(kLimit, 0.0);
  values[9] = -values[3];
  const Sums sums = sums_of<1>(values);
  CHECK(sums.flags == 0 && sums.fixed == 0.0);
}

/// Whatever the number of terms, and as large as they may be.
TEST(integers_do_not_wrap_around) {
  for (std::int64_t terms = 1; terms < 3000; ++terms) {
    const double limit = cuda::fixed_limit(terms);
    // at most, with numbers that are rounded to the limit
    CHECK(static_cast<double>(terms) * limit < cuda::kFixedRange);
    CHECK(static_cast<double>(terms) * limit >= 0.5 * (cuda::kFixedRange - limit));
  }
  for (const double sign : {-1.0, 1.0}) {
    const double most = sign * std::nextafter(cuda::fixed_limit(32), 0.0);
    const Sums sums = sums_of<1>(std::vector<double>(32, most));
    CHECK(sums.flags == 0 && sums.fixed == 32 * most);
  }
}
