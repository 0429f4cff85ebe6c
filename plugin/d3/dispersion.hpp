// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <vector>

#include "d3.hpp"
#include "image_list.hpp"
#include "skin.hpp"
#include "tables.hpp"

namespace mdbench::d3 {

struct Triples;
struct TripleSums;

/// D3 by three passes over the lists: coordination numbers; energies with their derivatives by
/// places and by coordination numbers; forces through the coordination numbers. Every atom has all
/// its neighbours in its list and sums only what concerns itself, so threads and ranks share no
/// sums and results do not depend on their number.
class Dispersion final : public D3 {
 public:
  Dispersion(const D3Settings& settings, int threads);

  const D3Settings& settings() const override { return settings_; }
  const D3Result& evaluate(const D3Atoms& atoms, D3Exchange& exchange, bool with_virials) override;
  const D3Statistics& statistics() const override { return statistics_; }
  void reset_statistics() override { statistics_ = {}; }
  double memory_usage() const override;

 private:
  bool list_is_stale(const D3Atoms& atoms, const Cell& cell);
  void build_list(const D3Atoms& atoms);
  void find_kinds(const D3Atoms& atoms);
  void lay_out_constants();
  void complete(Buffer<double>& of_slots, std::size_t atoms, D3Exchange& exchange);
  void weigh_references();
  void mix_references(std::size_t cluster);
  const D3Result& collect(std::size_t atoms, bool with_virials);

  // the passes, in passes.cpp and triples.cpp
  void count_neighbours();
  void add_pairs();
  template <class Damping>
  void add_pairs(const Damping& damping, std::size_t cluster);
  void mix(std::int32_t slot, const double* mixed, Lanes& c6, Lanes& dc6) const;
  void add_triples(std::size_t cluster, Triples& work);
  void find_partners(std::size_t cluster, int lane, Triples& work) const;
  TripleSums sum_triples(const Triples& neighbours) const;
  void add_coordination_forces(std::size_t cluster);

  const double* constants(std::size_t cluster, std::size_t kind) const {
    return &constants_[(cluster * tables_.kinds() + kind) * 4 * W];
  }
  const double* radii(std::size_t cluster, std::size_t kind) const {
    return &radii_[(cluster * tables_.kinds() + kind) * W];
  }
  const double* mixed(std::size_t cluster, std::size_t kind) const {
    return &mixed_[(cluster * tables_.kinds() + kind) * 2 * kMaxReferences * W];
  }

  D3Settings settings_;
  int threads_;
  Fade pair_fade_, cn_fade_, atm_fade_;
  Skin skin_;
  D3Statistics statistics_;

  // Fixed between builds. "Here": for the slots of the clusters computed here only.
  std::vector<std::int32_t> numbers_, kind_;  ///< [atoms]
  Tables tables_;
  ImageList list_;
  Buffer<double> constants_;  ///< here, [cluster, kind, 4, W]
  Buffer<double> radii_;      ///< here, [cluster, kind, W]

  // Of this evaluation.
  Buffer<double> cn_, dcn_;             ///< [slots] coordination number, dE/dCN
  Buffer<double> weight_, slope_;       ///< [slots, references] and their derivative by CN
  Buffer<double> mixed_;                ///< here, [cluster, kind, 2, references, W]: C6 of the atom
                                        ///< with each reference, and its derivative by CN
  Buffer<double> energy_, force_, virial_;  ///< here, [cluster, 1 | 3 | 6, W]
  std::vector<double> of_atoms_, energies_, forces_, virials_;
  D3Result result_;
};

}  // namespace mdbench::d3
