// SPDX-License-Identifier: MIT
// Time of each CPU kernel alone at the shape of the medium model (128 channels, max_ell 3, senders
// up to l = 1, 89 edges an atom, batches of 8), against the peaks of this core, measured first.
//
//   cmake -S . -B build/kernels -DMDBENCH_BENCHMARKS=ON && cmake --build build/kernels --target
//   mdbench_kernels_benchmark && build/kernels/mdbench_kernels_benchmark
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <functional>
#include <random>

#include "contraction.hpp"
#include "edge_product.hpp"
#include "gemm.hpp"
#include "radial_rows.hpp"

using namespace mdbench;

namespace {

constexpr int kChannels = 128, kEdges = 89, kAtoms = 8, kNodes = 372, kPaths = 10;
double sink = 0.0;  ///< results go here, so that nothing is left out

/// Seconds of the fastest of several repeats of `calls` calls, a call.
double fastest(int calls, const std::function<void(int)>& body) {
  double best = 1e9;
  for (int repeat = 0; repeat < 9; ++repeat) {
    const auto start = std::chrono::steady_clock::now();
    for (int i = 0; i < calls; ++i) body(i);
    const std::chrono::duration<double> time = std::chrono::steady_clock::now() - start;
    best = std::min(best, time.count() / calls);
  }
  return best;
}

template <class Real>
Buffer<Real> random_values(std::size_t n) {
  std::mt19937 generator(1);
  std::uniform_real_distribution<double> uniform(-1.0, 1.0);
  Buffer<Real> out(n);
  for (auto& x : out) x = static_cast<Real>(uniform(generator));
  return out;
}

/// Multiply-adds a second, 16 independent chains.
template <class Real>
double peak_fma() {
  const Vec<Real> x(Real(0.999)), y(Real(1e-3));
  const double seconds = fastest(1000, [&](int call) {
    Vec<Real> sum[16];  // here, so that it stays in registers
    for (int i = 0; i < 16; ++i) sum[i] = Real(i + call);
    for (int k = 0; k < 1024; ++k)
#pragma GCC unroll 16
      for (int i = 0; i < 16; ++i) sum[i] = sum[i] * x + y;
    for (const auto& s : sum) sink += static_cast<double>(stdx::reduce(s));
  });
  return 1024.0 * 16.0 * kWidth<Real> / seconds;
}

/// Bytes a second read from an array of a size.
double peak_read(std::size_t bytes) {
  const Buffer<float> data = random_values<float>(bytes / sizeof(float));
  constexpr int W = kWidth<float>, N = 8;
  const double seconds = fastest(static_cast<int>((1u << 28) / bytes / 8 + 1), [&](int) {
    Vec<float> sum[N];  // here, so that it stays in registers
    for (auto& s : sum) s = 0.0f;
    for (std::size_t i = 0; i + N * W <= data.size(); i += N * W)
      for (int k = 0; k < N; ++k) sum[k] += load(&data[i + k * W]);
    for (const auto& s : sum) sink += stdx::reduce(s);
  });
  return bytes / seconds;
}

/// A line of the table; `fma` and `bytes` are those of one call, which serves `atoms`.
template <class Real>
void report(const char* name, double seconds, double atoms, double fma, double bytes) {
  static const double peak = peak_fma<Real>();
  std::printf("%-34s %-6s %9.2f %9.1f %7.0f %9.1f\n", name, sizeof(Real) == 4 ? "float" : "double",
              1e6 * seconds / atoms, 2e-9 * fma / seconds, 100.0 * fma / seconds / peak,
              1e-9 * bytes / seconds);
}

template <class Real>
void time_gemm() {
  for (const int rows : {8, 24, 40, 56}) {
    const auto a = random_values<Real>(rows * kChannels),
               b = random_values<Real>(kChannels * kChannels);
    Buffer<Real> c(rows * kChannels);
    const Panels shape{kChannels, kChannels, kPanelVectors<Real> * kWidth<Real>};
    const double seconds = fastest(200, [&](int) {
      gemm<Real>(rows, {a.data(), kChannels}, shape, b.data(), {c.data(), kChannels}, true);
    });
    char name[64];
    std::snprintf(name, sizeof name, "linear map, %d rows", rows);
    report<Real>(name, seconds, kAtoms, double(rows) * kChannels * kChannels,
                 sizeof(Real) * (2.0 * rows * kChannels + kChannels * kChannels));
  }
}

template <class Real>
void time_radial_rows() {
  constexpr int lanes = 2 * kWidth<Real>, tile = 4, rank = 6;
  const auto v = random_values<Real>(kPaths * rank * lanes), u = random_values<Real>(tile * 16);
  Buffer<Real> r(kPaths * tile * lanes), d(r.size());
  RadialRows<tile, Real> t{rank, kPaths, v.data(), u.data(), u.data(), 16, {}, {}, tile * lanes};
  for (int i = 0; i < tile; ++i) t.value_out[i] = &r[i * lanes], t.slope_out[i] = &d[i * lanes];
  const double seconds = fastest(2000, [&](int) { radial_rows<2, true>(t); });
  const double atoms = double(tile) / kEdges * lanes / kChannels;
  report<Real>("radial rows and slopes, rank 6", seconds, atoms, 2.0 * tile * kPaths * rank * lanes,
               sizeof(Real) * (v.size() + 2.0 * r.size()));
}

/// Paths of l1 = 0 and 1 with each l2, as in the medium model.
PathBlocks medium_blocks(int& slots) {
  PathBlocks blocks;
  int path = 0;
  slots = 0;
  const int count[4][2] = {{1, 1}, {1, 2}, {1, 2}, {1, 1}};
  for (int l2 = 0; l2 <= 3; ++l2)
    for (int l1 = 0; l1 <= 1; ++l1) {
      blocks[l2][l1] = {path, count[l2][l1], slots};
      path += count[l2][l1];
      slots += count[l2][l1] * (2 * l1 + 1) * (2 * l2 + 1);
    }
  return blocks;
}

template <class Real>
struct EdgeData {
  static constexpr int W = kWidth<Real>, lanes = 2 * W, comps = 4;
  Buffer<Real> h = random_values<Real>(kNodes * comps * kChannels);
  Buffer<Real> y = random_values<Real>(kEdges * 16),
               radial = random_values<Real>(kPaths * kEdges * lanes);
  std::vector<std::int64_t> sender;
  EdgeData() {
    std::mt19937 generator(2);
    for (int e = 0; e < kEdges; ++e) sender.push_back(generator() % kNodes * comps * kChannels);
  }
};

template <class Real, int M>
double forward_seconds(const EdgeData<Real>& data, const std::vector<SlotRow>& rows) {
  constexpr int W = kWidth<Real>;
  Buffer<Real> slots(rows.size() * M * W, Real(0));
  const double seconds = fastest(300, [&](int i) {
    const EdgeSpan<Real> span{
        kEdges,    data.sender.data(), data.h.data() + i % (kChannels / W) * W,
        kChannels, data.y.data(),      16};
    accumulate_slots<M>(span, rows, data.radial.data(), kEdges * 2 * W, 2 * W, slots.data());
  });
  sink += static_cast<double>(slots[0]);
  return seconds;
}

template <class Real>
void time_edges() {
  constexpr int W = kWidth<Real>;
  const EdgeData<Real> data;
  const std::vector<SlotRow> even{{0, 0}, {1, 1}, {1, 2}, {1, 3}};
  const std::vector<SlotRow> odd{{0, 0}, {1, 1}, {2, 1}, {1, 2}, {2, 2}, {1, 3}, {2, 3}};
  const double forward = forward_seconds<Real, 1>(data, even) +
                         forward_seconds<Real, 3>(data, odd) + forward_seconds<Real, 5>(data, odd) +
                         forward_seconds<Real, 7>(data, even);
  const double share = double(W) / kChannels;
  report<Real>("edge product, forward", forward, share, 110.0 * kEdges * W,
               sizeof(Real) * kEdges * W * (22.0 + 22.0));
  int slots = 0;
  const PathBlocks blocks = medium_blocks(slots);
  const auto bar = random_values<Real>(2 * slots * W);
  Buffer<Real> h_bar(data.h.size(), Real(0));
  Buffer<double> y_bar(kEdges * kMaxComponents, 0.0);
  const double reverse = fastest(300, [&](int i) {
    const int channel = i % (kChannels / (2 * W)) * 2 * W;
    for (int e = 0; e < kEdges; ++e) {
      const ReverseEdge<Real> edge{3,
                                   &data.y[e * 16],
                                   &data.h[data.sender[e] + channel],
                                   kChannels,
                                   &data.radial[e * 2 * W],
                                   &data.radial[e * 2 * W],
                                   kEdges * 2 * W,
                                   bar.data(),
                                   slots * W};
      reverse_slots<2>(blocks, 4, edge, &h_bar[data.sender[e] + channel],
                       &y_bar[e * kMaxComponents]);
    }
  });
  report<Real>("edge product, reverse", reverse, 2.0 * share, 240.0 * kEdges * 2 * W,
               sizeof(Real) * kEdges * 2.0 * W * (20.0 + 12.0 + 88.0));
}

template <class Real>
void time_contraction() {
  std::mt19937 generator(3);
  std::vector<ContractionPlan::Term> terms;
  for (int i = 0; i < 500; ++i) {
    std::array<std::int16_t, 3> f{};
    for (auto& x : f) x = static_cast<std::int16_t>(generator() % 16);
    std::sort(f.begin(), f.end());
    terms.push_back({f, static_cast<int>(generator() % 4), 3, 0, 1.0});
  }
  const ContractionPlan plan(terms, 16, 4);
  const auto w = random_values<Real>(plan.num_coefficients() * kChannels);
  const auto a = random_values<Real>(16 * kAtoms * kChannels);
  Buffer<Real> c(4 * kAtoms * kChannels), a_bar(a.size());
  const AtomBatch<Real> batch{kAtoms, kChannels};
  const double forward =
      fastest(50, [&](int) { contract(plan, w.data(), batch, a.data(), c.data()); });
  const double reverse = fastest(
      50, [&](int) { contract_reverse(plan, w.data(), batch, a.data(), c.data(), a_bar.data()); });
  const double n = double(kAtoms) * kChannels, bytes = sizeof(Real) * (w.size() + 2.0 * a.size());
  const double ops = plan.num_coefficients() + plan.outs().size() + plan.pairs().size();
  report<Real>("contraction, 500 monomials", forward, kAtoms, n * ops, bytes);
  report<Real>("contraction, reverse", reverse, kAtoms,
               n * (ops + plan.num_coefficients() + 2.0 * plan.pairs().size()), bytes);
}

template <class Real>
void time_all() {
  time_gemm<Real>();
  time_radial_rows<Real>();
  time_edges<Real>();
  time_contraction<Real>();
}

}  // namespace

int main() {
  std::printf(
      "peak: %.1f GFLOP/s float, %.1f double; reads: %.0f GB/s of 16 KiB, %.0f of 512 KiB, "
      "%.0f of 64 MiB\n",
      2e-9 * peak_fma<float>(), 2e-9 * peak_fma<double>(), 1e-9 * peak_read(1 << 14),
      1e-9 * peak_read(1 << 19), 1e-9 * peak_read(1 << 26));
  std::printf("%-34s %-6s %9s %9s %7s %9s\n", "kernel", "", "us/atom", "GFLOP/s", "% peak", "GB/s");
  time_all<float>();
  time_all<double>();
  return sink == 42.0;
}
