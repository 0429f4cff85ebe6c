// SPDX-License-Identifier: MIT
// Python binding of D3 dispersion.
#include <nanobind/stl/array.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/unique_ptr.h>
#include <nanobind/stl/vector.h>

#include "arrays.hpp"
#include "d3.hpp"
#include "reference.hpp"

namespace mdbench::python {
namespace {

using namespace nb::literals;
using Words = std::vector<std::string>;

nb::dict evaluate(D3& d3, Vectors positions, Int32s numbers, Matrix cell,
                  std::array<bool, 3> periodic, bool with_virials) {
  check(positions.shape(0) == numbers.size(), "positions and numbers must have one row an atom");
  D3Atoms atoms;
  atoms.positions = view(positions);
  atoms.numbers = view(numbers);
  std::copy_n(cell.data(), 9, atoms.cell.begin());
  atoms.periodic = periodic;
  atoms.num_central = numbers.size();
  NoExchange alone;
  const D3Result* result = nullptr;
  {
    nb::gil_scoped_release unlocked;
    result = &d3.evaluate(atoms, alone,
                          with_virials ? mdbench::D3Virials::per_atom : mdbench::D3Virials::total);
  }
  nb::dict d;
  d["energy"] = result->energy;
  d["energies"] = to_numpy(result->energies);
  d["forces"] = to_numpy(result->forces, 3);
  d["virial"] = to_numpy(std::span<const double>(result->virial));
  d["virials"] = with_virials ? to_numpy(result->virials, 6) : nb::none();
  return d;
}

nb::dict statistics(const D3& d3) {
  const D3Statistics& s = d3.statistics();
  nb::dict d;
  d["evaluations"] = s.evaluations;
  d["builds"] = s.builds;
  d["dangerous_builds"] = s.dangerous_builds;
  d["list_seconds"] = s.list_seconds;
  d["evaluation_seconds"] = s.evaluation_seconds;
  d["pairs"] = s.pairs;
  return d;
}

}  // namespace

void bind_d3(nb::module_& m) {
  nb::class_<D3>(m, "D3")
      .def(nb::new_([](const Words& words, int threads) {
             return make_d3(D3Settings::parse(words), threads);
           }),
           "words"_a, "threads"_a = 0, "METHOD FUNCTIONAL keyword value ...")
      .def_prop_ro("words", [](const D3& d3) { return d3.settings().words(); })
      .def_prop_ro("statistics", &statistics)
      .def("reset_statistics", &D3::reset_statistics)
      .def_prop_ro("memory_bytes", &D3::memory_usage)
      .def(
          "evaluate", &evaluate, "positions"_a, "numbers"_a, "cell"_a, "periodic"_a,
          "with_virials"_a = false,
          "energy eV, energies, forces eV/A, virial and, if asked for, virials [atoms, 6] eV: sums "
          "of x (x) F, xx yy zz xy xz yz. Positions are followed through boundaries: an atom that "
          "jumps by a cell vector costs a new list.");

  m.def(
      "d3_words", [](const Words& words) { return D3Settings::parse(words).words(); }, "words"_a,
      "All settings of D3 in words, defaults included.");
  m.def("d3_functionals", &d3_functionals, "method"_a, "Names with published parameters.");
  m.attr("d3_heaviest") = d3::kD3Elements;
}

}  // namespace mdbench::python
