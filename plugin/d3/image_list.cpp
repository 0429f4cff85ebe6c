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
/// Where empty slots are: beyond every cutoff.
constexpr double kNowhere = 1e30;
/// As many lattice vectors take 2 GB.
constexpr double kMostShifts = 5e7;
/// What rounding may add to a distance that is compared with a reach.
constexpr double kRounding = 1e-9;

}  // namespace

void ImageList::build(const D3Atoms& atoms, std::span<const std::int32_t> kind, const Reach& reach,
                      int threads) {
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
  for (auto* lists : {&near_, &far_, &around_}) lists->resize(mine);
  find_shifts(cell, reach.far);
  move(atoms, cell);
  make_blocks(reach.far);

  std::optional<Together> together;
#pragma omp parallel for schedule(dynamic, 4) num_threads(threads)
  for (std::size_t c = 0; c < mine; ++c) {
    const auto found = fill(c, reach);
#pragma omp critical
    if (!together) together = found;
  }
  if (together)
    throw Error("d3: atoms " + name(atoms, together->first) + " and " +
                name(atoms, together->second) + " are at the same place");
}

std::string ImageList::name(const D3Atoms& atoms, std::size_t i) {
  return std::to_string(atoms.id ? atoms.id(i) : static_cast<std::int64_t>(i + 1));
}

void ImageList::wrap(const D3Atoms& atoms, const Cell& cell) {
  const std::size_t count = atoms.numbers.size();
  wrapped_.resize(3 * count);
  offset_.assign(count, {0, 0, 0});
  for (std::size_t i = 0; i < count; ++i) {
    const Vector x{atoms.positions[3 * i], atoms.positions[3 * i + 1], atoms.positions[3 * i + 2]};
    if (!std::isfinite(x[0] + x[1] + x[2])) refuse(atoms);
    for (int d = 0; d < 3; ++d) {
      if (!cell.periodic[d]) continue;
      const double cells = std::floor(dot(cell.inverse[d], x));
      if (std::abs(cells) > 1e8)
        throw Error("d3: atom " + name(atoms, i) + " is over 10^8 cells away");
      offset_[i][d] = -static_cast<std::int32_t>(cells);
    }
    const Vector back = cell.at(offset_[i][0], offset_[i][1], offset_[i][2]);
    for (int d = 0; d < 3; ++d) wrapped_[3 * i + d] = x[d] + back[d];
  }
}

/// Names the first atom that is nowhere.
void ImageList::refuse(const D3Atoms& atoms) {
  const auto bad =
      std::ranges::find_if(atoms.positions, [](double x) { return !std::isfinite(x); });
  const auto i = static_cast<std::size_t>(bad - atoms.positions.begin()) / 3;
  throw Error("d3: the coordinates of atom " + name(atoms, i) + " are not finite numbers");
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
  double sum = 0.0;  // what is no number is within no cutoff, and would pass as far away
  for (const double x : atoms.positions) sum += 0.0 * x;
  if (sum != 0.0) refuse(atoms);
  for (std::size_t first = 0; first < atom_.size(); first += W)
    for (std::size_t s = first; s < first + W; ++s) {
      if (atom_[s] < 0) {
        for (auto& place : place_) place[s] = kNowhere;
        continue;
      }
      const auto i = static_cast<std::size_t>(atom_[s]);
      const auto& o = offset_[i];
      const Vector back = cell.at(o[0], o[1], o[2]);
      for (int d = 0; d < 3; ++d) place_[d][s] = atoms.positions[3 * i + d] + back[d];
    }
  for (std::size_t n = 0; n < shift_.size(); ++n)
    shift_vector_[n] = cell.at(shift_[n][0], shift_[n][1], shift_[n][2]);
}

/// All lattice vectors between cells that are closer than the reach.
void ImageList::find_shifts(const Cell& cell, double reach) {
  shift_.clear();
  std::array<int, 3> most{};
  double count = 1.0;
  for (int d = 0; d < 3; ++d)
    if (cell.periodic[d]) {
      const double cells = reach / cell.spacing(d) + kRounding + 1.0;
      count *= 2.0 * cells + 1.0;
      most[d] = static_cast<int>(std::min(cells, kMostShifts));
    }
  if (count > kMostShifts)
    throw Error("d3: the cutoff reaches over " + std::to_string(static_cast<long>(count)) +
                " images of the cell: repeat the cell, or lower the cutoff");
  for (int a = -most[0]; a <= most[0]; ++a)
    for (int b = -most[1]; b <= most[1]; ++b)
      for (int c = -most[2]; c <= most[2]; ++c) shift_.push_back({a, b, c});
  shift_vector_.resize(shift_.size());
}

ImageList::Sphere ImageList::sphere_of(std::size_t first_slot, std::size_t end_slot) const {
  Vector low, high;
  low.fill(INFINITY), high.fill(-INFINITY);
  for (std::size_t s = first_slot; s < end_slot; ++s)
    for (int d = 0; d < 3 && atom_[s] >= 0; ++d) {
      low[d] = std::min(low[d], place_[d][s]);
      high[d] = std::max(high[d], place_[d][s]);
    }
  Sphere sphere;
  for (int d = 0; d < 3; ++d) sphere.centre[d] = 0.5 * (low[d] + high[d]);
  for (std::size_t s = first_slot; s < end_slot; ++s) {
    const Vector x{place_[0][s] - sphere.centre[0], place_[1][s] - sphere.centre[1],
                   place_[2][s] - sphere.centre[2]};
    if (atom_[s] >= 0) sphere.radius = std::max(sphere.radius, norm(x));
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

/// Lattice vectors matter to a block if they bring it within reach of what is computed here.
void ImageList::make_blocks(double reach) {
  const std::size_t clusters = atom_.size() / W, end = first_cluster_ + near_.size();
  sphere_.resize(clusters);
  for (std::size_t c = 0; c < clusters; ++c) sphere_[c] = sphere_of(c * W, (c + 1) * W);
  std::vector<Sphere> targets;
  for (std::size_t c = first_cluster_; c < end; c += kClustersPerBlock)
    targets.push_back(sphere_of(c * W, std::min(c + kClustersPerBlock, end) * W));
  blocks_.clear();
  for (std::size_t c = 0; c < clusters; c += kClustersPerBlock) {
    Block block{c, std::min(c + kClustersPerBlock, clusters), {}, {}};
    block.sphere = sphere_of(c * W, block.end_cluster * W);
    for (std::size_t n = 0; n < shift_.size(); ++n)
      if (std::ranges::any_of(targets, [&](const Sphere& t) {
            return touch(t.centre, block.sphere.centre, shift_vector_[n],
                         reach + t.radius + block.sphere.radius);
          }))
        block.shifts.push_back(static_cast<std::int32_t>(n));
    blocks_.push_back(std::move(block));
  }
}

/// Of two clusters computed here one takes the other, half of the others each.
bool ImageList::in_list(std::size_t cluster, std::size_t other) const {
  const std::size_t own = first_cluster_ + cluster;
  if (other == own || other - first_cluster_ >= near_.size()) return true;
  return ((own + other) % 2 == 0) == (other > own);
}

/// The lists of one cluster; returns two atoms at one place, if there are any.
std::optional<ImageList::Together> ImageList::fill(std::size_t cluster, const Reach& reach) {
  for (auto* lists : {&near_, &far_, &around_}) (*lists)[cluster].clear();
  const Sphere& here = sphere_[first_cluster_ + cluster];
  std::vector<std::int32_t> of_block, found;
  std::optional<Together> together;
  const auto near_ones = [&](std::span<const std::int32_t> shifts, const Sphere& other, auto& out) {
    out.clear();
    for (const auto n : shifts)
      if (touch(here.centre, other.centre, shift_vector_[n],
                reach.far + here.radius + other.radius))
        out.push_back(n);
  };
  for (const Block& block : blocks_) {
    near_ones(block.shifts, block.sphere, of_block);
    if (of_block.empty()) continue;
    for (std::size_t c = block.first_cluster; c < block.end_cluster; ++c) {
      near_ones(of_block, sphere_[c], found);
      for (std::size_t s = c * W; s < (c + 1) * W && atom_[s] >= 0; ++s)
        add_atom(cluster, s, found, reach, together);
    }
  }
  return together;
}

/// Lists the images of an atom under lattice vectors.
void ImageList::add_atom(std::size_t cluster, std::size_t slot,
                         std::span<const std::int32_t> shifts, const Reach& reach,
                         std::optional<Together>& together) {
  const std::size_t own = (first_cluster_ + cluster) * W;
  const bool listed = in_list(cluster, slot / W);
  if (!listed && reach.around <= 0.0) return;
  const Lanes x = place_[0][slot] - load(&place_[0][own]),
              y = place_[1][slot] - load(&place_[1][own]),
              z = place_[2][slot] - load(&place_[2][own]);
  ClusterList &near = near_[cluster], &far = far_[cluster], &around = around_[cluster];
  const std::size_t in_near = near.shifts.size(), in_far = far.shifts.size(),
                    in_around = around.shifts.size();
  for (const auto n : shifts) {
    const Vector& s = shift_vector_[n];
    const Lanes dx = x + s[0], dy = y + s[1], dz = z + s[2];
    const Lanes r2 = dx * dx + dy * dy + dz * dz;
    const double closest2 = stdx::hmin(r2);
    if (closest2 >= reach.far * reach.far) continue;
    if (listed) (closest2 < reach.near * reach.near ? near : far).shifts.push_back(n);
    if (closest2 < reach.around * reach.around) around.shifts.push_back(n);
    if (closest2 < kSamePlace2)
      check_apart(cluster, slot, r2, shift_[n] == std::array{0, 0, 0}, together);
  }
  const auto close = [&](ClusterList& list, std::size_t before) {
    if (list.shifts.size() > before)
      list.stretches.push_back({std::int32_t(slot), std::int32_t(list.shifts.size())});
  };
  close(near, in_near), close(far, in_far), close(around, in_around);
}

void ImageList::check_apart(std::size_t cluster, std::size_t slot, const Lanes& r2, bool same_cell,
                            std::optional<Together>& together) const {
  const std::size_t own = (first_cluster_ + cluster) * W;
  for (std::size_t l = 0; l < std::size_t(W); ++l)
    if (r2[l] < kSamePlace2 && atom_[own + l] >= 0 && !(own + l == slot && same_cell))
      together = {static_cast<std::size_t>(atom_[own + l]), static_cast<std::size_t>(atom_[slot])};
}

std::size_t ImageList::num_near_images() const {
  std::size_t count = 0;
  for (const ClusterList& list : near_) count += list.shifts.size();
  return count;
}

double ImageList::num_pairs() const {
  double pairs = 0.0;
  for (std::size_t c = 0; c < near_.size(); ++c)
    pairs += static_cast<double>(near_[c].shifts.size() + far_[c].shifts.size()) * W;
  return pairs;
}

double ImageList::memory_usage() const {
  double bytes = 3.0 * 8.0 * double(atom_.capacity());
  for (const auto* lists : {&near_, &far_, &around_})
    for (const ClusterList& list : *lists)
      bytes += double(list.stretches.capacity() * sizeof(Stretch) + list.shifts.capacity() * 4);
  return bytes;
}

}  // namespace mdbench::d3
