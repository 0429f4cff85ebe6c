// SPDX-License-Identifier: MIT
// The engine of D3 against its formulas and against differences of its energy.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "check.hpp"
#include "d3_reference.hpp"
#include "error.hpp"
#include "lanes.hpp"
#include "numeric.hpp"

using namespace mdbench;
using check::Random;
using check::Worst;
using slow::System;

extern "C" D3* mdbench_d3_v1(const D3Settings&, int threads);

namespace {

D3Settings settings_of(const std::string& text) {
  std::vector<std::string> words(1);
  for (const char c : text) {
    if (c == ' ')
      words.emplace_back();
    else
      words.back() += c;
  }
  return D3Settings::parse(words);
}

std::unique_ptr<D3> engine(const std::string& text, int threads = 1) {
  return std::unique_ptr<D3>(mdbench_d3_v1(settings_of(text), threads));
}

/// Atoms at least 1.3 A apart in a cell, of five elements.
System random_system(unsigned seed, int atoms, std::array<double, 9> cell,
                     std::array<bool, 3> periodic) {
  Random random(seed);
  System s;
  s.cell = cell, s.periodic = periodic;
  constexpr int kNumbers[] = {1, 6, 8, 22, 79};
  while (static_cast<int>(s.size()) < atoms) {
    double f[3], x[3] = {};
    for (double& v : f) v = random.uniform(0.0, 1.0);
    for (int k = 0; k < 3; ++k)
      for (int d = 0; d < 3; ++d) x[k] += f[d] * cell[3 * d + k];
    double closest = 9.0;
    for (std::size_t j = 0; j < s.size(); ++j)
      for (int image = 0; image < 27; ++image) {
        double r2 = 0.0;
        for (int k = 0; k < 3; ++k) {
          double d = s.positions[3 * j + k] - x[k];
          for (int v = 0, n = image; v < 3; ++v, n /= 3)
            d += periodic[v] ? (n % 3 - 1) * cell[3 * v + k] : 0.0;
          r2 += d * d;
        }
        closest = std::min(closest, std::sqrt(r2));
      }
    if (closest < 1.3) continue;
    s.positions.insert(s.positions.end(), x, x + 3);
    s.numbers.push_back(kNumbers[random.below(5)]);
  }
  return s;
}

const std::array<double, 9> kTriclinic{7.1, 0.3, -0.2, -1.9, 6.8, 0.4, 1.1, 2.2, 8.3};
System triclinic(unsigned seed = 1, int atoms = 11) {
  return random_system(seed, atoms, kTriclinic, {true, true, true});
}

D3Result evaluate(D3& d3, const D3Atoms& atoms, D3Virials virials = D3Virials::total) {
  NoExchange alone;
  return d3.evaluate(atoms, alone, virials);
}
/// The largest error; not a number where there is nothing, or not as much.
Worst worst(std::span<const double> found, std::span<const double> expected) {
  Worst worst;
  if (found.empty() || found.size() != expected.size()) worst.keep(NAN);
  for (std::size_t i = 0; i < std::min(found.size(), expected.size()); ++i)
    worst.add(found[i], expected[i]);
  return worst;
}
double energy_of(const std::string& text, const System& s) {
  return evaluate(*engine(text), s.atoms()).energy;
}

const char* const kDampings[] = {"bj pbe", "zero pbe", "zerom pbe", "bjm b3lyp", "bj b97d"};

/// The system under x -> x + strain x, symmetric in (k, l).
System strained(const System& s, int k, int l, double strain) {
  System out = s;
  const auto stretch = [&](double* x) {
    const double from[3] = {x[0], x[1], x[2]};
    x[k] += 0.5 * strain * from[l];
    x[l] += 0.5 * strain * from[k];
  };
  for (std::size_t i = 0; i < s.size(); ++i) stretch(&out.positions[3 * i]);
  for (int d = 0; d < 3; ++d) stretch(&out.cell[3 * d]);
  return out;
}

}  // namespace

TEST(d3_vector_functions) {
  using namespace mdbench::d3;
  Random random(4);
  Worst exponential, root, per_root, reciprocal;
  for (int n = 0; n < 4000; ++n) {
    const double x = random.uniform(-700.0, 30.0), y = std::exp(random.uniform(-12.0, 12.0));
    exponential.keep(exp(Lanes(x))[0] / std::exp(x) - 1.0);
    exponential.keep(1.0 - exp(Lanes(x))[0] / std::exp(x));
    root.keep(std::abs(inverse_cube_root(Lanes(y))[W - 1] * std::cbrt(y) - 1.0));
    per_root.keep(std::abs(inverse_sqrt(Lanes(y))[0] * std::sqrt(y) - 1.0));
    reciprocal.keep(std::abs(inverse(Lanes(y))[0] * y - 1.0));
  }
  CHECK_BELOW(exponential, 1e-15);
  CHECK_BELOW(root, 2e-15);
  CHECK_BELOW(per_root, 1e-15);
  CHECK_BELOW(reciprocal, 1e-15);
}

TEST(d3_is_its_formulas) {
  const System molecule = random_system(5, 9, {9, 0, 0, 0, 9, 0, 0, 0, 9}, {false, false, false});
  System slab = triclinic(6, 7);
  slab.periodic = {true, true, false};
  const System one = triclinic(7, 1), crystal = triclinic(8, 11);
  for (const char* damping : kDampings)
    for (const char* rest : {" cutoff 9 cn 7 switch 0 skin 0.3", " cutoff 9 cn 7 switch 2 skin 1",
                             " cutoff 9 cn 7 switch 2 atm 5", " cutoff 9 cn 9 switch 0 atm 4.2"})
      for (const System* s : {&molecule, static_cast<const System*>(&slab), &one, &crystal}) {
        const std::string text = std::string(damping) + rest;
        const auto d3 = engine(text);
        const D3Result found = evaluate(*d3, s->atoms());
        const std::vector<double> expected = slow::Dispersion(*s, settings_of(text)).energies();
        Worst worst;
        for (std::size_t i = 0; i < s->size(); ++i) worst.add(found.energies[i], expected[i]);
        CHECK_BELOW(worst, 1e-12);
        CHECK_BELOW(std::abs(found.energy - std::accumulate(expected.begin(), expected.end(), 0.0)),
                    1e-11);
      }
}

TEST(d3_forces_and_virial_are_derivatives) {
  const System s = triclinic();
  for (const char* damping : kDampings)
    for (const char* rest : {" cutoff 8 cn 6 switch 2.5", " cutoff 6 cn 6 switch 1.5 atm 5"}) {
      const std::string text = std::string(damping) + rest;
      const auto d3 = engine(text);
      const D3Result r = evaluate(*d3, s.atoms(), D3Virials::per_atom);
      Worst force, virial, shares;
      for (std::size_t i = 0; i < r.forces.size(); i += 2) {
        System moved = s;
        const auto at = [&](double x) {
          moved.positions[i] = x;
          return energy_of(text, moved);
        };
        force.add(r.forces[i], -check::difference(at, s.positions[i], 6e-4));
      }
      constexpr int kAxes[6][2] = {{0, 0}, {1, 1}, {2, 2}, {0, 1}, {0, 2}, {1, 2}};
      for (int v = 0; v < 6; ++v) {
        const auto at = [&](double e) {
          return energy_of(text, strained(s, kAxes[v][0], kAxes[v][1], e));
        };
        virial.add(r.virial[v], -check::difference(at, 0.0, 2e-4));
        double sum = 0.0;
        for (std::size_t i = 0; i < s.size(); ++i) sum += r.virials[6 * i + v];
        shares.add(sum, r.virial[v]);
      }
      CHECK_BELOW(force, 1e-9);
      CHECK_BELOW(virial, 2e-8);
      CHECK_BELOW(shares, 1e-12);
    }
}

TEST(d3_list_is_never_too_old) {
  Random random(9);
  System s = triclinic(10, 20);
  const std::string rest = " cutoff 7 cn 6 switch 1 atm 4";
  for (const char* how :
       {" skin 1", " skin 0.4 every 7 delay 30", " skin 1 check no every 3", " skin 0"}) {
    const auto d3 = engine("bj pbe" + rest + how);
    Worst worst;
    for (int step = 0; step < 60; ++step) {
      const double size = random.uniform(0.0, 0.12);
      for (double& x : s.positions) x += size * random.uniform();
      if (step % 9 == 4) s = strained(s, step % 2, 2, 0.01 * random.uniform());
      if (step % 13 == 5)  // drift of all, and one atom leaves for another cell
        for (std::size_t k = 0; k < s.positions.size(); ++k)
          s.positions[k] += 5.0 + (k < 3 ? s.cell[3 + k] : 0.0);
      if (step == 30) std::swap(s.numbers[0], s.numbers[7]);
      const D3Result r = evaluate(*d3, s.atoms());
      const double exact = energy_of("bj pbe" + rest, s);
      worst.keep(std::abs(r.energy - exact) / std::abs(exact));
    }
    CHECK_BELOW(worst, 1e-11);
    const D3Statistics& n = d3->statistics();
    CHECK(n.evaluations == 60);
    CHECK((n.dangerous_builds > 0) == (std::string(how).find("delay") != std::string::npos ||
                                       std::string(how).find("check no") != std::string::npos));
  }
}

TEST(d3_rebuilds_when_needed_only) {
  const System s = triclinic(12, 16);
  const auto d3 = engine("bj pbe cutoff 8 cn 6 skin 1");
  System moved = s;
  evaluate(*d3, moved.atoms());
  for (double& x : moved.positions) x += 40.0;  // a drift changes no distance
  moved.positions[0] += 0.49;
  moved.positions[4] += 0.5;
  evaluate(*d3, moved.atoms());
  CHECK(d3->statistics().builds == 1);
  moved.positions[4] += 0.15;  // the drift of all has grown by 1/16 of it
  evaluate(*d3, moved.atoms());
  CHECK(d3->statistics().builds == 2);
  const System larger = strained(moved, 0, 0, 0.9 / 9.0);
  evaluate(*d3, larger.atoms());
  CHECK(d3->statistics().builds == 2);  // 0.1 times cutoff + skin is 0.9
  evaluate(*d3, strained(larger, 1, 1, 0.12).atoms());
  CHECK(d3->statistics().builds == 3);
  CHECK(d3->statistics().dangerous_builds == 0);
  d3->reset_statistics();  // the list stays, and so does its size
  CHECK(d3->statistics().builds == 0);
  CHECK(d3->statistics().pairs > 0.0);
}

TEST(d3_in_parts_and_with_threads_is_the_same) {
  const System s = triclinic(13, 45);
  const std::string text = "zero pbe cutoff 8 cn 6 atm 4";
  const auto whole = engine(text);
  const D3Result expected = evaluate(*whole, s.atoms(), D3Virials::per_atom);
  for (const int ranks : {1, 2, 3, 7}) {
    /// Ranks take turns: each completes values with those that the others had in a first round.
    struct Recorded final : D3Exchange {
      std::vector<std::vector<double>> sums;
      std::size_t call = 0;
      void complete(std::span<double> values) override {
        if (call == sums.size()) sums.emplace_back(values.size(), 0.0);
        for (std::size_t i = 0; i < values.size(); ++i)
          if (values[i] == 0.0)
            values[i] = sums[call][i];
          else
            sums[call][i] = values[i];
        ++call;
      }
    } exchange;
    // coordination numbers are right after one round, dE/dCN after two, forces after three
    std::vector<double> forces, virials;
    double energy = 0.0;
    for (int round = 0; round < 3; ++round) {
      forces.assign(3 * s.size(), 0.0), virials.assign(6 * s.size(), 0.0), energy = 0.0;
      for (int rank = 0; rank < ranks; ++rank) {
        const auto d3 = engine(text, 1 + rank % 3);
        D3Atoms atoms = s.atoms();
        atoms.rank = rank, atoms.ranks = ranks;
        exchange.call = 0;
        const D3Result& r = d3->evaluate(atoms, exchange, D3Virials::per_atom);
        energy += r.energy;
        for (std::size_t i = 0; i < forces.size(); ++i) forces[i] += r.forces[i];
        for (std::size_t i = 0; i < virials.size(); ++i) virials[i] += r.virials[i];
      }
    }
    CHECK_BELOW(std::abs(energy - expected.energy), 1e-12);
    CHECK_BELOW(worst(forces, expected.forces), 1e-12);
    CHECK_BELOW(worst(virials, expected.virials), 1e-11);
  }
}

/// The coordination numbers' slopes, kept from the first pass for the last or made again.
TEST(d3_without_kept_slopes_is_the_same) {
  const System s = triclinic(13, 45);
  D3Settings settings = settings_of("bj pbe cutoff 9 cn 7");
  const std::unique_ptr<D3> keeps(mdbench_d3_v1(settings, 1));
  settings.kept_bytes = 0;
  const std::unique_ptr<D3> remakes(mdbench_d3_v1(settings, 1));
  const D3Result& expected = evaluate(*keeps, s.atoms(), D3Virials::per_atom);
  const D3Result& found = evaluate(*remakes, s.atoms(), D3Virials::per_atom);
  CHECK(keeps->memory_usage() > remakes->memory_usage());
  CHECK_BELOW(worst(found.forces, expected.forces), 1e-13);
  CHECK_BELOW(worst(found.virials, expected.virials), 1e-13);
}

TEST(d3_with_ghosts_is_the_same) {
  const System s = triclinic(14, 10);
  const std::string text = "bj pbe cutoff 6 cn 5 skin 1";
  const auto whole = engine(text);
  const D3Result expected = evaluate(*whole, s.atoms());
  System all = s;
  all.periodic = {false, false, false};
  std::vector<std::size_t> owner(s.size());
  std::iota(owner.begin(), owner.end(), 0);
  for (int image = 0; image < 343; ++image) {
    const int n[3] = {image % 7 - 3, image / 7 % 7 - 3, image / 49 - 3};
    for (std::size_t i = 0; i < s.size() && (n[0] || n[1] || n[2]); ++i) {
      for (int k = 0; k < 3; ++k) {
        double x = s.positions[3 * i + k];
        for (int d = 0; d < 3; ++d) x += n[d] * s.cell[3 * d + k];
        all.positions.push_back(x);
      }
      all.numbers.push_back(s.numbers[i]);
      owner.push_back(i);
    }
  }
  struct Forward final : D3Exchange {
    const std::vector<std::size_t>& owner;
    explicit Forward(const std::vector<std::size_t>& o) : owner(o) {}
    void complete(std::span<double> values) override {
      for (std::size_t i = 0; i < values.size(); ++i) values[i] = values[owner[i]];
    }
  } forward(owner);
  D3Atoms atoms = all.atoms();
  atoms.num_central = s.size();
  const auto d3 = engine(text, 2);
  const D3Result& r = d3->evaluate(atoms, forward, D3Virials::total);
  CHECK_BELOW(std::abs(r.energy - expected.energy), 1e-12);
  CHECK_BELOW(worst(r.forces.first(expected.forces.size()), expected.forces), 1e-12);
  CHECK_BELOW(worst(r.virial, expected.virial), 1e-11);
}

TEST(d3_refuses_what_it_cannot_do) {
  const auto message = [](const System& s) {
    const auto d3 = engine("bj pbe cutoff 8 cn 6");
    return check::thrown<Error>([&] { evaluate(*d3, s.atoms()); });
  };
  System s = triclinic();
  s.numbers[3] = 95;
  CHECK(message(s).find("atomic number 95") != std::string::npos);
  s = triclinic();
  s.positions[7] = NAN;
  CHECK(message(s).find("atom 3 are not finite") != std::string::npos);
  s = triclinic();
  for (int k = 0; k < 3; ++k) s.positions[6 + k] = s.positions[12 + k] + s.cell[k] - s.cell[3 + k];
  CHECK(message(s).find("same place") != std::string::npos);
  s = triclinic();
  for (int k = 0; k < 3; ++k) s.cell[6 + k] = s.cell[k] + 2.0 * s.cell[3 + k];
  CHECK(message(s).find("span no volume") != std::string::npos);
  s.periodic = {true, true, false};
  CHECK(message(s).empty());
  s = triclinic();
  for (int k = 0; k < 3; ++k) s.cell[k] *= 1e-7;
  CHECK(message(s).find("images of the cell") != std::string::npos);
  System none;
  CHECK(message(none).empty());
  const auto d3 = engine("bj pbe cutoff 8 cn 6");  // after a refusal it works
  s = triclinic();
  s.positions[0] = INFINITY;
  check::thrown<Error>([&] { evaluate(*d3, s.atoms()); });
  s = triclinic();
  CHECK_BELOW(std::abs(evaluate(*d3, s.atoms()).energy - energy_of("bj pbe cutoff 8 cn 6", s)),
              1e-12);
}
