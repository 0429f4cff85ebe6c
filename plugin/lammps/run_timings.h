// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <mpi.h>

#include <chrono>
#include <string>

#include "evaluator.hpp"

namespace mdbench {

/// Wall time of a run inside `pair_style mace`, by stage, in seconds.
class RunTimings {
 public:
  using Clock = std::chrono::steady_clock;
  enum Stage { list, graph, input, forward, backward, halo, output, forces, d3, num_stages };

  /// Time since the last lap goes to `stage`.
  void lap(Stage stage);
  void start() { last_ = Clock::now(); }
  void add(const EvaluationTimes& seconds);
  /// An evaluation of so many. @param nodes owned atoms and copies of others'
  void count(std::size_t edges, std::size_t nodes, std::size_t local);
  void reset() { *this = RunTimings(); }

  /// The table for the log; collective over `world`. Empty when nothing was computed.
  std::string table(MPI_Comm world, const ModelInfo& info, std::size_t peak_device_bytes) const;

 private:
  double seconds_[num_stages] = {};
  double steps_ = 0, rebuilds_ = 0, edges_ = 0, nodes_ = 0, local_ = 0;
  Clock::time_point last_;
};

}  // namespace mdbench
