// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "cell.hpp"
#include "d3.hpp"
#include "lanes.hpp"

namespace mdbench::d3 {

/// The images of one atom in the list of a cluster.
struct Stretch {
  std::int32_t slot;       ///< of the atom
  std::int32_t end_shift;  ///< where its lattice vectors end in the list's; they begin where those
                           ///< of the stretch before end
};

/// Neighbours of the atoms of one cluster.
struct ClusterList {
  std::vector<Stretch> stretches;
  std::vector<std::int32_t> shifts;

  void clear() { stretches.clear(), shifts.clear(); }
};

/// Which images lie near which atoms.
///
/// Atoms are put in an order in which neighbours in space are neighbours in memory, W of them a
/// cluster; a place in that order is a slot. A cluster has one list: the passes treat an image with
/// all W atoms of the cluster, without gathering, and what depends on a pair of atoms only (C6)
/// once for all images of an atom. Of two clusters computed here one has the other in its list;
/// atoms that are computed elsewhere are in all lists that they are near to.
class ImageList {
 public:
  /// Distances up to which images are listed, Angstrom.
  struct Reach {
    double far, near, around;  ///< around: 0 for none
  };

  /// @param kind [atoms] index of the element
  /// @throws Error on atoms at the same place or not at finite places.
  void build(const D3Atoms& atoms, std::span<const std::int32_t> kind, const Reach& reach,
             int threads);
  /// Follows atoms and cell; the same atoms as at the last build.
  void move(const D3Atoms& atoms, const Cell& cell);

  std::size_t num_slots() const { return atom_.size(); }
  /// Clusters whose atoms are computed here.
  std::size_t first_cluster() const { return first_cluster_; }
  std::size_t num_clusters() const { return near_.size(); }
  /// [slots] atom of a slot; -1: the slot is empty, to be ignored.
  std::span<const std::int32_t> atom() const { return atom_; }
  std::span<const std::int32_t> kind() const { return kind_; }
  /// [slots] coordinates along axis `d`.
  const double* place(int d) const { return place_[d].data(); }
  const Vector& shift(std::int32_t n) const { return shift_vector_[n]; }
  /// Whether an atom in the list of a cluster lacks that cluster in its own list, so that both
  /// sides of their pairs are to be taken.
  bool both_sides(std::size_t cluster, std::int32_t slot) const {
    const std::size_t other = std::size_t(slot) / W - first_cluster_;  // wraps where it is not ours
    return other < num_clusters() && other != cluster;
  }

  /// Up to `near`, from there to `far`, and, for all atoms, up to `around`.
  const ClusterList& near(std::size_t cluster) const { return near_[cluster]; }
  const ClusterList& far(std::size_t cluster) const { return far_[cluster]; }
  const ClusterList& around(std::size_t cluster) const { return around_[cluster]; }

  std::size_t num_near_images() const;
  double num_pairs() const;
  double memory_usage() const;

 private:
  struct Sphere {
    Vector centre;
    double radius = 0.0;
  };
  /// Clusters that are looked at together, with the lattice vectors that bring them near.
  struct Block {
    std::size_t first_cluster, end_cluster;
    std::vector<std::int32_t> shifts;
    Sphere sphere;
  };

  using Together = std::pair<std::size_t, std::size_t>;  ///< two atoms at one place

  static std::string name(const D3Atoms& atoms, std::size_t i);
  [[noreturn]] static void refuse(const D3Atoms& atoms);
  void wrap(const D3Atoms& atoms, const Cell& cell);
  void order(std::size_t begin, std::size_t end);
  void split(std::int32_t* begin, std::int32_t* end);
  Sphere sphere_of(std::size_t first_slot, std::size_t end_slot) const;
  void find_shifts(const Cell& cell, double reach);
  void make_blocks(double reach);
  bool in_list(std::size_t cluster, std::size_t other) const;
  std::optional<Together> fill(std::size_t cluster, const Reach& reach);
  void add_atom(std::size_t cluster, std::size_t slot, std::span<const std::int32_t> shifts,
                const Reach& reach, std::optional<Together>& together);
  void check_apart(std::size_t cluster, std::size_t slot, const Lanes& r2, bool same_cell,
                   std::optional<Together>& together) const;

  std::size_t first_cluster_ = 0;
  std::vector<double> wrapped_;  ///< [atoms * 3] inside the cell; used while building
  std::vector<std::array<std::int32_t, 3>> offset_;  ///< [atoms] of their cell
  std::vector<std::int32_t> atom_, kind_;
  Buffer<double> place_[3];
  std::vector<std::array<std::int32_t, 3>> shift_;  ///< lattice vectors between cells
  std::vector<Vector> shift_vector_;
  std::vector<Sphere> sphere_;  ///< of clusters
  std::vector<Block> blocks_;
  std::vector<ClusterList> near_, far_, around_;
};

}  // namespace mdbench::d3
