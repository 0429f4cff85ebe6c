// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <memory>
#include <vector>

#include "dispersion.h"
#include "evaluator.hpp"
#include "halo.h"
#include "mace_settings.h"
#include "pair_elements.h"
#include "resident.hpp"
#include "run_timings.h"

namespace LAMMPS_NS {

/// `pair_style mace`: MACE models on the neighbourhoods of LAMMPS's atoms.
///
/// It asks LAMMPS for ghosts but not for a neighbour list: a partner with a long cutoff in
/// hybrid/overlay, bond exclusions or list-page limits cannot change the graph.
class PairMACE final : public PairElements {
 public:
  explicit PairMACE(class LAMMPS* lmp);

  void settings(int narg, char** arg) override;
  void coeff(int narg, char** arg) override;
  void init_style() override;
  void compute(int eflag, int vflag) override;
  void finish() override;

  int pack_forward_comm(int n, int* list, double* buffer, int, int*) override {
    return halo_.pack_forward(n, list, buffer);
  }
  void unpack_forward_comm(int n, int first, double* buffer) override {
    halo_.unpack_forward(n, first, buffer);
  }
  int pack_reverse_comm(int n, int first, double* buffer) override {
    return halo_.pack_reverse(n, first, buffer);
  }
  void unpack_reverse_comm(int n, int* list, double* buffer) override {
    halo_.unpack_reverse(n, list, buffer);
  }

  void write_restart(FILE* fp) override;
  void read_restart(FILE* fp) override;
  void write_restart_settings(FILE* fp) override;
  void read_restart_settings(FILE* fp) override;

  /// `fix pair`: "site_energy" (eV or kcal/mol), "num_neighbors" (within the model's cutoff).
  void* extract_peratom(const char* name, int& columns) override;
  double memory_usage() override;

 private:
  void load_model();
  void map_elements();
  void check_environment() const;
  void check_decomposition();
  void print_summary() const;
  void make_dispersion();
  void warn_of_counting_twice() const;

  double cutoff_of_types() const override { return evaluator_->info().cutoff; }
  double reach() const;
  void compute_model();
  void refresh_atoms();
  const mdbench::AtomEvaluation* evaluate(std::span<const double> positions);
  void require_finite(std::span<const double> positions,
                      const mdbench::AtomEvaluation& result) const;
  std::string closest_atoms(std::span<const double> positions) const;
  void add_nodes(const mdbench::AtomEvaluation& result);
  void add_virials(const mdbench::AtomEvaluation& result);

  int rank_on_host() const;

  mdbench::MaceSettings settings_;
  std::unique_ptr<mdbench::ResidentEvaluator> evaluator_;
  std::unique_ptr<Dispersion> dispersion_;  ///< where the settings ask for D3
  PairHalo halo_;
  mdbench::RunTimings timings_;
  double energy_unit_ = 1.0;  ///< LAMMPS energy units in an eV
  bool warm_ = false, rebuild_needed_ = true;
  bigint builds_ = 0;  ///< of LAMMPS's lists, at the last evaluation

  std::vector<int> species_of_type_;  ///< [ntypes + 1]; -1: not ours
  std::vector<std::int32_t> species_, owner_;
  std::vector<double> site_energy_, num_neighbors_;
};

}  // namespace LAMMPS_NS
