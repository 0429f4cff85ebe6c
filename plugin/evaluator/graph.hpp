// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <span>

namespace mdbench {

/// The neighbourhood graph of one evaluation, in compressed-row form. A view: it owns nothing.
///
/// Nodes 0 .. num_local-1 are the atoms whose energy counts here; the others only send messages.
/// Edge e of node i, first_edge[i] <= e < first_edge[i+1], brings a message from node sender[e].
struct Graph {
  std::size_t num_local = 0;
  std::span<const std::int32_t> species;     ///< [nodes] index into ModelInfo::atomic_numbers
  std::span<const std::int64_t> first_edge;  ///< [nodes + 1]
  std::span<const std::int32_t> sender;      ///< [edges] node that sends
  std::span<const double> edge_vector;       ///< [edges * 3] x_sender - x_receiver, Angstrom

  std::size_t num_nodes() const { return species.size(); }
  std::size_t num_edges() const { return sender.size(); }
};

}  // namespace mdbench
