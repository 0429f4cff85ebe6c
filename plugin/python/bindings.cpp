// SPDX-License-Identifier: MIT
// Python binding of the engine-neutral core, so that it can be exercised without LAMMPS.
#include <nanobind/stl/array.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/unique_ptr.h>
#include <nanobind/stl/vector.h>

#include <algorithm>

#include "arrays.hpp"
#include "backend.hpp"
#include "error.hpp"
#include "evaluator.hpp"
#include "graph_builder.hpp"
#include "model_file.hpp"
#include "pair_counts.hpp"
#include "resident.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace {

using namespace mdbench::python;

nb::dict info_dict(const mdbench::ModelInfo& info) {
  nb::dict d;
  d["atomic_numbers"] = info.atomic_numbers;
  d["cutoff_ang"] = info.cutoff;
  d["num_layers"] = info.num_layers;
  d["heads"] = info.heads;
  d["head"] = info.head;
  d["precision"] = info.precision;
  d["stored_precision"] = info.stored_precision;
  d["device"] = info.device;
  d["kernel"] = info.kernel;
  d["threads"] = info.threads;
  return d;
}

/// Arrays from Python are checked: a wrong index would read outside them.
void check_graph(const mdbench::Graph& graph, std::size_t num_kinds) {
  const auto nodes = static_cast<std::int64_t>(graph.num_nodes());
  const auto edges = static_cast<std::int64_t>(graph.num_edges());
  check(graph.num_local <= graph.num_nodes(), "num_local exceeds the number of nodes");
  check(graph.first_edge.size() == graph.num_nodes() + 1, "first_edge must have nodes + 1 entries");
  check(graph.edge_vector.size() == 3 * graph.num_edges(), "edge_vector must be [edges, 3]");
  check(graph.first_edge.front() == 0 && graph.first_edge.back() == edges,
        "first_edge must run from 0 to the number of edges");
  for (std::int64_t i = 0; i < nodes; ++i)
    check(graph.first_edge[i] <= graph.first_edge[i + 1], "first_edge must not decrease");
  for (const auto s : graph.species)
    check(s >= 0 && static_cast<std::size_t>(s) < num_kinds, "species out of range");
  for (const auto s : graph.sender) check(s >= 0 && s < nodes, "sender out of range");
}

nb::tuple evaluate(mdbench::ResidentEvaluator& evaluator, Int32s species, Int64s first_edge,
                   Int32s sender, Vectors edge_vector, std::size_t num_local) {
  const mdbench::Graph graph{num_local, view(species), view(first_edge), view(sender),
                             view(edge_vector)};
  check_graph(graph, evaluator.info().atomic_numbers.size());
  mdbench::NoHalo halo;
  const mdbench::Evaluation* result = nullptr;
  {
    nb::gil_scoped_release unlocked;
    result = &evaluator.evaluate(graph, halo);
  }
  nb::dict seconds;
  seconds["input"] = result->seconds.input;
  seconds["forward"] = result->seconds.forward;
  seconds["backward"] = result->seconds.backward;
  seconds["output"] = result->seconds.output;
  return nb::make_tuple(to_numpy(result->site_energy), to_numpy(result->edge_gradient, 3), seconds);
}

nb::dict evaluate_at(mdbench::ResidentEvaluator& evaluator, Vectors positions,
                     bool per_node_virial) {
  mdbench::NoHalo halo;
  const mdbench::AtomEvaluation* result = nullptr;
  {
    nb::gil_scoped_release unlocked;
    result = &evaluator.evaluate_at(view(positions), per_node_virial, halo);
  }
  nb::dict d;
  d["node_atom"] = to_numpy(result->node_atom);
  d["site_energy"] = to_numpy(result->site_energy);
  d["force"] = to_numpy(result->force, 3);
  d["virial"] = to_numpy(std::span<const double>(result->virial), 3);
  d["node_virial"] = per_node_virial ? to_numpy(result->node_virial, 9) : nb::none();
  d["neighbors"] = to_numpy(result->neighbors);
  return d;
}

mdbench::AtomsView atoms_view(std::size_t num_local, Vectors positions, Int32s species,
                              Int32s owner) {
  const auto atoms = species.size();
  check(positions.shape(0) == atoms && owner.size() == atoms && num_local <= atoms,
        "positions, species and owner must have one row an atom");
  for (const auto o : view(owner))
    check(o >= 0 && static_cast<std::size_t>(o) < atoms, "owner out of range");
  return {num_local, view(positions), view(species), view(owner)};
}

void rebuild(mdbench::GraphBuilder& builder, std::size_t num_local, Vectors positions,
             Int32s species, Int32s owner, double skin) {
  builder.rebuild(atoms_view(num_local, positions, species, owner), skin);
}

void set_atoms(mdbench::ResidentEvaluator& evaluator, std::size_t num_local, Vectors positions,
               Int32s species, Int32s owner, double skin) {
  const mdbench::AtomsView atoms = atoms_view(num_local, positions, species, owner);
  nb::gil_scoped_release unlocked;
  evaluator.set_atoms(atoms, skin);
}

nb::dict update(mdbench::GraphBuilder& builder, Vectors positions) {
  mdbench::require_atoms(view(positions), builder.num_atoms());
  const mdbench::Graph& graph = builder.update(view(positions));
  nb::dict d;
  d["num_local"] = graph.num_local;
  d["species"] = to_numpy(graph.species);
  d["first_edge"] = to_numpy(graph.first_edge);
  d["sender"] = to_numpy(graph.sender);
  d["edge_vector"] = to_numpy(graph.edge_vector, 3);
  return d;
}

nb::object count_pairs(Vectors positions, Int32s kind, Int32s molecule, Matrix cell,
                       std::array<bool, 3> periodic, double r_max, std::size_t bins) {
  check(positions.shape(0) == kind.size() && molecule.size() == kind.size(),
        "positions, kind and molecule must have one row an atom");
  check(r_max > 0.0 && bins > 0, "r_max and bins must be positive");
  std::int32_t highest = -1;
  for (const auto k : view(kind)) {
    check(k >= 0, "kind out of range");
    highest = std::max(highest, k);
  }
  mdbench::PairInput input{view(positions), view(kind), view(molecule), {}, periodic};
  std::copy_n(cell.data(), 9, input.cell.begin());
  std::vector<std::int64_t> counts;
  {
    nb::gil_scoped_release unlocked;
    counts = mdbench::count_pairs(input, {std::size_t(highest + 1), bins, r_max});
  }
  return to_numpy(std::span<const std::int64_t>(counts));
}

}  // namespace

NB_MODULE(_core, m) {
  m.doc() = "Engine-neutral core of mdbench: model files, graphs, evaluators.";
  static const nb::exception<mdbench::Error> core_error(m, "CoreError");

  m.def(
      "inspect_model_file",
      [](const std::string& path) {
        const auto file = mdbench::inspect_model_file(path);
        return nb::make_tuple(mdbench::describe(file.kind), file.sha256,
                              file.kind == mdbench::ModelKind::torchscript ||
                                  file.kind == mdbench::ModelKind::safetensors);
      },
      "path"_a, "(description, sha256, is_converted) of a model file; checks its checksums.");

  nb::class_<mdbench::ResidentEvaluator>(m, "Evaluator")
      .def_prop_ro("info", [](const mdbench::ResidentEvaluator& e) { return info_dict(e.info()); })
      .def(
          "prepare",
          [](mdbench::ResidentEvaluator& e, Int32s species) { e.prepare(view(species)); },
          "species"_a, "Does what takes time once, for these species.")
      .def_prop_ro("peak_device_bytes", &mdbench::ResidentEvaluator::peak_device_bytes)
      .def("set_atoms", &set_atoms, "num_local"_a, "positions"_a, "species"_a, "owner"_a,
           "skin_ang"_a, "Searches the pairs of the evaluations to come.")
      .def("evaluate_at", &evaluate_at, "positions"_a, "per_node_virial"_a = false,
           "node_atom [nodes], site_energy [num_local] eV, force [nodes, 3] eV/A, virial [3, 3] "
           "eV, node_virial [nodes, 9] eV if asked for, neighbors [num_local]")
      .def("stage_seconds", &mdbench::ResidentEvaluator::stage_seconds,
           "[(stage, seconds so far, summed over threads)]")
      .def("evaluate", &evaluate, "species"_a, "first_edge"_a, "sender"_a, "edge_vector"_a,
           "num_local"_a,
           "(site energies [num_local] eV, edge gradients [edges, 3] eV/A, seconds by stage)");

  m.def(
      "load_evaluator",
      [](const std::string& path, const std::string& device, const std::string& precision,
         const std::string& head, int threads, bool deterministic, std::size_t workspace_mb) {
        mdbench::EvaluatorOptions options;
        options.path = path;
        options.device = device;
        options.precision = precision;
        options.head = head;
        options.threads = threads;
        options.deterministic = deterministic;
        options.workspace_mb = workspace_mb;
        return mdbench::load_resident(options, mdbench::inspect_model_file(path));
      },
      "path"_a, "device"_a = "auto", "precision"_a = "model", "head"_a = "", "threads"_a = 0,
      "deterministic"_a = true, "workspace_mb"_a = 0);
  m.def("cuda_devices", &mdbench::cuda_devices,
        "GPUs that the CUDA kernels see; 0 where their library is missing.");
  m.attr("cuda_library") = mdbench::kCudaLibrary;

  nb::class_<mdbench::GraphBuilder>(m, "GraphBuilder")
      .def(nb::init<double, int>(), "cutoff_ang"_a, "layers"_a)
      .def("reach", &mdbench::GraphBuilder::reach, "skin_ang"_a)
      .def("rebuild", &rebuild, "num_local"_a, "positions"_a, "species"_a, "owner"_a, "skin_ang"_a)
      .def("update", &update, "positions"_a);

  m.def("count_pairs", &count_pairs, "positions"_a, "kind"_a, "molecule"_a, "cell"_a, "periodic"_a,
        "r_max_ang"_a, "bins"_a,
        "[kinds * kinds * bins] atoms of the second kind around those of the first, by distance.");

  bind_d3(m);
}
