// SPDX-License-Identifier: MIT
#include "contraction_plan.hpp"

#include <map>
#include <utility>

namespace mdbench {

ContractionPlan::ContractionPlan(const std::vector<Term>& terms, int inputs, int outputs)
    : inputs_(inputs), outputs_(outputs) {
  using Key = std::array<std::int16_t, 3>;
  // singles, then pairs with their outputs, each with its thirds: the order of the coefficients
  std::map<std::pair<int, int>, std::vector<Term>> singles;
  std::map<std::pair<int, int>, std::map<int, std::map<int, std::vector<Term>>>> pairs;
  for (const Term& term : terms) {
    const Key& f = term.factors;
    if (f[1] < 0)
      singles[{f[0], term.output}].push_back(term);
    else
      pairs[{f[0], f[1]}][term.output][f[2]].push_back(term);
  }
  for (auto& [key, sources] : singles) {
    singles_.push_back({key.first, key.second});
    sources_.push_back(std::move(sources));
  }
  for (auto& [key, outs] : pairs) {
    Pair pair{key.first, key.second, static_cast<int>(outs_.size()), 0};
    for (auto& [output, monomials] : outs) {
      Out out{output, false, static_cast<int>(thirds_.size()), 0};
      for (auto& [third, sources] : monomials) {  // -1, no third factor, comes first
        if (third < 0)
          out.alone = true;
        else
          thirds_.push_back(static_cast<std::int16_t>(third));
        sources_.push_back(std::move(sources));
      }
      out.last_third = static_cast<int>(thirds_.size());
      outs_.push_back(out);
    }
    pair.last_out = static_cast<int>(outs_.size());
    pairs_.push_back(pair);
  }
}

}  // namespace mdbench
