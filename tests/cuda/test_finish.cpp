// SPDX-License-Identifier: MIT
// The end of a step: integers to numbers, sums of virials, gathered gradients.
#include "check.hpp"
#include "random_pairs.hpp"

using namespace mdbench;
using namespace cuda_test;
using check::Random;
using check::Worst;

namespace {

std::vector<cuda::Fixed> to_fixed(const std::vector<double>& values) {
  std::vector<cuda::Fixed> out;
  for (const double x : values)
    out.push_back(static_cast<cuda::Fixed>(std::llround(x * cuda::kFixedUnit)));
  return out;
}

std::vector<double> random_values(std::size_t size, Random& random) {
  std::vector<double> out(size);
  random.fill(out, -100.0, 100.0);
  return out;
}

Worst difference(const std::vector<double>& a, const std::vector<double>& b) {
  Worst worst;
  for (std::size_t i = 0; i < a.size(); ++i) worst.add(a[i], b[i]);
  return worst;
}

}  // namespace

TEST(finish_a_step) {
  Random random(1);
  for (const int nodes : {1, 57, 700})
    for (const int receivers : {0, 1, nodes / 2, 3000}) {
      const auto force = random_values(3 * nodes, random), at = random_values(9 * nodes, random);
      const auto virial = random_values(9 * receivers, random);
      const Array<cuda::Fixed> force_in(to_fixed(force)), at_in(to_fixed(at));
      const Array<double> virial_in(virial);
      auto force_out = poisoned<double>(force.size()), at_out = poisoned<double>(at.size());
      auto total = poisoned<double>(9);
      for (const bool nodes_wanted : {false, true}) {
        cuda::finish(
            {nodes, receivers, force_in.data(), force_out.data(), virial_in.data(), total.data(),
             nodes_wanted ? at_in.data() : nullptr, nodes_wanted ? at_out.data() : nullptr},
            nullptr);
        cuda::check_launch("finish");
        if (!nodes_wanted) CHECK(std::isnan(at_out.download()[0]));
      }
      CHECK_BELOW(difference(force_out.download(), force), 1.0 / cuda::kFixedUnit);
      CHECK_BELOW(difference(at_out.download(), at), 1.0 / cuda::kFixedUnit);
      std::vector<double> sum(9, 0.0);
      for (std::size_t i = 0; i < virial.size(); ++i) sum[i % 9] += virial[i];
      CHECK_BELOW(difference(total.download(), sum), 1e-9);
    }
}

TEST(finish_without_forces_or_virials) {
  Random random(2);
  const Array<cuda::Fixed> in(to_fixed(random_values(27, random)));
  const Array<double> virial(random_values(9, random));
  auto out = poisoned<double>(27), total = poisoned<double>(9);
  cuda::finish({3, 1, nullptr, nullptr, virial.data(), total.data(), nullptr, nullptr}, nullptr);
  CHECK(total.download() == virial.download());
  cuda::finish({3, 1, in.data(), out.data(), nullptr, nullptr, nullptr, nullptr}, nullptr);
  const auto forces = out.download();
  CHECK(std::isfinite(forces[8]) && std::isnan(forces[9]));
  cuda::finish({3, 0, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr}, nullptr);
  cuda::check_launch("finish");
}

TEST(gradients_of_a_pass) {
  check::for_precisions([]<class Real>() {
    Random random(3);
    for (const int channels : {32, 96, 160})
      for (const int components : {1, 4, 9}) {
        const cuda::Pass pass{2, 5, 7};
        const int nodes = 11, row = components * channels;
        std::vector<int> node = {9, 3, 10, 0, 7, 2, 5, 1};
        const auto values = random_values(static_cast<std::size_t>(nodes) * row, random);
        std::vector<int> far_node = node;
        for (int& n : far_node) n += check::kFarNode;
        const Array<int> node_in(far_node);
        const auto far = [&](const auto& array) {
          return check::begin_of_far(array.data(), std::int64_t{check::kFarNode} * row);
        };
        const Array<cuda::Fixed> fixed(to_fixed(values));
        const Array<Real> real(std::vector<Real>(values.begin(), values.end()));
        for (const bool from_fixed : {false, true}) {
          auto out = poisoned<Real>(static_cast<std::size_t>(pass.capacity) * row);
          cuda::take_gradients<Real>(
              {pass, node_in.data(), components, channels, from_fixed ? far(fixed) : nullptr,
               from_fixed ? nullptr : far(real), out.data()},
              nullptr);
          cuda::check_launch("taking gradients");
          const auto result = out.download();
          Worst worst;
          for (int m = 0; m < components; ++m)
            for (int place = 0; place < pass.capacity; ++place)
              for (int k = 0; k < channels; ++k) {
                const Real x = result[(m * pass.capacity + place) * channels + k];
                if (place >= pass.count) {
                  CHECK(std::isnan(x));
                  continue;
                }
                const double expected = values[node[pass.begin + place] * row + m * channels + k];
                worst.add(x, expected);
              }
          CHECK_BELOW(worst, 100.0 * check::kEpsilon<Real> + 1.0 / cuda::kFixedUnit);
        }
      }
  });
}
