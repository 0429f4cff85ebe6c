// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "error.hpp"
#include "pair.h"

namespace LAMMPS_NS {

/// What this package's pair styles share: an element for each atom type with the checks that go
/// with it, errors of one line on all ranks, and settings as text in restart files.
class PairElements : public Pair {
 public:
  ~PairElements() override;
  void setup() override;
  double init_one(int i, int j) final;
  PairElements(const PairElements&) = delete;
  PairElements& operator=(const PairElements&) = delete;

 protected:
  /// @param style "pair_style mace" or the like, for messages. @param extra length of `pvector`
  PairElements(class LAMMPS* lmp, std::string style, int extra);

  void allocate();
  /// `pair_coeff` sets the pairs of types for which both are `ours`, and no others.
  void set_flags(const std::function<bool(int type)>& ours);
  /// What `body` throws as text; empty when nothing.
  template <class Body>
  static std::string problem_of(Body&& body) {
    try {
      body();
      return {};
    } catch (const mdbench::Error& problem) {
      return problem.what();
    }
  }
  /// Fails on all ranks with the text of the first rank that has one; collective.
  void stop_if_any(const std::string& problem) const;

  /// What LAMMPS needs to know of a pair of types, Angstrom.
  virtual double cutoff_of_types() const = 0;
  /// Units, atom IDs, exclusions, bonds, masses; collective. @param names element of each type
  void check_system(const std::vector<std::string>& names);
  /// Neighbours and ghosts of all groups; where only the own atoms' places count it is not needed.
  void require_all_groups() const;
  /// LAMMPS's energy units in an eV.
  double energy_unit() const;

  void write_text(FILE* fp, const std::string& text) const;
  std::string read_text(FILE* fp) const;  ///< collective

  const std::string style_;

 private:
  void check_exclusions() const;
  void check_bonded_exclusions(const std::vector<std::string>& names) const;
  void check_masses(const std::vector<std::string>& names) const;

  std::vector<bool> asked_;  ///< [(ntypes + 1)^2] pairs whose cutoff LAMMPS wanted for this run
};

}  // namespace LAMMPS_NS
