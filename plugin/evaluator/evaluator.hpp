// SPDX-License-Identifier: MIT
#pragma once

#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "graph.hpp"
#include "model_file.hpp"

namespace mdbench {

/// Exchange of per-node data between the owners of atoms and their copies on other ranks.
/// Collective: every rank calls it, also one without atoms. Only rows that travel are handed over:
/// [shared + copies][width], those of the shared nodes, then those of the copies that are here,
/// nodes num_local and on.
class Halo {
 public:
  virtual ~Halo() = default;
  /// False when no node has copies: nothing needs to be exchanged.
  virtual bool active() const { return true; }
  /// Local nodes that other ranks have copies of, ascending; stays while the nodes do.
  virtual std::span<const std::int32_t> shared() const = 0;
  /// Copies the rows of shared nodes to their copies.
  virtual void forward(std::span<double> rows, int width) = 0;
  /// Writes to the rows of shared nodes the sums of their copies' rows.
  virtual void reverse(std::span<double> rows, int width) = 0;
};

/// The halo of a graph without copies: every node is owned here.
class NoHalo final : public Halo {
 public:
  bool active() const override { return false; }
  std::span<const std::int32_t> shared() const override { return {}; }
  void forward(std::span<double>, int) override {}
  void reverse(std::span<double>, int) override {}
};

/// What the user asked for.
struct EvaluatorOptions {
  std::string path;                 ///< model file
  std::string evaluator = "auto";   ///< auto | torchscript | native
  std::string device = "auto";      ///< auto | cpu | cuda | cuda:N
  std::string precision = "model";  ///< model (as stored) | single | double | mixed
  std::string head;                 ///< empty: the head chosen when the file was made
  int local_rank = 0;               ///< rank on this host: picks the GPU of "cuda"
  int threads = 0;                  ///< CPU threads; 0: leave the library's choice
  bool deterministic = true;        ///< GPU: sums do not depend on the order of additions
  std::size_t workspace_mb = 0;     ///< GPU: memory that may be taken; 0: by what is free
};

/// What was loaded, and what will really run.
struct ModelInfo {
  std::vector<int> atomic_numbers;  ///< of species 0, 1, ...
  double cutoff = 0.0;              ///< r_max, Angstrom
  int num_layers = 0;               ///< message-passing layers
  std::vector<std::string> heads;
  std::string head;              ///< the head in use
  std::string precision;         ///< single | double
  std::string stored_precision;  ///< precision of the weights in the file
  std::string device;            ///< cpu | cuda:N
  /// of the labels that it learned: none | d3 | functional | unknown
  std::string labels_include_dispersion = "unknown";
  std::string kernel;  ///< e.g. "torchscript 2.13.0"
  int threads = 1;
};

/// Seconds that one evaluation spent, by stage.
struct EvaluationTimes {
  double input = 0.0;  ///< handing the graph over
  double forward = 0.0;
  double backward = 0.0;
  double halo = 0.0;    ///< exchanging features between ranks
  double output = 0.0;  ///< taking energies and gradients back
  double graph = 0.0;   ///< from pairs to edges, where that is not part of the model
  double forces = 0.0;  ///< from edges to atoms, likewise
};

/// Result of one evaluation; the arrays belong to the evaluator and live until its next call.
struct Evaluation {
  std::span<const double> site_energy;    ///< [num_local] eV, isolated-atom energies included
  std::span<const double> edge_gradient;  ///< [edges * 3] dE/d(edge_vector), eV/Angstrom
  EvaluationTimes seconds;
};

class ResidentEvaluator;

/// A model that turns a graph into site energies and one energy gradient an edge.
/// Not thread-safe: one thread at a time may call it.
class Evaluator {
 public:
  virtual ~Evaluator() = default;
  virtual const ModelInfo& info() const = 0;
  /// Hops from a local atom over which the graph must reach: 1 where features go through the Halo.
  virtual int halo_layers() const = 0;
  /// Largest width that it asks of the Halo; 0: it never calls it.
  virtual int halo_width() const { return 0; }
  /// Does what takes time once, for the species (indices of atomic_numbers) that will come up.
  virtual void prepare(std::span<const std::int32_t> species) = 0;
  /// Peak bytes taken on the accelerator so far; 0 on a CPU.
  virtual std::size_t peak_device_bytes() const { return 0; }
  /// Seconds spent so far in each stage, summed over threads; empty where they are not taken.
  virtual std::vector<std::pair<std::string, double>> stage_seconds() const { return {}; }
  /// The same evaluator where it can keep the pairs between rebuilds, or null (no dynamic_cast:
  /// back ends are libraries of their own).
  virtual ResidentEvaluator* resident() { return nullptr; }
  /// @throws Error when the model fails or the graph does not fit it.
  virtual const Evaluation& evaluate(const Graph& graph, Halo& halo) = 0;
};

/// Opens a model file, as `inspect_model_file` found it, with the evaluator that fits it.
/// @throws Error naming the file and the remedy when it cannot be used.
std::unique_ptr<Evaluator> load_evaluator(const EvaluatorOptions& options, const ModelFile& file);

/// The same for atoms and positions: every evaluator, if need be with graphs built around it.
std::unique_ptr<ResidentEvaluator> load_resident(const EvaluatorOptions& options,
                                                 const ModelFile& file);

/// Runs a synthetic graph through the model so that compilation happens before step 1.
void warm_up(Evaluator& evaluator);

/// What the user should know of the device that "auto" came to, a line; or empty.
std::string device_note(const std::string& asked, const ModelInfo& info);

/// Entry point that a separately loaded back end exports under `kBackendSymbol`. Null: "auto" must
/// take another one.
using BackendFactory = Evaluator* (*)(const EvaluatorOptions&, const ModelFile&);
inline constexpr char kBackendSymbol[] = "mdbench_backend_v2";

}  // namespace mdbench
