// SPDX-License-Identifier: MIT
#include <cmath>

#include "groups.hpp"
#include "layout.hpp"
#include "vector.hpp"
#include "warp.hpp"

/// The symmetric contraction. A block takes N receivers of one kind through 32 channels, so that
/// each coefficient is loaded once for all of them; its warps share the steps of the program and
/// add up what they found in a fixed order. Which component comes next is read at run time:
/// components lie in shared memory, each lane's in a column of its own.
namespace mdbench::cuda {
namespace {

constexpr int kThreads = kContractionWarps * kWarp;

/// Calls function(n) for the N receivers.
template <int N, class Function>
__device__ __forceinline__ void each(Function&& function) {
#pragma unroll
  for (int n = 0; n < N; ++n) function(n);
}

/// A lane's column of an array [index][lane] of vectors in shared memory.
template <class Real, int N>
struct Column {
  Vector<Real, N>* first;
  __device__ __forceinline__ Vector<Real, N>& operator[](int i) const { return first[i * kWarp]; }
  __device__ __forceinline__ Column from(int i) const { return {first + i * kWarp}; }
};

template <class Real, int N>
__device__ __forceinline__ Vector<Real, N> filled(Real x) {
  Vector<Real, N> result;
  each<N>([&](int n) { result.at[n] = x; });
  return result;
}

template <class Real, int N>
__device__ __forceinline__ Vector<Real, N> operator*(const Vector<Real, N>& a,
                                                     const Vector<Real, N>& b) {
  Vector<Real, N> result;
  each<N>([&](int n) { result.at[n] = a.at[n] * b.at[n]; });
  return result;
}

template <class Real, int N>
__device__ __forceinline__ Vector<Real, N> operator*(Real a, const Vector<Real, N>& b) {
  return filled<Real, N>(a) * b;
}

template <class Real, int N>
__device__ __forceinline__ Vector<Real, N> operator+(const Vector<Real, N>& a,
                                                     const Vector<Real, N>& b) {
  Vector<Real, N> result;
  each<N>([&](int n) { result.at[n] = a.at[n] + b.at[n]; });
  return result;
}

/// v a + w b. Which of the two products is rounded would be the compiler's choice, for each N anew,
/// and how many receivers a block takes would show in the last bits.
template <class Real, int N>
__device__ __forceinline__ Vector<Real, N> weighted(Real v, const Vector<Real, N>& a, Real w,
                                                    const Vector<Real, N>& b) {
  Vector<Real, N> result;
  each<N>([&](int n) { result.at[n] = std::fma(v, a.at[n], w * b.at[n]); });
  return result;
}

/// A step as `contraction_program.hpp` packs it.
struct Step {
  uint2 bits;
  __device__ __forceinline__ int a() const { return bits.x & 0xff; }
  __device__ __forceinline__ int b() const { return bits.x >> 8 & 0xff; }
  __device__ __forceinline__ int c() const { return bits.x >> 16 & 0xff; }
  __device__ __forceinline__ int d() const { return bits.x >> 24; }
  __device__ __forceinline__ int first() const { return bits.y & 0xffff; }
  __device__ __forceinline__ int output() const { return bits.y >> 16 & 0xff; }
  __device__ __forceinline__ bool two() const { return bits.y >> 24 & 1; }
  __device__ __forceinline__ bool last() const { return bits.y >> 25 & 1; }
};

/// The steps of a warp and their coefficients, both read ahead of their use.
template <class Real>
struct Stream {
  const uint2* steps;
  int count;
  const Real* coefficients;  ///< number 0, of the lane's channel
  int stride;
  Step step[kStepsAtOnce], ahead[kStepsAtOnce];
  Real w0[kStepsAtOnce], w1[kStepsAtOnce];

  __device__ __forceinline__ void fetch(int u, int index) {
    step[u] = ahead[u];
    ahead[u] = {__ldg(steps + index + kStepsAtOnce)};
    const Real* first = coefficients + static_cast<std::int64_t>(step[u].first()) * stride;
    w0[u] = __ldg(first);
    w1[u] = __ldg(first + (step[u].two() ? stride : 0));
  }
  /// Calls function(u, the next one's u) for each step.
  template <class Before, class Function>
  __device__ __forceinline__ void run(Before&& before, Function&& function) {
    if (count == 0) return;
#pragma unroll
    for (int u = 0; u < kStepsAtOnce; ++u) {
      ahead[u] = {__ldg(steps + u)};
      fetch(u, u);
    }
    before();
    for (int s = 0; s < count; s += kStepsAtOnce)
#pragma unroll
      for (int u = 0; u < kStepsAtOnce; ++u) {
        function(u, (u + 1) % kStepsAtOnce);
        fetch(u, s + kStepsAtOnce + u);
      }
  }
};

/// What forward and reverse have in common: where a thread stands and what it reads.
template <class Arguments, class Real, int N>
struct Group {
  const Arguments& x;
  int place, warp, channel;

  __device__ __forceinline__ Group(const Arguments& arguments, int first)
      : x(arguments),
        place(first),
        warp(threadIdx.x / kWarp),
        channel(blockIdx.y * kWarp + lane_index()) {}
  /// Of this thread's channel in [component][receivers][K], for its first receiver.
  __device__ __forceinline__ std::int64_t at(int component, std::int64_t receivers) const {
    return (component * receivers + place) * x.channels + channel;
  }
  __device__ __forceinline__ Stream<Real> stream(const uint2* steps, int count) const {
    const int share = count / kContractionWarps;
    const std::int64_t kind = x.receiver_kind[x.pass.begin + place];
    Stream<Real> result;
    result.steps = steps + warp * share;
    result.count = share;
    result.coefficients = x.coefficients + kind * x.program.num_coefficients * x.channels + channel;
    result.stride = x.channels;
    return result;
  }
  /// Copies an array of the pass to shared memory; the warps share the work.
  __device__ __forceinline__ void load(const Real* from, int components, Column<Real, N> to) const {
#pragma unroll 2
    for (int i = warp; i < components; i += kContractionWarps) {
      const Real* row = from + at(i, x.pass.capacity);
      Vector<Real, N> v;
      each<N>([&](int n) { v.at[n] = __ldg(row + n * x.channels); });
      to[i] = v;
    }
  }
  /// A, and after it the constants.
  __device__ __forceinline__ void load_inputs(Column<Real, N> a) const {
    load(x.a, x.program.inputs, a);
    if (warp == 0) a[x.program.inputs] = filled<Real, N>(1);
    if (warp == 1) a[x.program.inputs + 1] = filled<Real, N>(0);
  }
};

/// The sum of the warps' parts, [warp][count].
template <class Real, int N>
__device__ __forceinline__ Vector<Real, N> sum_parts(Column<Real, N> parts, int count, int i) {
  Vector<Real, N> sum = parts[i];
#pragma unroll
  for (int w = 1; w < kContractionWarps; ++w) sum = sum + parts[w * count + i];
  return sum;
}

template <class Real, int N>
__device__ __forceinline__ void contract_group(const Contract<Real>& x, int place) {
  const Group<Contract<Real>, Real, N> group(x, place);
  const int outputs = x.program.outputs;
  const Column<Real, N> a{shared_memory<Vector<Real, N>>() + lane_index()};
  const Column<Real, N> parts = a.from(x.program.inputs + 2);
  const Column<Real, N> mine = parts.from(group.warp * outputs);
  group.load_inputs(a);
  for (int o = 0; o < outputs; ++o) mine[o] = {};
  __syncthreads();
  Stream<Real> stream = group.stream(x.program.steps, x.program.num_forward);
  Vector<Real, N> sum{};
  stream.run([] {},
             [&](int u, int) {
               const Step step = stream.step[u];
               const Vector<Real, N> t =
                   weighted(stream.w0[u], a[step.c()], stream.w1[u], a[step.d()]);
               sum = sum + a[step.a()] * a[step.b()] * t;
               if (!step.last()) return;
               mine[step.output()] = mine[step.output()] + sum;
               sum = {};
             });
  __syncthreads();
  Real* c = x.c + (x.c_of_all ? static_cast<std::int64_t>(x.pass.begin) * x.channels : 0);
#pragma unroll 1
  for (int o = group.warp; o < outputs; o += kContractionWarps) {
    const Vector<Real, N> total = sum_parts(parts, outputs, o);
    each<N>([&](int n) { c[group.at(o, x.c_stride) + n * x.channels] = total.at[n]; });
  }
}

/// What a step of the reverse reads that none writes.
template <class Real, int N>
struct Operands {
  Vector<Real, N> a, b, c, d, bar;
  __device__ __forceinline__ Operands(Step step, Column<Real, N> in, Column<Real, N> c_bar)
      : a(in[step.a()]),
        b(in[step.b()]),
        c(in[step.c()]),
        d(in[step.d()]),
        bar(c_bar[step.output()]) {}
};

/// A warp's part of dE/dA. The thirds of a step differ unless they are constants, whose gradients
/// nobody wants.
template <class Real, int N>
__device__ __forceinline__ void add_inputs(Stream<Real> stream, Column<Real, N> a,
                                           Column<Real, N> c_bar, Column<Real, N> a_bar) {
  if (stream.count == 0) return;
  Vector<Real, N> ab_bar{};
  Operands<Real, N> now(Step{__ldg(stream.steps)}, a, c_bar);
  stream.run([] {},
             [&](int u, int following) {
               const Step step = stream.step[u];
               const Operands<Real, N> next(stream.step[following], a, c_bar);
               Vector<Real, N>&c = a_bar[step.c()], &d = a_bar[step.d()];
               const Vector<Real, N> bar = now.bar * (now.a * now.b);
               const Vector<Real, N> c_sum = c + stream.w0[u] * bar, d_sum = d + stream.w1[u] * bar;
               c = c_sum;
               d = d_sum;
               ab_bar = ab_bar + now.bar * weighted(stream.w0[u], now.c, stream.w1[u], now.d);
               if (step.last()) {
                 a_bar[step.a()] = a_bar[step.a()] + ab_bar * now.b;
                 a_bar[step.b()] = a_bar[step.b()] + ab_bar * now.a;
                 ab_bar = {};
               }
               now = next;
             });
}

/// What the warps of a block tell each other at the end, in shared memory.
template <int N>
struct Densities {
  double inverse[N], sum[kContractionWarps][N];
};
template <int N>
constexpr int kDensityBytes = (sizeof(Densities<N>) + 15) / 16 * 16;  ///< arrays are aligned

/// Adds the warps' parts, divides by the density, and sums up what that one's gradient is.
template <class Real, int N>
__device__ __forceinline__ void finish_group(const Group<ContractReverse<Real>, Real, N>& group,
                                             Column<Real, N> a, Column<Real, N> parts,
                                             Densities<N>& densities) {
  const ContractReverse<Real>& x = group.x;
  double sum[N] = {};
#pragma unroll 1
  for (int i = group.warp; i < x.program.inputs; i += kContractionWarps) {
    const Vector<Real, N> bar = sum_parts(parts, x.program.inputs + 2, i), value = a[i];
    each<N>([&](int n) {
      const Real g = bar.at[n] * static_cast<Real>(densities.inverse[n]);
      x.a_bar[group.at(i, x.pass.capacity) + n * x.channels] = g;
      sum[n] += static_cast<double>(g) * static_cast<double>(value.at[n]);
    });
  }
  if (!x.density_bar) return;
  each<N>([&](int n) {
    sum[n] = sum_lanes(sum[n]);
    if (lane_index() == 0) densities.sum[group.warp][n] = sum[n];
  });
  __syncthreads();
  if (threadIdx.x >= N) return;
  const int n = threadIdx.x;
  double total = 0.0;
  for (int w = 0; w < kContractionWarps; ++w) total += densities.sum[w][n];
  x.density_bar[(group.place + n) * (x.channels / kWarp) + blockIdx.y] = -total;
}

template <class Real, int N>
__device__ __forceinline__ void contract_group(const ContractReverse<Real>& x, int place) {
  const Group<ContractReverse<Real>, Real, N> group(x, place);
  const int inputs = x.program.inputs + 2, outputs = x.program.outputs;
  auto& densities = *shared_memory<Densities<N>>();
  auto* arrays = reinterpret_cast<Vector<Real, N>*>(shared_memory<char>() + kDensityBytes<N>);
  const Column<Real, N> a{arrays + lane_index()}, c_bar = a.from(inputs);
  const Column<Real, N> parts = c_bar.from(outputs), mine = parts.from(group.warp * inputs);
  if (threadIdx.x < N)
    densities.inverse[threadIdx.x] = x.density ? 1.0 / x.density[place + threadIdx.x] : 1.0;
  group.load_inputs(a);
  group.load(x.c_bar, outputs, c_bar);
  for (int i = 0; i < inputs; ++i) mine[i] = {};
  __syncthreads();
  const uint2* steps = x.program.steps + x.program.num_forward;
  add_inputs(group.stream(steps, x.program.num_reverse), a, c_bar, mine);
  __syncthreads();
  finish_group(group, a, parts, densities);
}

template <class Arguments, class Real, int N>
__global__ void __launch_bounds__(kThreads) contraction_kernel(const Arguments x) {
  for_group<N>(x.pass, x.receiver_kind, static_cast<int>(blockIdx.x) * N, [&]<int M>(int place) {
    contract_group<Real, M>(x, place);
    if (M < N) __syncthreads();  // the next one uses the same shared memory
  });
}

template <int N, class Real>
std::size_t shared_bytes(const Contract<Real>& x) {
  const int vectors = x.program.inputs + 2 + kContractionWarps * x.program.outputs;
  return vectors * N * kWarp * sizeof(Real);
}

template <int N, class Real>
std::size_t shared_bytes(const ContractReverse<Real>& x) {
  const int vectors = (1 + kContractionWarps) * (x.program.inputs + 2) + x.program.outputs;
  return kDensityBytes<N> + vectors * N * kWarp * sizeof(Real);
}

template <int N, class Real, class Arguments>
void start(const Arguments& x, cudaStream_t stream) {
  const dim3 grid((x.pass.count + N - 1) / N, x.channels / kWarp);
  launch(contraction_kernel<Arguments, Real, N>, grid, kThreads, shared_bytes<N>(x), stream, x);
}

/// More receivers a block save loads, as long as there are blocks for every multiprocessor.
template <class Real, class Arguments>
void start(const Arguments& x, cudaStream_t stream) {
  constexpr int kEnough = 4 * 132;
  const auto enough = [&](int n) { return x.pass.count / n * (x.channels / kWarp) >= kEnough; };
  if (sizeof(Real) == 4 && enough(4))
    start<sizeof(Real) == 4 ? 4 : 2, Real>(x, stream);
  else if (enough(2))
    start<2, Real>(x, stream);
  else
    start<1, Real>(x, stream);
}

}  // namespace

template <class Real>
void contract(const Contract<Real>& x, cudaStream_t stream) {
  start<Real>(x, stream);
}

template <class Real>
void contract_reverse(const ContractReverse<Real>& x, cudaStream_t stream) {
  start<Real>(x, stream);
}

template void contract<float>(const Contract<float>&, cudaStream_t);
template void contract<double>(const Contract<double>&, cudaStream_t);
template void contract_reverse<float>(const ContractReverse<float>&, cudaStream_t);
template void contract_reverse<double>(const ContractReverse<double>&, cudaStream_t);

}  // namespace mdbench::cuda
