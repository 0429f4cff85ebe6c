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

/// C6 of the atoms of a cluster with another atom, and its derivatives by either's coordination
/// number.
struct MixedC6 {
  Lanes value = 0.0, by_own = 0.0, by_other = 0.0;
};

/// D3 by three passes over the lists: coordination numbers; energies with their derivatives by
/// places and by coordination numbers; forces through the coordination numbers. Sums have the same
/// order in every run with the same number of threads.
class Dispersion final : public D3 {
 public:
  Dispersion(const D3Settings& settings, int threads);

  const D3Settings& settings() const override { return settings_; }
  const D3Result& evaluate(const D3Atoms& atoms, D3Exchange& exchange, D3Virials virials) override;
  const D3Statistics& statistics() const override { return statistics_; }
  void reset_statistics() override { statistics_ = {.pairs = statistics_.pairs}; }
  double memory_usage() const override;

 private:
  bool list_is_stale(const D3Atoms& atoms, const Cell& cell);
  void build_list(const D3Atoms& atoms);
  void find_kinds(const D3Atoms& atoms);
  void lay_out_constants();
  void clear_sums();
  void complete(Buffer<double>& of_slots, std::size_t atoms, D3Exchange& exchange);
  void weigh_references();
  void mix_references(std::size_t cluster);
  const D3Result& collect(std::size_t atoms, D3Virials virials);

  // the passes, in passes.cpp
  struct Share;
  void count_neighbours();
  void add_pairs(D3Virials virials);
  template <bool Virial>
  void add_pairs(std::size_t cluster, bool per_atom, Share& share);
  template <bool Virial, class Damping>
  void add_pairs(const Damping& damping, const ClusterList& list, std::size_t cluster,
                 bool per_atom, Share& share);
  MixedC6 mix(std::size_t cluster, std::int32_t slot) const;
  void add_coordination_forces(D3Virials virials);
  template <bool Virial>
  void add_coordination_forces(std::size_t cluster, bool per_atom);
  void add(std::size_t cluster, const Share& share);
  void add_force(std::size_t slot, const double* from);
  void start_reactions(std::size_t width);
  double* reactions();
  template <class Add>
  void add_reactions(std::size_t width, Add&& add);

  // the three-body term, in triples.cpp
  void add_triples(std::size_t cluster, Triples& work);
  void find_partners(std::size_t cluster, int lane, Triples& work) const;
  TripleSums sum_triples(const Triples& neighbours) const;

  std::size_t first_slot() const { return list_.first_cluster() * W; }
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
  bool is_built_ = false;                     ///< false also after a build that failed
  std::vector<std::int32_t> numbers_, kind_;  ///< [atoms]
  Tables tables_;
  std::vector<int> references_;  ///< [kinds] how many
  ImageList list_;
  Buffer<double> constants_;  ///< here, [cluster, kind, 4, W]
  Buffer<double> radii_;      ///< here, [cluster, kind, W]

  // Of this evaluation.
  Buffer<double> cn_, dcn_;        ///< [slots] coordination number, dE/dCN
  Buffer<double> weight_, slope_;  ///< [slots, references] and their derivative by CN
  Buffer<double> mixed_;           ///< here, [cluster, kind, 2, references, W]: C6 of the atom
                                   ///< with each reference, and its derivative by CN
  bool keep_slopes_ = false;
  std::vector<Buffer<double>> count_slopes_;  ///< of each cluster, in the order of its list: from
                                              ///< the first pass to the last
  Buffer<double> energy_, force_[3], virial_[6];  ///< here, [slots]
  std::vector<Buffer<double>> reactions_;         ///< of each thread, here, [slots, values]
  std::vector<double> of_atoms_, energies_, forces_, virials_;
  D3Result result_;
};

}  // namespace mdbench::d3
