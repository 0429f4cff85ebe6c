// SPDX-License-Identifier: MIT
#include <algorithm>
#include <type_traits>

#include "layout.hpp"
#include "vector.hpp"

/// Small matrix products, all outputs of a pass at once. A block makes a tile of one output: panels
/// of both factors pass through shared memory while the next ones are on their way from global
/// memory, each thread holds its part of the tile in registers. Every sum runs over the terms and
/// the inner index in order, whatever the shape of the tile.
namespace mdbench::cuda {
namespace {

/// A block's tile of Rows x Columns, M x N of them in each thread.
template <class T, int Rows, int Columns, int M, int N>
struct Shape {
  using Real = T;
  static constexpr int kRows = Rows, kColumns = Columns, kM = M, kN = N;
  static constexpr int kVector = Vector<T>::kSize;
  static constexpr int kAcross = Columns / N, kDown = Rows / M, kThreads = kAcross * kDown;
  static constexpr int kPanel = 4 * kVector;      ///< of the inner index at a time
  static constexpr int kStride = Rows + kVector;  ///< of the left panel, [inner][row]
  static constexpr int kLeft = kPanel * kStride, kRight = kPanel * Columns;
  static constexpr int kLeftLoads = Rows * kPanel / kVector / kThreads;
  static constexpr int kRightLoads = Columns * kPanel / kVector / kThreads;
  static constexpr int kBlocks = (sizeof(T) == 4 ? 512 : 384) / kThreads;  ///< fill the registers
  static constexpr std::size_t kShared = 2 * (kLeft + kRight) * sizeof(T);
  static_assert(kAcross % 8 == 0 && kDown % 4 == 0 && M % kVector == 0 && N % kVector == 0);
  static_assert(kLeftLoads * kThreads * kVector == Rows * kPanel);
  static_assert(kRightLoads * kThreads * kVector == Columns * kPanel);
};

/// What a block multiplies.
struct Block {
  int kind, place, rows, column;  ///< first place and column; rows in use
};

/// A term as this block reads it.
template <class Real>
struct Source {
  const Real* in;
  const Real* weight;
  std::int64_t stride;
};

/// Walks through the terms of an output panel by panel. The next term is read ahead, so that its
/// pointers are there when its first panel is to be loaded.
template <class S>
class Panels {
  using Real = typename S::Real;

 public:
  __device__ Panels(const Dense<Real>& x, const DenseOutput<Real>& output, const Block& block)
      : x_(x), block_(block), term_(output.first_term), last_(output.last_term) {
    now_ = source(term_);
    next_ = source(term_ + 1);
  }
  __device__ bool done() const { return term_ >= last_; }

  __device__ void advance() {
    inner_ += S::kPanel;
    if (inner_ < x_.inner) return;
    inner_ = 0;
    ++term_;
    now_ = next_;
    next_ = source(term_ + 1);
  }

  __device__ void load() {
    const int t = threadIdx.x, k = t % 4 * S::kVector, row = t / 4;
    const bool inside = inner_ + k < x_.inner;
    const Real* in = now_.in + row * now_.stride + (inner_ + k);
#pragma unroll
    for (int v = 0; v < S::kLeftLoads; ++v) {
      constexpr int kStep = S::kThreads / 4;
      left_[v] = inside && row + v * kStep < block_.rows ? read_vector(in + v * kStep * now_.stride)
                                                         : Vector<Real>{};
    }
    constexpr int kAcross = S::kColumns / S::kVector;
    const int column = block_.column + t % kAcross * S::kVector, first = inner_ + t / kAcross;
    const Real* weight = now_.weight + first * x_.columns + column;
#pragma unroll
    for (int v = 0; v < S::kRightLoads; ++v) {
      constexpr int kStep = S::kThreads / kAcross;
      right_[v] = column < x_.columns && first + v * kStep < x_.inner
                      ? read_vector(weight + v * kStep * x_.columns)
                      : Vector<Real>{};
    }
  }

  /// Puts the panels that were loaded into shared memory, the left one transposed.
  __device__ void store(Real* shared) const {
    const int t = threadIdx.x;
#pragma unroll
    for (int v = 0; v < S::kLeftLoads; ++v)
#pragma unroll
      for (int i = 0; i < S::kVector; ++i)
        shared[(t % 4 * S::kVector + i) * S::kStride + t / 4 + v * (S::kThreads / 4)] =
            left_[v].at[i];
#pragma unroll
    for (int v = 0; v < S::kRightLoads; ++v)
      store_vector(shared + S::kLeft + (v * S::kThreads + t) * S::kVector, right_[v]);
  }

 private:
  __device__ Source<Real> source(int term) const {
    if (term >= last_) return {};
    const DenseTerm<Real>& from = x_.terms[term];
    const std::int64_t place = block_.place + (from.of_all ? x_.pass.begin : 0);
    return {from.in + place * from.in_stride, from.weight + block_.kind * from.kind_stride,
            from.in_stride};
  }

  const Dense<Real>& x_;
  Block block_;
  int term_, last_, inner_ = 0;
  Source<Real> now_, next_;
  Vector<Real> left_[S::kLeftLoads], right_[S::kRightLoads];
};

/// A thread's place in the tile. A warp covers 4 x 8 threads, neighbouring lanes in one column and
/// the next pair in the same rows: then 16 lanes read a fragment in one pass.
template <class S>
struct Thread {
  int row, column;  ///< of its first vectors; the next ones are kDown, kAcross vectors on
  __device__ Thread() {
    constexpr int kWarpsAcross = S::kAcross / 8;
    const int lane = threadIdx.x % kWarp, warp = threadIdx.x / kWarp;
    row = (warp / kWarpsAcross * 4 + lane / 16 * 2 + lane % 2) * S::kVector;
    column = (warp % kWarpsAcross * 8 + lane / 2 % 8) * S::kVector;
  }
};

template <class S>
using Sums = typename S::Real[S::kM][S::kN];

/// sum += left right over a panel in shared memory.
template <class S>
__device__ __forceinline__ void multiply(const typename S::Real* shared, const Thread<S>& thread,
                                         Sums<S>& sum) {
  using Real = typename S::Real;
  constexpr int V = S::kVector;
#pragma unroll
  for (int k = 0; k < S::kPanel; ++k) {
    Vector<Real> left[S::kM / V], right[S::kN / V];
#pragma unroll
    for (int i = 0; i < S::kM / V; ++i)
      left[i] = load_vector(shared + k * S::kStride + thread.row + i * S::kDown * V);
#pragma unroll
    for (int j = 0; j < S::kN / V; ++j)
      right[j] =
          load_vector(shared + S::kLeft + k * S::kColumns + thread.column + j * S::kAcross * V);
#pragma unroll
    for (int i = 0; i < S::kM; ++i)
#pragma unroll
      for (int j = 0; j < S::kN; ++j) sum[i][j] += left[i / V].at[i % V] * right[j / V].at[j % V];
  }
}

/// Bias, divisor and what was there before.
template <class S>
__device__ __forceinline__ void finish(const Dense<typename S::Real>& x,
                                       const DenseOutput<typename S::Real>& output,
                                       const Block& block, const Thread<S>& thread,
                                       const Sums<S>& sum) {
  using Real = typename S::Real;
  constexpr int V = S::kVector;
#pragma unroll
  for (int i = 0; i < S::kM; ++i) {
    const int row = thread.row + i / V * S::kDown * V + i % V, place = block.place + row;
    if (row >= block.rows) continue;
    const Real scale = x.divisor ? static_cast<Real>(1.0 / x.divisor[place]) : Real(1);
    const std::int64_t to = x.row ? x.row[x.pass.begin + place] : place;
#pragma unroll
    for (int j = 0; j < S::kN / V; ++j) {
      const int column = block.column + thread.column + j * S::kAcross * V;
      if (column >= x.columns) continue;
      Real* out = output.out + to * output.out_stride + column;
      const Real* bias = output.bias + block.kind * x.columns + column;
      const Vector<Real> before = x.accumulate ? load_vector(out) : Vector<Real>{};
      Vector<Real> result;
#pragma unroll
      for (int n = 0; n < V; ++n)
        result.at[n] =
            before.at[n] + (sum[i][j * V + n] + (output.bias ? bias[n] : Real(0))) * scale;
      store_vector(out, result);
    }
  }
}

template <class S>
__global__ void __launch_bounds__(S::kThreads, S::kBlocks)
    dense_kernel(const Dense<typename S::Real> x) {
  using Real = typename S::Real;
  constexpr int kParts = kDenseRows / S::kRows;
  const KindTile tile = x.tiles[blockIdx.x / kParts];
  const int skipped = static_cast<int>(blockIdx.x) % kParts * S::kRows;
  if (skipped >= tile.count) return;
  const Block block{tile.kind, tile.begin + skipped,
                    tile.count - skipped < S::kRows ? tile.count - skipped : S::kRows,
                    static_cast<int>(blockIdx.y) * S::kColumns};
  const DenseOutput<Real> output = x.outputs[blockIdx.z];
  Real* shared = shared_memory<Real>();
  constexpr int kPanels = S::kLeft + S::kRight;
  const Thread<S> thread;
  Sums<S> sum = {};
  Panels<S> panels(x, output, block);
  int half = 0;
  if (!panels.done()) {
    panels.load();
    panels.store(shared);
  }
  __syncthreads();
  while (!panels.done()) {
    panels.advance();
    const bool more = !panels.done();
    if (more) panels.load();
    multiply<S>(shared + half * kPanels, thread, sum);
    half ^= 1;
    if (more) panels.store(shared + half * kPanels);
    __syncthreads();
  }
  finish<S>(x, output, block, thread, sum);
}

template <class S>
int row_blocks(const Pass& pass, int tiles) {
  return std::min(tiles * (kDenseRows / S::kRows), pass.count / S::kRows + tiles);
}

/// Time of a launch in units of its own. `speed`: of a busy multiprocessor, as the loads from
/// shared memory that come with each product let one expect.
template <class S>
double estimate(const Dense<typename S::Real>& x, double speed) {
  constexpr int kMultiprocessors = 132, kWarpsToBeBusy = 8;
  const int across = (x.columns + S::kColumns - 1) / S::kColumns;
  const int blocks = row_blocks<S>(x.pass, x.num_tiles) * across * x.num_outputs;
  const int each = (blocks + kMultiprocessors - 1) / kMultiprocessors;
  const double busy = std::min(1.0, each * (S::kThreads / kWarp) / double(kWarpsToBeBusy));
  return each * S::kRows * S::kColumns / (speed * busy);
}

template <class S>
void start(const Dense<typename S::Real>& x, cudaStream_t stream) {
  const dim3 grid(x.num_tiles * (kDenseRows / S::kRows),
                  (x.columns + S::kColumns - 1) / S::kColumns, x.num_outputs);
  launch(dense_kernel<S>, grid, S::kThreads, S::kShared, stream, x);
}

}  // namespace

template <class Real>
void dense(const Dense<Real>& x, cudaStream_t stream) {
  if (x.num_tiles == 0 || x.num_outputs == 0) return;
  using Small = Shape<Real, 32, 32, 4, 4>;
  using Narrow = Shape<Real, 64, 32, 8, 4>;
  using Square = Shape<Real, 64, 64, 8, 4>;
  // 64 sums in double precision would leave too few registers
  using Wide = std::conditional_t<sizeof(Real) == 4, Shape<Real, 64, 128, 8, 8>, Square>;
  const double small = estimate<Small>(x, 0.6), narrow = estimate<Narrow>(x, 0.8);
  const double square = estimate<Square>(x, 0.85), wide = estimate<Wide>(x, 1.0);
  const double best = std::min({small, narrow, square, wide});
  if (best == small)
    start<Small>(x, stream);
  else if (best == narrow)
    start<Narrow>(x, stream);
  else if (best == square)
    start<Square>(x, stream);
  else
    start<Wide>(x, stream);
}

template void dense<float>(const Dense<float>&, cudaStream_t);
template void dense<double>(const Dense<double>&, cudaStream_t);

}  // namespace mdbench::cuda
