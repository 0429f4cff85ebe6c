// SPDX-License-Identifier: MIT
// Random receivers with their pairs, as the evaluator hands them to the kernels of edges.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <vector>

#include "far.hpp"
#include "layout.hpp"
#include "memory.hpp"
#include "numeric.hpp"
#include "tile_room.hpp"

namespace cuda_test {

using mdbench::cuda::Array;

struct Shape {
  int receivers = 5, nodes = 9, kinds = 2, segments = 3, most_pairs = 40, max_ell = 3;
  double cutoff = 3.0;
  bool vectors = false;  ///< edge vectors in place of positions
};

/// Every third receiver has few pairs and every fourth none; the others' distances reach from 0.45
/// Angstrom to past the cutoff. Senders come more than once, as images. On the device pairs, nodes,
/// atoms and tiles are far from the first.
class RandomPairs {
 public:
  RandomPairs(const Shape& shape, check::Random& random) : shape(shape) {
    node.resize(shape.nodes);
    std::iota(node.begin(), node.end(), 0);
    for (int i = shape.nodes - 1; i > 0; --i) std::swap(node[i], node[random.below(i + 1)]);
    node.resize(shape.receivers);
    for (int i = 0; i < shape.nodes; ++i) kind_of_node.push_back(random.below(shape.kinds));
    std::stable_sort(node.begin(), node.end(),
                     [&](int a, int b) { return kind_of_node[a] < kind_of_node[b]; });
    first_pair.push_back(0);
    first_tile.push_back(0);
    for (int i = 0; i < shape.receivers; ++i) add_receiver(i, random);
    upload();
  }

  mdbench::cuda::Pairs pairs() const {
    return {node_.data(),
            receiver_kind_.data(),
            receiver_atom_.data(),
            first_pair_.data(),
            first_tile_.data(),
            check::begin_of_far(sender_.data(), check::kFarPair),
            check::begin_of_far(sender_kind_.data(), check::kFarNode),
            check::begin_of_far(sender_atom_.data(), check::kFarPair)};
  }
  mdbench::cuda::Coordinates at() const {
    if (shape.vectors) return {nullptr, check::begin_of_far(vector_.data(), 3 * check::kFarPair)};
    return {check::begin_of_far(position_.data(), 3 * std::int64_t{check::kFarAtom}), nullptr};
  }
  /// Takes over changes of `position` or `vector`.
  void upload() {
    node_.upload(moved(node, check::kFarNode));
    receiver_kind_.upload(receiver_kind);
    receiver_atom_.upload(moved(receiver_atom, check::kFarAtom));
    first_pair_.upload(moved(first_pair, check::kFarPair));
    first_tile_.upload(first_tile);
    sender_.upload(moved(sender, check::kFarNode));
    sender_kind_.upload(kind_of_node);
    sender_atom_.upload(moved(sender_atom, check::kFarAtom));
    position_.upload(position);
    vector_.upload(vector);
  }
  std::array<double, 3> edge_vector(int receiver, std::int64_t pair) const {
    std::array<double, 3> d;
    for (int k = 0; k < 3; ++k)
      d[k] = shape.vectors
                 ? vector[3 * pair + k]
                 : position[3 * sender_atom[pair] + k] - position[3 * receiver_atom[receiver] + k];
    return d;
  }
  double distance(int receiver, std::int64_t pair) const {
    const auto d = edge_vector(receiver, pair);
    return std::sqrt(d[0] * d[0] + d[1] * d[1] + d[2] * d[2]);
  }
  int sender_kind(std::int64_t pair) const { return kind_of_node[sender[pair]]; }

  Shape shape;
  std::vector<int> node, kind_of_node, receiver_kind, receiver_atom, sender, sender_atom;
  std::vector<std::int64_t> first_pair, first_tile;
  std::vector<double> position, vector;

 private:
  template <class T>
  static std::vector<T> moved(std::vector<T> values, T by) {
    for (T& value : values) value += by;
    return values;
  }
  int add_atom(const std::array<double, 3>& x) {
    position.insert(position.end(), x.begin(), x.end());
    return static_cast<int>(position.size() / 3) - 1;
  }
  void add_receiver(int i, check::Random& random) {
    const std::array<double, 3> x = {random.uniform(-5, 5), random.uniform(-5, 5),
                                     random.uniform(-5, 5)};
    receiver_kind.push_back(kind_of_node[node[i]]);
    receiver_atom.push_back(add_atom(x));
    int count = i % 4 == 3 ? 0 : random.below(shape.most_pairs + 1);
    if (i % 3 == 1) count = std::min(count, 3);
    std::vector<int> senders(count);
    for (int& s : senders) s = random.below(shape.nodes);
    std::stable_sort(senders.begin(), senders.end(),
                     [&](int a, int b) { return kind_of_node[a] < kind_of_node[b]; });
    std::vector<int> of_kind(shape.kinds, 0);
    for (const int s : senders) {
      ++of_kind[kind_of_node[s]];
      add_pair(s, x, random);
    }
    first_pair.push_back(first_pair.back() + count);
    std::int64_t room = 0;
    for (const int n : of_kind) room += mdbench::cuda::tile_room(n, shape.segments);
    first_tile.push_back(first_tile.back() + room);
  }
  void add_pair(int s, const std::array<double, 3>& x, check::Random& random) {
    std::array<double, 3> u, y;
    double length = 0.0;
    do {
      random.fill(u);
      length = std::sqrt(u[0] * u[0] + u[1] * u[1] + u[2] * u[2]);
    } while (length < 0.1 || length > 1.0);
    const double r = random.uniform(0.45, 1.2 * shape.cutoff);
    for (int k = 0; k < 3; ++k) {
      y[k] = x[k] + r / length * u[k];
      vector.push_back(y[k] - x[k]);
    }
    sender.push_back(s);
    sender_atom.push_back(add_atom(y));
  }

  Array<int> node_, receiver_kind_, receiver_atom_, sender_, sender_kind_, sender_atom_;
  Array<std::int64_t> first_pair_, first_tile_;
  Array<double> position_, vector_;
};

/// Fills a device array with what no result may hold: not-a-number, or a large negative integer.
template <class T>
void poison(Array<T>& array) {
  array.set_bytes(0xff, nullptr);
  mdbench::cuda::check(cudaDeviceSynchronize(), "poisoning");
}

template <class T>
Array<T> poisoned(std::size_t size) {
  Array<T> array(size);
  poison(array);
  return array;
}

/// The tiles of a pass, made by the kernel.
template <class Real>
class PassTiles {
 public:
  PassTiles(const RandomPairs& random, const mdbench::cuda::Pass& pass)
      : random_(random),
        pass_(pass),
        tiles_(random.first_tile[pass.begin + pass.count] - random.first_tile[pass.begin]),
        count_(poisoned<int>(pass.capacity)),
        run_(poisoned<int>(tiles_)),
        sender_(poisoned<int>(4 * tiles_)),
        pair_(poisoned<int>(4 * tiles_)),
        edges_(poisoned<int>(random.shape.receivers)),
        flags_(std::vector<unsigned>{0}),
        distance_(poisoned<double>(4 * tiles_)),
        harmonics_(poisoned<Real>(4 * tiles_ * comps())) {}

  void make() {
    mdbench::cuda::MakeTiles<Real> p{};
    p.pass = pass_;
    p.pairs = random_.pairs();
    p.at = random_.at();
    p.tiles = view();
    p.shape = {random_.shape.max_ell, random_.shape.kinds, random_.shape.segments,
               random_.shape.cutoff};
    p.edges = edges_.data();
    p.flags = flags_.data();
    mdbench::cuda::make_tiles(p, nullptr);
    mdbench::cuda::check_launch("making tiles");
    count = count_.download();
    run = run_.download();
    sender = sender_.download();
    for (int& node : sender)
      if (node != -1) node -= check::kFarNode;
    pair = pair_.download();
    edges = edges_.download();
    flags = flags_.download()[0];
    distance = distance_.download();
    harmonics = harmonics_.download();
  }
  mdbench::cuda::Tiles<Real> view() {
    return {random_.first_tile[pass_.begin] - check::kFarTile,
            count_.data(),
            far(run_.data(), 1),
            far(sender_.data(), 4),
            far(pair_.data(), 4),
            far(distance_.data(), 4),
            far(harmonics_.data(), 4 * comps())};
  }
  /// Where an array of so many numbers a tile would begin.
  template <class T>
  static T* far(T* p, int of_tile) {
    return check::begin_of_far(p, check::kFarTile * of_tile);
  }
  int comps() const { return (random_.shape.max_ell + 1) * (random_.shape.max_ell + 1); }
  std::size_t tiles() const { return tiles_; }
  /// Index of a receiver's first tile.
  std::int64_t first(int place) const {
    return random_.first_tile[pass_.begin + place] - random_.first_tile[pass_.begin];
  }
  /// Calls function(place, receiver, tile, place within the tile, pair of all) for each edge.
  template <class Function>
  void for_edges(Function&& function) const {
    for (int place = 0; place < pass_.count; ++place)
      for (std::int64_t tile = first(place); tile < first(place) + count[place]; ++tile)
        for (int e = 0; e < 4; ++e)
          if (pair[4 * tile + e] >= 0)
            function(place, pass_.begin + place, tile, e,
                     random_.first_pair[pass_.begin + place] + pair[4 * tile + e]);
  }

  std::vector<int> count, run, sender, pair, edges;
  unsigned flags = 0;
  std::vector<double> distance;
  std::vector<Real> harmonics;

 private:
  const RandomPairs& random_;
  mdbench::cuda::Pass pass_;
  std::size_t tiles_;
  Array<int> count_, run_, sender_, pair_, edges_;
  Array<unsigned> flags_;
  Array<double> distance_;
  Array<Real> harmonics_;
};

}  // namespace cuda_test
