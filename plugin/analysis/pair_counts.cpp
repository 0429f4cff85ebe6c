// SPDX-License-Identifier: MIT
#include "pair_counts.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "error.hpp"

namespace mdbench {
namespace {

using Vector = std::array<double, 3>;

Vector cross(const double* a, const double* b) {
  return {a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]};
}

double dot(const double* a, const double* b) { return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]; }

/// The atoms, wrapped, and after them their images that lie within r_max of the cell.
struct Images {
  std::vector<double> positions;
  std::vector<std::int32_t> owner;
};

/// Wraps along one cell vector, then repeats what lies within r_max of its two faces.
void repeat_along(int axis, const PairInput& input, double r_max, Images& images) {
  const double* vector = &input.cell[3 * axis];
  const Vector normal = cross(&input.cell[3 * ((axis + 1) % 3)], &input.cell[3 * ((axis + 2) % 3)]);
  const double volume = dot(vector, normal.data());
  const double margin = r_max * std::sqrt(dot(normal.data(), normal.data())) / std::abs(volume);
  if (!(margin <= 1.0)) throw Error("r_max exceeds the height of the cell");
  const std::size_t present = images.owner.size();
  for (std::size_t i = 0; i < present; ++i) {
    Vector x{images.positions[3 * i], images.positions[3 * i + 1], images.positions[3 * i + 2]};
    const double fraction = dot(x.data(), normal.data()) / volume;
    if (!std::isfinite(fraction)) throw Error("an atom's coordinates are not finite numbers");
    const double cells = std::floor(fraction);
    for (int d = 0; d < 3; ++d) images.positions[3 * i + d] = x[d] -= cells * vector[d];
    // one step more than the margin: rounding must lose no pair, and more images do no harm
    const double within = fraction - cells, reach = margin + 1e-9;
    for (const double shift : {1.0, -1.0}) {
      if (shift > 0.0 ? within > reach : within < 1.0 - reach) continue;
      for (int d = 0; d < 3; ++d) images.positions.push_back(x[d] + shift * vector[d]);
      images.owner.push_back(images.owner[i]);
    }
  }
}

/// All images in columns along z, in each by height: what lies near a place are a few stretches of
/// consecutive memory, several times faster to go through than CellGrid's cells.
class Columns {
 public:
  Columns(const Images& images, const PairInput& input, const PairBins& bins)
      : radius_(bins.r_max) {
    const std::size_t points = images.owner.size();
    lay_out(images.positions);
    std::vector<std::size_t> cell(points);
    for (std::size_t i = 0; i < points; ++i) {
      const double* x = &images.positions[3 * i];
      cell[i] = row(index(0, x[0]), index(1, x[1])) + index(2, x[2]);
    }
    first_.assign(std::size_t(shape_[0]) * shape_[1] * shape_[2] + 1, 0);
    for (const auto c : cell) ++first_[c + 1];
    std::partial_sum(first_.begin(), first_.end(), first_.begin());
    for (auto& x : x_) x.resize(points);
    molecule_.resize(points);
    offset_.resize(points);
    auto next = first_;
    for (std::size_t i = 0; i < points; ++i) {
      const auto place = next[cell[i]]++;
      for (int d = 0; d < 3; ++d) x_[d][place] = images.positions[3 * i + d];
      molecule_[place] = input.molecule[images.owner[i]];
      offset_[place] = std::size_t(input.kind[images.owner[i]]) * (bins.bins + 1);
    }
    bin_.resize(points);
  }

  /// Adds the points around one to its row of counts; what is too far goes into the last bin.
  void count_around(const double* x, std::int32_t molecule, const PairBins& bins,
                    std::int64_t* counts) {
    const int low = index(0, x[0] - radius_), high = index(0, x[0] + radius_);
    for (int a = low; a <= high; ++a) {
      const double dx = beyond(0, a, x[0]), left = radius_ * radius_ - dx * dx;
      if (left < 0.0) continue;
      const double reach = std::sqrt(left);
      for (int b = index(1, x[1] - reach); b <= index(1, x[1] + reach); ++b) {
        const double dy = beyond(1, b, x[1]), half = std::sqrt(std::max(0.0, left - dy * dy));
        const auto begin = first_[row(a, b) + index(2, x[2] - half)];
        const auto end = first_[row(a, b) + index(2, x[2] + half) + 1];
        count_stretch(x, begin, end, bins);
        for (auto p = begin; p < end; ++p)
          if (molecule_[p] != molecule) ++counts[offset_[p] + std::size_t(bin_[p])];
      }
    }
  }

 private:
  /// Bins of the distances to a stretch of points; a loop that compilers vectorise.
  void count_stretch(const double* x, std::size_t begin, std::size_t end, const PairBins& bins) {
    const double per_bin = double(bins.bins) / bins.r_max, last = double(bins.bins);
    const double x0 = x[0], x1 = x[1], x2 = x[2];
    const double *y0 = x_[0].data(), *y1 = x_[1].data(), *y2 = x_[2].data();
    std::int32_t* bin = bin_.data();
    for (auto p = begin; p < end; ++p) {
      const double d0 = y0[p] - x0, d1 = y1[p] - x1, d2 = y2[p] - x2;
      const double place = std::sqrt(d0 * d0 + d1 * d1 + d2 * d2) * per_bin;
      bin[p] = std::int32_t(place < last ? place : last);
    }
  }

  void lay_out(const std::vector<double>& positions) {
    std::array<double, 3> high{};
    for (std::size_t i = 0; i < positions.size(); ++i) {
      const int d = int(i % 3);
      if (!std::isfinite(positions[i])) throw Error("an atom's coordinates are not finite numbers");
      low_[d] = i < 3 ? positions[i] : std::min(low_[d], positions[i]);
      high[d] = i < 3 ? positions[i] : std::max(high[d], positions[i]);
    }
    // Larger cells where atoms are sparse, so that memory stays bounded.
    const double limit = 8.0 * double(positions.size()) + 64.0;
    size_ = {radius_ / 2.0, radius_ / 2.0, radius_ / 8.0};
    for (double cells = 2.0 * limit; cells > limit;) {
      cells = 1.0;
      for (int d = 0; d < 3; ++d) cells *= std::floor((high[d] - low_[d]) / size_[d]) + 1.0;
      if (cells > limit)
        for (auto& s : size_) s *= 1.5;
    }
    for (int d = 0; d < 3; ++d) shape_[d] = int((high[d] - low_[d]) / size_[d]) + 1;
  }

  /// The cell that holds a coordinate, or the nearest one.
  int index(int d, double x) const {
    return int(std::clamp((x - low_[d]) / size_[d], 0.0, double(shape_[d] - 1)));
  }
  std::size_t row(int a, int b) const { return (std::size_t(a) * shape_[1] + b) * shape_[2]; }
  /// How far a coordinate lies outside a cell, less what rounding may add.
  double beyond(int d, int cell, double x) const {
    const double start = low_[d] + cell * size_[d];
    return std::max({0.0, start - x, x - start - size_[d]}) * (1.0 - 1e-9);
  }

  double radius_;
  std::array<double, 3> low_{}, size_{};
  std::array<int, 3> shape_{};
  std::vector<std::size_t> first_, offset_;
  std::array<std::vector<double>, 3> x_;
  std::vector<std::int32_t> molecule_, bin_;
};

}  // namespace

std::vector<std::int64_t> count_pairs(const PairInput& input, const PairBins& bins) {
  const std::size_t atoms = input.kind.size();
  Images images{{input.positions.begin(), input.positions.end()}, {}};
  images.owner.resize(atoms);
  std::iota(images.owner.begin(), images.owner.end(), 0);
  for (int axis = 0; axis < 3; ++axis)
    if (input.periodic[axis]) repeat_along(axis, input, bins.r_max, images);

  Columns columns(images, input, bins);
  const std::size_t stretch = bins.bins + 1, width = bins.kinds * stretch;
  std::vector<std::int64_t> all(bins.kinds * width);
  for (std::size_t i = 0; i < atoms; ++i)
    columns.count_around(&images.positions[3 * i], input.molecule[i], bins,
                         &all[std::size_t(input.kind[i]) * width]);
  std::vector<std::int64_t> counts;
  counts.reserve(bins.kinds * bins.kinds * bins.bins);
  for (auto from = all.begin(); from != all.end(); from += std::ptrdiff_t(stretch))
    counts.insert(counts.end(), from, from + std::ptrdiff_t(bins.bins));
  return counts;
}

}  // namespace mdbench
