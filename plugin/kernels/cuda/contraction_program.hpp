// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <stdexcept>
#include <vector>

#include "contraction_plan.hpp"
#include "layout.hpp"

namespace mdbench::cuda {

/// A contraction's program on the host: the steps go to the device, their address there into
/// `program.steps`.
struct HostProgram {
  ContractionProgram program{};
  std::vector<uint2> steps;
};

namespace detail {

/// c[output] += A_a A_b (w_first A_thirds[0] + w_second A_thirds[1]).
struct Step {
  int a, b, thirds[2], output, first;
  bool two;   ///< coefficients: first and first + 1
  bool last;  ///< of those that go to one output, or have one pair

  uint2 packed() const {
    const auto bits = [](int x, int shift) { return static_cast<unsigned>(x) << shift; };
    return {bits(a, 0) | bits(b, 8) | bits(thirds[0], 16) | bits(thirds[1], 24),
            bits(first, 0) | bits(output, 16) | bits(two, 24) | bits(last, 25)};
  }
};

/// In the order of the plan: sorted by the pair.
inline std::vector<Step> steps_of(const ContractionPlan& plan) {
  const int one = plan.inputs(), zero = one + 1;
  std::vector<Step> steps;
  int next = 0;
  for (const auto& s : plan.singles())
    steps.push_back({one, one, {s.a, zero}, s.output, next++, false, false});
  for (const auto& p : plan.pairs())
    for (int k = p.first_out; k < p.last_out; ++k) {
      const auto& out = plan.outs()[k];
      std::vector<int> thirds;
      if (out.alone) thirds.push_back(one);
      for (int j = out.first_third; j < out.last_third; ++j) thirds.push_back(plan.thirds()[j]);
      for (std::size_t i = 0; i < thirds.size(); i += 2) {
        const bool two = i + 1 < thirds.size();
        const int second = two ? thirds[i + 1] : zero;
        steps.push_back({p.a, p.b, {thirds[i], second}, out.output, next, two, false});
        next += 1 + two;
      }
    }
  return steps;
}

/// Appends the steps, filled up so that each warp has as many; `same` tells which belong together.
template <class Same>
int append(std::vector<Step> steps, int zero, Same&& same, std::vector<uint2>& to) {
  if (steps.empty()) return 0;
  constexpr std::size_t kMultiple = kContractionWarps * kStepsAtOnce;
  Step nothing = steps.back();
  nothing.thirds[0] = nothing.thirds[1] = zero;
  nothing.first = 0;
  nothing.two = false;
  while (steps.size() % kMultiple != 0) steps.push_back(nothing);
  const std::size_t share = steps.size() / kContractionWarps;
  for (std::size_t i = 0; i < steps.size(); ++i) {
    steps[i].last = (i + 1) % share == 0 || !same(steps[i], steps[i + 1]);
    to.push_back(steps[i].packed());
  }
  return static_cast<int>(steps.size());
}

}  // namespace detail

inline HostProgram host_program(const ContractionPlan& plan) {
  using detail::Step;
  if (plan.num_coefficients() > 0xffff)
    throw std::length_error(
        "a contraction of more than 65535 monomials does not fit the GPU's program");
  HostProgram host;
  host.program.inputs = plan.inputs();
  host.program.outputs = plan.outputs();
  host.program.num_coefficients = plan.num_coefficients();
  auto steps = detail::steps_of(plan);
  const int zero = plan.inputs() + 1;
  const auto same_pair = [](const Step& x, const Step& y) { return x.a == y.a && x.b == y.b; };
  const auto same_output = [](const Step& x, const Step& y) { return x.output == y.output; };
  auto by_output = steps;
  std::stable_sort(by_output.begin(), by_output.end(),
                   [](const Step& x, const Step& y) { return x.output < y.output; });
  host.program.num_forward = detail::append(by_output, zero, same_output, host.steps);
  host.program.num_reverse = detail::append(steps, zero, same_pair, host.steps);
  // steps are read ahead
  host.steps.resize(host.steps.size() + 2 * kStepsAtOnce, Step{}.packed());
  return host;
}

}  // namespace mdbench::cuda
