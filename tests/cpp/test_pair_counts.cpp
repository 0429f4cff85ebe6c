// SPDX-License-Identifier: MIT
#include <cmath>
#include <limits>
#include <random>

#include "check.hpp"
#include "error.hpp"
#include "pair_counts.hpp"

namespace {

using mdbench::PairBins;
using mdbench::PairInput;

struct System {
  std::vector<double> positions;
  std::vector<std::int32_t> kind, molecule;

  System(int atoms, double low, double high) {
    std::mt19937 random(7);
    std::uniform_real_distribution<double> place(low, high);
    for (int i = 0; i < atoms; ++i) {
      for (int d = 0; d < 3; ++d) positions.push_back(place(random));
      kind.push_back(i % 2);
      molecule.push_back(i / 3);
    }
  }
  PairInput input(const std::array<double, 9>& cell, const std::array<bool, 3>& periodic) const {
    return {positions, kind, molecule, cell, periodic};
  }
};

/// Over many images of every pair; positions must be near the cell.
std::vector<std::int64_t> brute_force(const PairInput& input, const PairBins& bins) {
  std::vector<std::int64_t> counts(bins.kinds * bins.kinds * bins.bins);
  const int n[3] = {input.periodic[0] ? 4 : 0, input.periodic[1] ? 4 : 0,
                    input.periodic[2] ? 4 : 0};
  for (std::size_t i = 0; i < input.kind.size(); ++i)
    for (std::size_t j = 0; j < input.kind.size(); ++j)
      for (int a = -n[0]; a <= n[0]; ++a)
        for (int b = -n[1]; b <= n[1]; ++b)
          for (int c = -n[2]; c <= n[2]; ++c) {
            double r2 = 0.0;
            for (int d = 0; d < 3; ++d) {
              const double image =
                  a * input.cell[d] + b * input.cell[3 + d] + c * input.cell[6 + d];
              const double x = input.positions[3 * j + d] - input.positions[3 * i + d] + image;
              r2 += x * x;
            }
            const auto bin = std::size_t(std::sqrt(r2) * double(bins.bins) / bins.r_max);
            if (input.molecule[i] != input.molecule[j] && bin < bins.bins)
              ++counts[(input.kind[i] * bins.kinds + input.kind[j]) * bins.bins + bin];
          }
  return counts;
}

const std::array<double, 9> SHEARED{9.0, 0.0, 0.0, 3.0, 8.0, 0.0, -2.0, 4.0, 10.0};

}  // namespace

TEST(pair_counts_are_those_of_all_images) {
  const System system(40, -6.0, 16.0);
  for (const double r_max : {0.5, 3.0, 6.5})
    for (int open = 0; open < 8; ++open) {
      const std::array<bool, 3> periodic{!(open & 1), !(open & 2), !(open & 4)};
      const auto input = system.input(SHEARED, periodic);
      const PairBins bins{2, 17, r_max};
      CHECK(mdbench::count_pairs(input, bins) == brute_force(input, bins));
    }
}

TEST(pair_counts_of_few_far_atoms_take_little_memory) {
  const System system(9, -1e6, 1e6);
  const auto counts =
      mdbench::count_pairs(system.input(SHEARED, {false, false, false}), {2, 5, 1.0});
  CHECK(counts == std::vector<std::int64_t>(20));
}

TEST(pair_counts_refuse_what_they_cannot_count) {
  System system(9, 0.0, 5.0);
  const auto refuses = [&](const std::array<double, 9>& cell, double r_max) {
    const auto input = system.input(cell, {true, true, true});
    return !check::thrown<mdbench::Error>([&] {
              mdbench::count_pairs(input, {2, 5, r_max});
            }).empty();
  };
  CHECK(!refuses(SHEARED, 6.5));
  CHECK(refuses(SHEARED, 9.0));  // b and c lean: the cell is less than 9 high along a
  CHECK(refuses({9.0, 0.0, 0.0, 3.0, 8.0, 0.0, 12.0, 8.0, 0.0}, 2.0));  // flat
  system.positions[4] = std::numeric_limits<double>::quiet_NaN();
  CHECK(refuses(SHEARED, 6.5));
}
