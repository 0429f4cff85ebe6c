// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <memory>
#include <string>

#include "dftd3_settings.h"
#include "dispersion.h"
#include "halo.h"
#include "pair_elements.h"

namespace LAMMPS_NS {

/// `pair_style dftd3`: D3 dispersion, alone or beside another style in hybrid/overlay.
///
/// It makes its own list of pairs and asks LAMMPS neither for one nor, as a rule, for ghosts: the
/// lists and ghosts of the other style stay as they are.
class PairDFTD3 final : public PairElements {
 public:
  explicit PairDFTD3(class LAMMPS* lmp);

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

  void write_restart(FILE* fp) override;
  void read_restart(FILE* fp) override;
  void write_restart_settings(FILE* fp) override;
  void read_restart_settings(FILE* fp) override;
  double memory_usage() override;

 private:
  double cutoff_of_types() const override;
  void flag_types();
  bool ghosts_pay() const;
  std::unique_ptr<D3Source> make_source(mdbench::D3Settings& settings);
  void print_summary(bool ghosts);

  mdbench::Dftd3Settings settings_;
  std::unique_ptr<Dispersion> dispersion_;
  PairHalo halo_;
  std::string summary_;  ///< as last printed
};

}  // namespace LAMMPS_NS
