// SPDX-License-Identifier: MIT
#include "pair_counts.hpp"

#include <cmath>
#include <numeric>

#include "cell_grid.hpp"
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

}  // namespace

std::vector<std::int64_t> count_pairs(const PairInput& input, const PairBins& bins) {
  const std::size_t atoms = input.kind.size();
  Images images{{input.positions.begin(), input.positions.end()}, {}};
  images.owner.resize(atoms);
  std::iota(images.owner.begin(), images.owner.end(), 0);
  for (int axis = 0; axis < 3; ++axis)
    if (input.periodic[axis]) repeat_along(axis, input, bins.r_max, images);

  std::vector<std::int32_t> members(images.owner.size());
  std::iota(members.begin(), members.end(), 0);
  const CellGrid grid(images.positions, members, bins.r_max);
  std::vector<std::int64_t> counts(bins.kinds * bins.kinds * bins.bins);
  const double per_bin = double(bins.bins) / bins.r_max;
  for (std::size_t i = 0; i < atoms; ++i) {
    const double* x = &images.positions[3 * i];
    std::int64_t* row = &counts[input.kind[i] * bins.kinds * bins.bins];
    grid.for_each_near(std::int32_t(i), [&](std::int32_t j) {
      const std::int32_t other = images.owner[j];
      if (input.molecule[other] == input.molecule[i]) return;
      const double* y = &images.positions[3 * std::size_t(j)];
      const Vector d{y[0] - x[0], y[1] - x[1], y[2] - x[2]};
      const auto bin = std::size_t(std::sqrt(dot(d.data(), d.data())) * per_bin);
      if (bin < bins.bins) ++row[input.kind[other] * bins.bins + bin];
    });
  }
  return counts;
}

}  // namespace mdbench
