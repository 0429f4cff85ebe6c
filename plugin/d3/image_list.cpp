// SPDX-License-Identifier: MIT
#include "image_list.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <string>

#include "error.hpp"

namespace mdbench::d3 {
namespace {

constexpr std::size_t kClustersPerBlock = 16;
constexpr double kSamePlace2 = 1e-4;  ///< Angstrom^2
/// What rounding may add to a distance that is compared with a reach.
constexpr double kRounding = 1e-9;

}  // namespace

void ImageList::build(const D3Atoms& atoms, std::span<const std::int32_t> kind, double reach,
                      double near, int threads) {
  const Cell cell(atoms.cell, atoms.periodic);
  wrap(atoms, cell);
  atom_.clear();
  order(0, atoms.num_central);
  const std::size_t central = atom_.size() / W;
  order(atoms.num_central, atoms.numbers.size());
  kind_.resize(atom_.size());
  for (std::size_t s = 0; s < atom_.size(); ++s) kind_[s] = kind[std::max(atom_[s], 0)];
  for (auto& place : place_) place.resize(atom_.size());

  first_cluster_ = central * atoms.rank / atoms.ranks;
  const std::size_t mine = central * (atoms.rank + 1) / atoms.ranks - first_cluster_;
  near_.resize(mine);
  far_.resize(mine);
  find_shifts(cell, reach);
  // Distances between clusters are taken between wrapped places, which move() keeps.
  move(atoms, cell);
  lay_out_images(reach);
  move(atoms, cell);

  std::string problem;
#pragma omp parallel for schedule(dynamic, 4) num_threads(threads)
  for (std::size_t c = 0; c < mine; ++c) {
    const std::string found = fill(c, reach * reach, near * near);
#pragma omp critical
    if (problem.empty()) problem = found;
  }
  if (!problem.empty()) throw Error(problem);
}

void ImageList::wrap(const D3Atoms& atoms, const Cell& cell) {
  const std::size_t count = atoms.numbers.size();
  wrapped_.resize(3 * count);
  offset_.assign(count, {0, 0, 0});
  for (std::size_t i = 0; i < count; ++i) {
    const Vector x{atoms.positions[3 * i], atoms.positions[3 * i + 1], atoms.positions[3 * i + 2]};
    if (!std::isfinite(x[0] + x[1] + x[2]))
      throw Error("d3: the coordinates of atom " + std::to_string(i + 1) +
                  " are not finite numbers");
    for (int d = 0; d < 3; ++d) {
      if (!cell.periodic[d]) continue;
      const double cells = std::floor(dot(cell.inverse[d], x));
      if (std::abs(cells) > 1e8)
        throw Error("d3: atom " + std::to_string(i + 1) + " is over 10^8 cells away");
      offset_[i][d] = -static_cast<std::int32_t>(cells);
    }
    const Vector back = cell.at(offset_[i][0], offset_[i][1], offset_[i][2]);
    for (int d = 0; d < 3; ++d) wrapped_[3 * i + d] = x[d] + back[d];
  }
}

/// Appends the slots of atoms [begin, end): halves along the longest extent until W are left.
void ImageList::order(std::size_t begin, std::size_t end) {
  std::vector<std::int32_t> index(end - begin);
  std::iota(index.begin(), index.end(), static_cast<std::int32_t>(begin));
  split(index.data(), index.data() + index.size());
  atom_.insert(atom_.end(), index.begin(), index.end());
  atom_.resize((atom_.size() + W - 1) / W * W, -1);
}

void ImageList::split(std::int32_t* begin, std::int32_t* end) {
  const auto count = end - begin;
  if (count <= W) return;
  int longest = 0;
  double extent = -1.0;
  for (int d = 0; d < 3; ++d) {
    double low = INFINITY, high = -INFINITY;
    for (const auto* i = begin; i != end; ++i) {
      low = std::min(low, wrapped_[3 * *i + d]);
      high = std::max(high, wrapped_[3 * *i + d]);
    }
    if (high - low > extent) extent = high - low, longest = d;
  }
  auto* middle = begin + (count / 2 + W - 1) / W * W;
  if (middle == end) middle -= W;
  std::nth_element(begin, middle, end, [&](std::int32_t a, std::int32_t b) {
    const double xa = wrapped_[3 * a + longest], xb = wrapped_[3 * b + longest];
    return xa < xb || (xa == xb && a < b);
  });
  split(begin, middle);
  split(middle, end);
}

void ImageList::move(const D3Atoms& atoms, const Cell& cell) {
  for (std::size_t first = 0; first < atom_.size(); first += W)
    for (std::size_t s = first; s < first + W; ++s) {
      // an empty slot takes the place of the first of its cluster
      const auto i = static_cast<std::size_t>(atom_[atom_[s] < 0 ? first : s]);
      const auto& o = offset_[i];
      const Vector back = cell.at(o[0], o[1], o[2]);
      for (int d = 0; d < 3; ++d) place_[d][s] = atoms.positions[3 * i + d] + back[d];
    }
  for (std::size_t n = 0; n < shift_.size(); ++n)
    shift_vector_[n] = cell.at(shift_[n][0], shift_[n][1], shift_[n][2]);
  for (const Block& block : blocks_) {
    Image* image = images_.data() + block.first_image;
    for (std::size_t s = block.first_cluster * W; s < block.end_cluster * W; ++s) {
      if (atom_[s] < 0) continue;
      for (const auto n : block.shifts)
        *image++ = {place_[0][s] + shift_vector_[n][0], place_[1][s] + shift_vector_[n][1],
                    place_[2][s] + shift_vector_[n][2], static_cast<std::int32_t>(s), kind_[s]};
    }
  }
}

/// All lattice vectors between cells that are closer than the reach.
void ImageList::find_shifts(const Cell& cell, double reach) {
  shift_.clear();
  blocks_.clear();
  images_.clear();
  std::array<int, 3> most{};
  for (int d = 0; d < 3; ++d)
    if (cell.periodic[d]) most[d] = static_cast<int>(reach / cell.spacing(d) + kRounding) + 1;
  for (int a = -most[0]; a <= most[0]; ++a)
    for (int b = -most[1]; b <= most[1]; ++b)
      for (int c = -most[2]; c <= most[2]; ++c) shift_.push_back({a, b, c});
  shift_vector_.resize(shift_.size());
}

ImageList::Sphere ImageList::sphere_of(std::size_t first_slot, std::size_t end_slot) const {
  Sphere sphere;
  for (int d = 0; d < 3; ++d) {
    const auto [low, high] =
        std::minmax_element(&place_[d][first_slot], &place_[d][0] + end_slot);
    sphere.centre[d] = 0.5 * (*low + *high);
  }
  for (std::size_t s = first_slot; s < end_slot; ++s) {
    const Vector x{place_[0][s] - sphere.centre[0], place_[1][s] - sphere.centre[1],
                   place_[2][s] - sphere.centre[2]};
    sphere.radius = std::max(sphere.radius, norm(x));
  }
  sphere.radius += kRounding;
  return sphere;
}

namespace {

bool touch(const Vector& a, const Vector& b, const Vector& shift, double reach) {
  const Vector x{b[0] + shift[0] - a[0], b[1] + shift[1] - a[1], b[2] + shift[2] - a[2]};
  return dot(x, x) < reach * reach;
}

}  // namespace

/// Images of a block: of each of its atoms, those under every shift that brings the block within
/// reach of what is computed here.
void ImageList::lay_out_images(double reach) {
  const std::size_t clusters = atom_.size() / W, mine = near_.size();
  sphere_.resize(clusters);
  for (std::size_t c = 0; c < clusters; ++c) sphere_[c] = sphere_of(c * W, (c + 1) * W);
  if (mine == 0) return;
  std::vector<Sphere> targets;
  for (std::size_t c = first_cluster_; c < first_cluster_ + mine; c += kClustersPerBlock)
    targets.push_back(
        sphere_of(c * W, std::min(c + kClustersPerBlock, first_cluster_ + mine) * W));

  std::size_t count = 0;
  for (std::size_t c = 0; c < clusters; c += kClustersPerBlock) {
    Block block{c, std::min(c + kClustersPerBlock, clusters), count, {}, {}};
    block.sphere = sphere_of(c * W, block.end_cluster * W);
    for (std::size_t n = 0; n < shift_.size(); ++n)
      if (std::ranges::any_of(targets, [&](const Sphere& t) {
            return touch(t.centre, block.sphere.centre, shift_vector_[n],
                         reach + t.radius + block.sphere.radius);
          }))
        block.shifts.push_back(static_cast<std::int32_t>(n));
    const auto filled = std::count_if(&atom_[c * W], atom_.data() + block.end_cluster * W,
                                      [](std::int32_t i) { return i >= 0; });
    count += static_cast<std::size_t>(filled) * block.shifts.size();
    blocks_.push_back(std::move(block));
  }
  images_.resize(count);
}

/// Positions in the block's shifts of those that bring a cluster near enough.
void ImageList::candidates(const Block& block, const Sphere& around, std::size_t cluster,
                           double reach, std::vector<std::int32_t>& found) const {
  found.clear();
  for (std::size_t k = 0; k < block.shifts.size(); ++k)
    if (touch(around.centre, sphere_[cluster].centre, shift_vector_[block.shifts[k]],
              reach + around.radius + sphere_[cluster].radius))
      found.push_back(static_cast<std::int32_t>(k));
}

/// The lists of one cluster; returns what is wrong with its atoms, if anything.
std::string ImageList::fill(std::size_t cluster, double reach2, double near2) {
  near_[cluster].clear();
  far_[cluster].clear();
  const Sphere& around = sphere_[first_cluster_ + cluster];
  const double reach = std::sqrt(reach2);
  const Lanes x = load(coordinates(cluster, 0)), y = load(coordinates(cluster, 1)),
              z = load(coordinates(cluster, 2));
  std::vector<std::int32_t> found;
  std::string problem;
  for (const Block& block : blocks_) {
    const bool within = std::ranges::any_of(block.shifts, [&](std::int32_t n) {
      return touch(around.centre, block.sphere.centre, shift_vector_[n],
                   reach + around.radius + block.sphere.radius);
    });
    if (!within) continue;
    std::size_t first = block.first_image;
    for (std::size_t c = block.first_cluster; c < block.end_cluster; ++c) {
      candidates(block, around, c, reach, found);
      for (std::size_t s = c * W; s < (c + 1) * W && atom_[s] >= 0; ++s) {
        for (const auto k : found) {
          const Image& image = images_[first + k];
          const Lanes dx = image.x - x, dy = image.y - y, dz = image.z - z;
          const Lanes r2 = dx * dx + dy * dy + dz * dz;
          const double closest = stdx::hmin(r2);
          if (closest >= reach2) continue;
          (closest < near2 ? near_ : far_)[cluster].push_back(
              static_cast<std::int32_t>(first + k));
          if (closest >= kSamePlace2) continue;
          const std::size_t own = (first_cluster_ + cluster) * W;
          for (std::size_t l = 0; l < std::size_t(W); ++l)
            if (r2[l] < kSamePlace2 && atom_[own + l] >= 0 &&
                (own + l != s || r2[l] > 0.0 || image.slot != std::int32_t(own + l)))
              problem = "d3: atoms " + std::to_string(atom_[own + l] + 1) + " and " +
                        std::to_string(atom_[s] + 1) + " are at the same place";
        }
        first += block.shifts.size();
      }
    }
  }
  return problem;
}

double ImageList::num_pairs() const {
  double pairs = 0.0;
  for (std::size_t c = 0; c < near_.size(); ++c)
    pairs += static_cast<double>(near_[c].size() + far_[c].size()) * W;
  return pairs;
}

double ImageList::memory_usage() const {
  double bytes = double(images_.capacity()) * sizeof(Image) + 3.0 * double(atom_.capacity()) * 8.0;
  for (std::size_t c = 0; c < near_.size(); ++c)
    bytes += 4.0 * double(near_[c].capacity() + far_[c].capacity());
  return bytes;
}

}  // namespace mdbench::d3
