// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <vector>

#include "contraction_plan.hpp"
#include "numeric.hpp"

namespace check {

/// Terms as a file may have them: some monomials come several times, with other weights.
inline std::vector<mdbench::ContractionPlan::Term> random_terms(int inputs, int outputs, int orders,
                                                                int count, Random& random) {
  std::vector<mdbench::ContractionPlan::Term> terms;
  for (int i = 0; i < count; ++i) {
    const int order = 1 + random.below(orders);
    mdbench::ContractionPlan::Term term{
        {-1, -1, -1}, random.below(outputs), order, random.below(3), random.uniform()};
    for (int f = 0; f < order; ++f)
      term.factors[f] = static_cast<std::int16_t>(random.below(inputs));
    std::sort(term.factors.begin(), term.factors.begin() + order);
    terms.push_back(term);
    if (i % 4 == 0) {
      terms.push_back(term);
      terms.back().weight = (term.weight + 1) % 3;
    }
  }
  return terms;
}

}  // namespace check
