// SPDX-License-Identifier: MIT
#include "topology.hpp"

#include <algorithm>
#include <numeric>

#include "tile_room.hpp"

namespace mdbench::cuda {

void Topology::set(const PairList& list, const PairKinds& kinds) {
  num_atoms_ = list.num_atoms;
  set_kinds(list.species, kinds);
  sort_receivers(list.num_local, list.node_atom, kinds.count);
  sort_pairs(list, kinds);
  num_pairs_ = sender_.size();
  upload();
}

void Topology::search(const AtomsView& atoms, double radius, const PairKinds& kinds,
                      cudaStream_t stream) {
  original_.clear();
  atom_nodes_.number(atoms, radius);
  num_atoms_ = atom_nodes_.num_atoms();
  set_kinds(atom_nodes_.species(), kinds);
  sort_receivers(atom_nodes_.num_local(), atom_nodes_.node_atom(), kinds.count);
  d_kind_.upload(std::span<const int>(kind_), stream);
  d_node_.upload(std::span<const int>(node_), stream);
  d_receiver_kind_.upload(std::span<const int>(receiver_kind_), stream);
  d_receiver_atom_.upload(std::span<const int>(receiver_atom_), stream);
  search_.place(atoms, atom_nodes_, d_kind_.data(), radius, stream);
  find_pairs(kinds, stream);
}

/// Counts, waits for the totals, and writes.
void Topology::find_pairs(const PairKinds& kinds, cudaStream_t stream) {
  const PairSearch::Receivers receivers{num_receivers(), d_receiver_atom_.data(), kinds.count,
                                        kinds.segments, kind_.size()};
  search_.count(receivers, d_first_pair_, d_first_tile_, stream);
  first_tile_.resize(d_first_tile_.size());
  d_first_tile_.download(std::span(first_tile_), stream);
  copy_later(total_.data(), d_first_pair_.data() + receivers.count, sizeof(std::int64_t),
             cudaMemcpyDeviceToHost, stream);
  search_.most_of_sender().download(most_.span(), stream);
  check(cudaStreamSynchronize(stream), "searching pairs on the GPU");
  num_pairs_ = static_cast<std::size_t>(total_[0]);
  most_of_sender_ = most_[0];
  d_sender_.resize(num_pairs_);
  d_sender_atom_.resize(num_pairs_);
  search_.write(receivers, d_first_pair_, d_sender_, d_sender_atom_, stream);
}

void Topology::set_kinds(std::span<const std::int32_t> species, const PairKinds& kinds) {
  kind_.clear();
  for (const auto s : species) kind_.push_back(kinds.of_species[s]);
}

/// @param node_atom [nodes], or empty: a node's own number
void Topology::sort_receivers(std::size_t num_local, std::span<const std::int32_t> node_atom,
                              int kinds) {
  first_of_kind_.assign(kinds + 1, 0);
  for (std::size_t i = 0; i < num_local; ++i) ++first_of_kind_[kind_[i] + 1];
  std::partial_sum(first_of_kind_.begin(), first_of_kind_.end(), first_of_kind_.begin());
  std::vector<int> next(first_of_kind_.begin(), first_of_kind_.end() - 1);
  node_.resize(num_local);
  for (std::size_t i = 0; i < num_local; ++i) node_[next[kind_[i]]++] = static_cast<int>(i);
  receiver_kind_.clear();
  receiver_atom_.clear();
  for (const int node : node_) {
    receiver_kind_.push_back(kind_[node]);
    receiver_atom_.push_back(node_atom.empty() ? node : node_atom[node]);
  }
}

/// A stable counting sort of each receiver's pairs.
void Topology::sort_pairs(const PairList& list, const PairKinds& kinds) {
  const auto pairs = static_cast<std::size_t>(list.first_pair[list.num_local]);
  original_.resize(pairs);
  sender_.resize(pairs);
  sender_atom_.resize(pairs);
  first_pair_.assign(1, 0);
  first_tile_.assign(1, 0);
  std::vector<int> of_sender(kind_.size());
  for (std::size_t e = 0; e < pairs; ++e) ++of_sender[list.sender[e]];
  most_of_sender_ = of_sender.empty() ? 0 : std::ranges::max(of_sender);
  std::vector<std::int64_t> next(kinds.count + 1);
  for (const int node : node_) {
    const auto begin = list.first_pair[node], end = list.first_pair[node + 1];
    std::fill(next.begin(), next.end(), 0);
    for (auto e = begin; e < end; ++e) ++next[kind_[list.sender[e]] + 1];
    std::int64_t room = first_tile_.back();
    for (int kind = 0; kind < kinds.count; ++kind)
      room += tile_room(static_cast<int>(next[kind + 1]), kinds.segments);
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
  std::size_t bytes = search_.device_bytes();
  const auto add = [&bytes](const auto&... arrays) {
    ((bytes += arrays.capacity() * sizeof(*arrays.data())), ...);
  };
  add(d_kind_, d_node_, d_receiver_kind_, d_receiver_atom_, d_sender_, d_sender_atom_,
      d_first_pair_, d_first_tile_);
  return bytes;
}

}  // namespace mdbench::cuda
