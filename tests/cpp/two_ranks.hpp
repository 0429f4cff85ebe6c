// SPDX-License-Identifier: MIT
// A graph cut in two, evaluated by two evaluators that exchange features and gradients.
#pragma once

#include <algorithm>
#include <barrier>
#include <set>
#include <thread>

#include "cluster.hpp"

namespace tiny {

/// Nodes of a rank: its own first, then copies of the senders that others own.
struct Rank {
  Cluster cluster;
  std::vector<int> global;  ///< [node]
};

inline std::vector<Rank> split(const Cluster& whole) {
  std::vector<Rank> ranks(2);
  for (int r = 0; r < 2; ++r) {
    Rank& rank = ranks[r];
    std::vector<int> node(whole.species.size(), -1);
    const auto add = [&](int i) {
      if (node[i] >= 0) return;
      node[i] = static_cast<int>(rank.global.size());
      rank.global.push_back(i);
      rank.cluster.species.push_back(whole.species[i]);
    };
    for (int i = r; i < static_cast<int>(whole.num_local); i += 2) add(i);
    rank.cluster.num_local = rank.global.size();
    for (std::size_t n = 0; n < rank.cluster.num_local; ++n) {
      const int i = rank.global[n];
      for (auto e = whole.first_edge[i]; e < whole.first_edge[i + 1]; ++e) {
        add(whole.sender[e]);
        rank.cluster.add_edge(node[whole.sender[e]], &whole.edge_vector[3 * e]);
      }
      rank.cluster.close_node();
    }
    while (rank.cluster.first_edge.size() <= rank.global.size()) rank.cluster.close_node();
  }
  return ranks;
}

/// Two ranks in two threads that look into each other's arrays.
class SharedHalo final : public Halo {
 public:
  struct Board {
    std::barrier<> meet{2};
    std::span<double> rows[2];
  };
  SharedHalo(Board& board, const std::vector<Rank>& ranks, int me)
      : board_(board), ranks_(ranks), me_(me) {
    for (int rank = 0; rank < 2; ++rank) {
      const auto copies = copies_of(1 - rank);
      std::set<std::int32_t> owners;
      for (const int i : copies) owners.insert(i / 2);
      shared_[rank].assign(owners.begin(), owners.end());
    }
  }
  std::span<const std::int32_t> shared() const override { return shared_[me_]; }
  void forward(std::span<double> rows, int width) override {
    publish(rows, width);
    for_copies(me_, [&](std::size_t copy, std::size_t owner) {
      std::copy_n(&board_.rows[1 - me_][owner * width], width, &rows[copy * width]);
    });
    board_.meet.arrive_and_wait();
  }
  void reverse(std::span<double> rows, int width) override {
    publish(rows, width);
    std::fill_n(rows.begin(), shared_[me_].size() * width, 0.0);
    for_copies(1 - me_, [&](std::size_t copy, std::size_t owner) {
      for (int i = 0; i < width; ++i)
        rows[owner * width + i] += board_.rows[1 - me_][copy * width + i];
    });
    board_.meet.arrive_and_wait();
  }

 private:
  void publish(std::span<double> rows, int width) {
    CHECK(rows.size() == (shared_[me_].size() + copies_of(me_).size()) * width);
    board_.rows[me_] = rows;
    board_.meet.arrive_and_wait();
  }
  /// Global numbers of the copies on a rank; the other's node of number i is i / 2.
  std::span<const int> copies_of(int rank) const {
    return std::span(ranks_[rank].global).subspan(ranks_[rank].cluster.num_local);
  }
  /// Calls function(row of the copy on `rank`, row of its owner on the other).
  template <class Function>
  void for_copies(int rank, Function&& function) const {
    const auto copies = copies_of(rank);
    const auto& owners = shared_[1 - rank];
    for (std::size_t n = 0; n < copies.size(); ++n)
      function(shared_[rank].size() + n,
               std::ranges::lower_bound(owners, copies[n] / 2) - owners.begin());
  }
  Board& board_;
  const std::vector<Rank>& ranks_;
  int me_;
  std::vector<std::int32_t> shared_[2];
};

/// @param open makes the evaluator of each rank
inline Result evaluate_on_two_ranks(const std::function<std::unique_ptr<Evaluator>()>& open,
                                    const Cluster& whole) {
  const auto ranks = split(whole);
  SharedHalo::Board board;
  Result out{std::vector<double>(whole.num_local), std::vector<double>(whole.edge_vector.size())};
  std::unique_ptr<Evaluator> evaluators[2];
  for (auto& e : evaluators) e = open();
  const auto run = [&](int me) {
    SharedHalo halo(board, ranks, me);
    const auto& result = evaluators[me]->evaluate(ranks[me].cluster.graph(), halo);
    for (std::size_t n = 0; n < ranks[me].cluster.num_local; ++n) {
      const int i = ranks[me].global[n];
      out.energy[i] = result.site_energy[n];
      const auto begin = result.edge_gradient.begin() + 3 * ranks[me].cluster.first_edge[n];
      std::copy_n(begin, 3 * (whole.first_edge[i + 1] - whole.first_edge[i]),
                  out.gradient.begin() + 3 * whole.first_edge[i]);
    }
  };
  std::thread other([&] { run(1); });
  run(0);
  other.join();
  return out;
}

}  // namespace tiny
