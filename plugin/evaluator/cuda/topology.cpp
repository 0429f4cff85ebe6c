// SPDX-License-Identifier: MIT
#include "topology.hpp"

#include <algorithm>
#include <numeric>

#include "tile_room.hpp"

namespace mdbench::cuda {

void Topology::set(const PairList& list, std::span<const int> kind_of_species, int kinds,
                   int segments) {
  num_atoms_ = list.num_atoms;
  kind_.clear();
  for (const auto s : list.species) kind_.push_back(kind_of_species[s]);
  sort_receivers(list, kinds);
  sort_pairs(list, kinds, segments);
  upload();
}

void Topology::sort_receivers(const PairList& list, int kinds) {
  first_of_kind_.assign(kinds + 1, 0);
  for (std::size_t i = 0; i < list.num_local; ++i) ++first_of_kind_[kind_[i] + 1];
  std::partial_sum(first_of_kind_.begin(), first_of_kind_.end(), first_of_kind_.begin());
  std::vector<int> next(first_of_kind_.begin(), first_of_kind_.end() - 1);
  node_.resize(list.num_local);
  for (std::size_t i = 0; i < list.num_local; ++i) node_[next[kind_[i]]++] = static_cast<int>(i);
  receiver_kind_.clear();
  receiver_atom_.clear();
  for (const int node : node_) {
    receiver_kind_.push_back(kind_[node]);
    receiver_atom_.push_back(list.node_atom.empty() ? node : list.node_atom[node]);
  }
}

/// A stable counting sort of each receiver's pairs.
void Topology::sort_pairs(const PairList& list, int kinds, int segments) {
  const auto pairs = static_cast<std::size_t>(list.first_pair[list.num_local]);
  original_.resize(pairs);
  sender_.resize(pairs);
  sender_atom_.resize(pairs);
  first_pair_.assign(1, 0);
  first_tile_.assign(1, 0);
  std::vector<std::int64_t> next(kinds + 1);
  for (const int node : node_) {
    const auto begin = list.first_pair[node], end = list.first_pair[node + 1];
    std::fill(next.begin(), next.end(), 0);
    for (auto e = begin; e < end; ++e) ++next[kind_[list.sender[e]] + 1];
    std::int64_t room = first_tile_.back();
    for (int kind = 0; kind < kinds; ++kind) room += tile_room(static_cast<int>(next[kind + 1]), segments);
    next[0] = first_pair_.back();
    std::partial_sum(next.begin(), next.end(), next.begin());
    for (auto e = begin; e < end; ++e) {
      const auto at = next[kind_[list.sender[e]]]++;
      original_[at] = e;
      sender_[at] = list.sender[e];
      sender_atom_[at] = list.sender_atom.empty() ? 0 : list.sender_atom[e];
    }
    first_pair_.push_back(first_pair_.back() + (end - begin));
    first_tile_.push_back(room);
  }
}

void Topology::upload() {
  d_kind_.upload(kind_);
  d_node_.upload(node_);
  d_receiver_kind_.upload(receiver_kind_);
  d_receiver_atom_.upload(receiver_atom_);
  d_first_pair_.upload(first_pair_);
  d_first_tile_.upload(first_tile_);
  d_sender_.upload(sender_);
  d_sender_atom_.upload(sender_atom_);
}

Pairs Topology::pairs() const {
  return {d_node_.data(),       d_receiver_kind_.data(), d_receiver_atom_.data(),
          d_first_pair_.data(), d_first_tile_.data(),    d_sender_.data(),
          d_kind_.data(),       d_sender_atom_.data()};
}

std::size_t Topology::device_bytes() const {
  return sizeof(int) * (d_kind_.size() + 3 * d_node_.size() + 2 * d_sender_.size()) +
         sizeof(std::int64_t) * (d_first_pair_.size() + d_first_tile_.size());
}

}  // namespace mdbench::cuda
