// SPDX-License-Identifier: MIT
// Products of the passes' arrays with matrices.
#include <numeric>

#include "check.hpp"
#include "far.hpp"
#include "numeric.hpp"
#include "pass_case.hpp"

using namespace mdbench::cuda;
using check::kEpsilon;
using check::PassCase;
using check::Random;
using check::Worst;

namespace {

struct Options {
  bool bias = false, rows = false, divisor = false, accumulate = false;
};

/// Outputs with 0, 1, 2, ... terms in turn; inputs of the pass and of all receivers, matrices of
/// each kind and of all kinds.
template <class Real>
struct DenseCase {
  PassCase of;
  int kinds, inner, columns, outputs, max_terms;
  Options options;

  struct Term {
    std::vector<Real> in, weight;
    int stride;
    bool of_all, each_kind;
  };
  struct Output {
    std::vector<Real> bias, before, expected_scale;
    int first, last;
  };
  std::vector<Term> terms{};
  std::vector<Output> sums{};
  std::vector<int> row{};
  std::vector<double> divisor{};

  int rows() const { return options.rows ? of.receivers() + 5 : of.pass.capacity; }
  int out_stride() const { return columns + 4; }

  void make(Random& random) {
    for (int o = 0; o < outputs; ++o) {
      Output output{};
      output.first = static_cast<int>(terms.size());
      for (int t = 0; t < (o + 1) % (max_terms + 1); ++t) {
        Term term{{}, {}, inner + 4 * (t % 2), (o + t) % 2 == 1, (o + t) % 3 != 0};
        const int places = term.of_all ? of.receivers() : of.pass.capacity;
        term.in = check::poisoned<Real>(static_cast<std::size_t>(places) * term.stride);
        for (int i = 0; i < places; ++i)
          for (int k = 0; k < inner; ++k)
            if (of.has(i, term.of_all))
              term.in[i * term.stride + k] = static_cast<Real>(random.uniform());
        term.weight.resize(static_cast<std::size_t>(term.each_kind ? kinds : 1) * inner * columns);
        random.fill(term.weight);
        terms.push_back(term);
      }
      output.last = static_cast<int>(terms.size());
      output.bias.resize(kinds * columns);
      random.fill(output.bias);
      output.before.resize(static_cast<std::size_t>(rows()) * out_stride());
      random.fill(output.before);
      sums.push_back(output);
    }
    row.resize(of.receivers());
    for (int i = 0; i < of.receivers(); ++i) row[i] = of.receivers() + 4 - i;
    divisor = check::poisoned<double>(of.pass.capacity);
    for (int i = 0; i < of.pass.count; ++i) divisor[i] = random.uniform(1.0, 3.0);
  }

  std::vector<KindTile> tiles() const {
    std::vector<KindTile> out;
    for (int i = 0; i < of.pass.count; ++i) {
      if (out.empty() || out.back().kind != of.kind_of(i) || out.back().count == kDenseRows)
        out.push_back({of.kind_of(i), i, 0});
      ++out.back().count;
    }
    return out;
  }

  std::vector<std::vector<Real>> run() const {
    std::vector<Array<Real>> in, weight, bias, out;
    std::vector<DenseTerm<Real>> device_terms;
    std::vector<DenseOutput<Real>> device_outputs;
    for (const Term& t : terms) {
      in.emplace_back(t.in);
      weight.emplace_back(t.weight);
      device_terms.push_back({in.back().data(), t.stride, t.of_all, weight.back().data(),
                              t.each_kind ? std::int64_t{inner} * columns : 0});
    }
    for (std::size_t o = 0; o < sums.size(); ++o) {
      bias.emplace_back(sums[o].bias);
      out.emplace_back(sums[o].before);
      const std::int64_t far = options.rows ? check::kFarNode : 0;
      device_outputs.push_back(
          {check::begin_of_far(out.back().data(), far * out_stride()), out_stride(),
           options.bias && o % 2 == 0 ? bias.back().data() : nullptr, sums[o].first, sums[o].last});
    }
    const Array<DenseTerm<Real>> term_array(device_terms);
    const Array<DenseOutput<Real>> output_array(device_outputs);
    const Array<KindTile> tile_array(tiles());
    std::vector<int> far_row = row;
    for (int& r : far_row) r += check::kFarNode;
    const Array<int> row_array(far_row);
    const Array<double> divisor_array(divisor);
    Dense<Real> x{};
    x.pass = of.pass;
    x.inner = inner;
    x.columns = columns;
    x.num_outputs = outputs;
    x.num_tiles = static_cast<int>(tile_array.size());
    x.outputs = output_array.data();
    x.terms = term_array.data();
    x.tiles = tile_array.data();
    x.row = options.rows ? row_array.data() : nullptr;
    x.divisor = options.divisor ? divisor_array.data() : nullptr;
    x.accumulate = options.accumulate;
    dense(x, nullptr);
    check_launch("multiplying");
    std::vector<std::vector<Real>> results;
    for (const auto& array : out) results.push_back(array.download());
    return results;
  }

  /// One number as three loops give it, and the sum of the sizes of what is added.
  std::pair<double, double> expected(int o, int place, int column) const {
    double sum = 0.0, size = 0.0;
    const int kind = of.kind_of(place);
    const auto add = [&](double x) { sum += x, size += std::abs(x); };
    for (int t = sums[o].first; t < sums[o].last; ++t) {
      const Term& term = terms[t];
      const Real* in = &term.in[(term.of_all ? of.pass.begin + place : place) * term.stride];
      const Real* w = &term.weight[term.each_kind ? std::size_t(kind) * inner * columns : 0];
      for (int k = 0; k < inner; ++k) add(double{in[k]} * w[k * columns + column]);
    }
    if (options.bias && o % 2 == 0) add(sums[o].bias[kind * columns + column]);
    if (options.divisor) sum /= divisor[place];
    return {sum, size};
  }

  void check_results(const std::vector<std::vector<Real>>& results) const {
    Worst worst;
    bool untouched = true;
    for (int o = 0; o < outputs; ++o) {
      std::vector<Real> rest = sums[o].before;
      for (int place = 0; place < of.pass.count; ++place) {
        const int to = options.rows ? row[of.pass.begin + place] : place;
        for (int j = 0; j < columns; ++j) {
          auto [sum, size] = expected(o, place, j);
          const std::size_t at = static_cast<std::size_t>(to) * out_stride() + j;
          if (options.accumulate) sum += rest[at], size += std::abs(rest[at]);
          worst.keep(std::abs(results[o][at] - sum) / (kEpsilon<Real> * (size + 1e-30)));
          rest[at] = results[o][at];
        }
      }
      untouched = untouched && rest == results[o];
    }
    CHECK_BELOW(worst, 4.0 + 0.25 * std::sqrt(inner * max_terms));
    CHECK(untouched);
  }
};

template <class Real>
void run_case(const DenseCase<Real>& what, Random& random) {
  DenseCase<Real> it = what;
  it.make(random);
  it.check_results(it.run());
}

}  // namespace

TEST(dense_equals_three_loops) {
  check::for_precisions([]<class Real>() {
    Random random(21);
    int number = 0;
    for (const int inner : {4, 16, 20, 32})
      for (const int columns : {4, 32, 36, 64, 96, 128, 160}) {
        const Options options{number % 2 == 0, number % 3 == 0, number % 5 < 2, number % 4 > 1};
        const int size = 1 + number * 7 % 40;
        run_case<Real>({PassCase({size, 2, size / 2}, number % 3, number % 2), 3, inner, columns, 3,
                        2, options},
                       random);
        ++number;
      }
  });
}

TEST(dense_of_one_receiver) {
  check::for_precisions([]<class Real>() {
    Random random(22);
    run_case<Real>({PassCase({1}, 0, 0), 1, 128, 128, 4, 3, {true, true, true, true}}, random);
    run_case<Real>({PassCase({0, 3}, 1, 1), 2, 8, 16, 1, 1, {}}, random);
  });
}

/// As many blocks as it takes for each of the shapes of tiles to be the best one.
TEST(dense_in_larger_tiles) {
  check::for_precisions([]<class Real>() {
    Random random(23);
    const Options options{true, true, true, true};
    for (const int columns : {16, 32, 64, 128, 132})
      run_case<Real>({PassCase({64, 31}, 3, 2), 2, 20, columns, 100, 2, options}, random);
    run_case<Real>({PassCase({200, 130}, 1, 2), 2, 36, 128, 33, 1, {}}, random);
  });
}

TEST(dense_does_not_depend_on_the_tiles) {
  check::for_precisions([]<class Real>() {
    Random random(24);
    DenseCase<Real> few{PassCase({40}, 0, 0), 1, 24, 128, 2, 2, {}};
    few.make(random);
    DenseCase<Real> many = few;
    for (int o = 2; o < 220; ++o) many.sums.push_back(few.sums[o % 2]);
    many.outputs = static_cast<int>(many.sums.size());
    const auto expected = few.run(), results = many.run();
    CHECK(results[0] == expected[0] && results[217] == expected[1]);
  });
}
