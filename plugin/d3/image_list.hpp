// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "cell.hpp"
#include "d3.hpp"
#include "lanes.hpp"

namespace mdbench::d3 {

/// An atom or a periodic image of one.
struct Image {
  double x, y, z;
  std::int32_t slot, kind;
};

/// Which images lie near which atoms.
///
/// Atoms are put in an order in which neighbours in space are neighbours in memory, W of them a
/// cluster; a place in that order is a slot. Each cluster has one list of images: the passes load
/// an image once and treat it with all W atoms of the cluster, without gathering. An image's atom
/// stays the same along a stretch of the list, so that C6 of W pairs is made once for all images
/// of an atom.
class ImageList {
 public:
  /// @param kind [atoms] index of the element; @param reach of the lists, @param near of their
  /// first parts, Angstrom. @throws Error on atoms at the same place or not at finite places.
  void build(const D3Atoms& atoms, std::span<const std::int32_t> kind, double reach, double near,
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
  /// The W coordinates along axis `d` of a cluster computed here, counted from 0.
  const double* coordinates(std::size_t cluster, int d) const {
    return &place_[d][(first_cluster_ + cluster) * W];
  }
  std::span<const Image> images() const { return images_; }
  std::span<const std::int32_t> near(std::size_t cluster) const { return near_[cluster]; }
  std::span<const std::int32_t> far(std::size_t cluster) const { return far_[cluster]; }

  double num_pairs() const;
  double memory_usage() const;

 private:
  struct Sphere {
    Vector centre;
    double radius = 0.0;
  };
  /// Clusters that share their shifts and a range of images.
  struct Block {
    std::size_t first_cluster, end_cluster, first_image;
    std::vector<std::int32_t> shifts;
    Sphere sphere;
  };

  void wrap(const D3Atoms& atoms, const Cell& cell);
  void order(std::size_t begin, std::size_t end);
  void split(std::int32_t* begin, std::int32_t* end);
  Sphere sphere_of(std::size_t first_slot, std::size_t end_slot) const;
  void find_shifts(const Cell& cell, double reach);
  void lay_out_images(double reach);
  std::string fill(std::size_t cluster, double reach2, double near2);
  void candidates(const Block& block, const Sphere& around, std::size_t cluster, double reach,
                  std::vector<std::int32_t>& found) const;

  std::size_t first_cluster_ = 0;
  std::vector<double> wrapped_;  ///< [atoms * 3] inside the cell; used while building
  std::vector<std::array<std::int32_t, 3>> offset_;  ///< [atoms] of their cell
  std::vector<std::int32_t> atom_, kind_;
  Buffer<double> place_[3];
  std::vector<std::array<std::int32_t, 3>> shift_;  ///< lattice vectors between cells
  std::vector<Vector> shift_vector_;
  std::vector<Sphere> sphere_;  ///< of clusters
  std::vector<Block> blocks_;
  std::vector<Image> images_;
  std::vector<std::vector<std::int32_t>> near_, far_;
};

}  // namespace mdbench::d3
