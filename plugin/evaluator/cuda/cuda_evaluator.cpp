// SPDX-License-Identifier: MIT
#include "cuda_evaluator.hpp"

#include <algorithm>
#include <bit>
#include <chrono>
#include <cmath>
#include <limits>
#include <thread>

#include "error.hpp"

namespace mdbench::cuda {
namespace {

double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

Zbl device_zbl(const NativeModel& model, double scale, const Array<double>& radius,
               const Array<int>& numbers) {
  Zbl zbl{};
  zbl.power = model.zbl.power;
  if (zbl.power == 0) return zbl;
  zbl.terms = static_cast<int>(model.zbl.c.size());
  if (zbl.terms > static_cast<int>(std::size(zbl.c)))
    throw Error("the model's repulsion has too many terms for the GPU: say 'device cpu'");
  std::copy(model.zbl.c.begin(), model.zbl.c.end(), zbl.c);
  std::copy(model.zbl.d.begin(), model.zbl.d.end(), zbl.d);
  zbl.exponent = model.zbl.exponent;
  zbl.prefactor = model.zbl.prefactor;
  zbl.scale = scale;
  zbl.radius = radius.data();
  zbl.atomic_number = numbers.data();
  return zbl;
}

}  // namespace

template <class Real>
CudaEvaluator<Real>::CudaEvaluator(OpenedModel opened, CudaOptions options)
    : opened_(std::move(opened)),
      options_(std::move(options)),
      kinds_(opened_.model.elements.size()) {
  if (opened_.model.layers.size() > kMaxLayers)
    throw Error("the model has more layers than the GPU's kernels take (" +
                std::to_string(kMaxLayers) + "): say 'device cpu'");
  model_.cutoff = opened_.model.radial.cutoff;
  model_.wide_sums = options_.wide_sums;
}

/// Makes the network anew when an element comes up for the first time.
template <class Real>
void CudaEvaluator<Real>::prepare(std::span<const std::int32_t> species) {
  if (!kinds_.add(species) && !model_.layers.empty()) return;
  use_device(options_.device);
  const NativeModel& model = opened_.model;
  has_atoms_ = false;     // the pairs are of the elements before
  model_.layers.clear();  // should the next lines fail, the next call must try again
  const int threads = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
  const Network<Real> network(model, kinds_.used(), opened_.head, threads);
  typename Workspace<Real>::Layers layers;
  for (int t = 0; t < static_cast<int>(model.layers.size()); ++t)
    layers.push_back(std::make_unique<DeviceLayer<Real>>(model, network, t));
  std::vector<double> isolated, radius;
  std::vector<int> numbers;
  for (const int s : kinds_.used()) {
    isolated.push_back(model.atomic_energies.values[opened_.head * model.elements.size() + s] +
                       model.shift.values[opened_.head]);
    radius.push_back(model.zbl.power == 0 ? 0.0 : model.zbl.radius[s]);
    numbers.push_back(model.elements[s]);
  }
  model_.isolated.upload(isolated);
  model_.zbl_radius.upload(radius);
  model_.atomic_numbers.upload(numbers);
  model_.zbl =
      device_zbl(model, model.scale.values[opened_.head], model_.zbl_radius, model_.atomic_numbers);
  model_.layers = std::move(layers);
  step_ = std::make_unique<Step<Real>>(model_, topology_, workspace_, memory_, timer_);
  workspace_.forget();
}

/// As wide as the CPU's: a rank whose atoms are too close for the tables evaluates there.
template <class Real>
int CudaEvaluator<Real>::halo_width() const {
  int widest = 0;
  for (std::size_t t = 1; t < opened_.model.layers.size(); ++t) {
    const NativeLayer& layer = opened_.model.layers[t];
    widest = std::max(widest, components(layer.sender_l) * padded<Real>(layer.edge_channels));
  }
  return widest;
}

template <class Real>
typename FeatureExchange<Real>::Layer CudaEvaluator<Real>::travelling(int t) {
  auto& memory = workspace_.layer(t);
  return {model_.layers[t]->sender_components,
          model_.layers[t]->edge_channels,
          padded<Real>(opened_.model.layers[t].edge_channels),
          memory.sender.data(),
          memory.sender_bar.size() > 0 ? memory.sender_bar.data() : nullptr,
          memory.sender_bar_real.size() > 0 ? memory.sender_bar_real.data() : nullptr};
}

template <class Real>
PairKinds CudaEvaluator<Real>::pair_kinds() const {
  return {kinds_.of_species(), static_cast<int>(kinds_.used().size()),
          model_.layers.back()->segments};
}

template <class Real>
void CudaEvaluator<Real>::set_atoms(const AtomsView& atoms, double skin) {
  use_device(options_.device);
  has_atoms_ = false;
  std::vector<std::int32_t> members;
  for (const auto s : atoms.species)
    if (s >= 0 && (members.empty() || s != members.back())) members.push_back(s);
  prepare(members);
  pairs_on_cpu_.forget();
  radius_ = opened_.info.cutoff + skin;
  topology_.search(atoms, radius_, pair_kinds(), stream_);
  has_atoms_ = stale_ = true;
}

template <class Real>
void CudaEvaluator<Real>::set_edges(const mdbench::Graph& graph) {
  use_device(options_.device);
  prepare(graph.species);
  has_atoms_ = false;
  topology_.set({graph.num_local, 0, graph.species, {}, graph.first_edge, graph.sender, {}},
                pair_kinds());
  stale_ = true;
}

/// Memory for the pairs and what is wanted of them.
template <class Real>
void CudaEvaluator<Real>::fit(const Wanted& wanted, const Halo& halo) {
  const int local = topology_.num_receivers();
  if (halo.active() &&
      features_.fit(halo.shared(), local, topology_.num_nodes() - local, halo_width(), stream_))
    stale_ = true;
  if (!stale_ && wanted == wanted_) return;
  stale_ = true;  // should the next lines fail, the next call must try again
  wanted_ = wanted;
  memory_.fit(topology_, wanted);
  workspace_.fit(model_.layers, topology_,
                 {options_.workspace, features_.device_bytes(), options_.deterministic}, stream_);
  stale_ = false;
}

/// All that a captured graph depends on.
template <class Real>
std::vector<std::int64_t> CudaEvaluator<Real>::launch_shape(bool halo_active) const {
  std::vector<std::int64_t> shape = workspace_.shape();
  memory_.add_to(shape);
  for (const double limit : {step_->sender_limit(), step_->force_limit()})
    shape.push_back(std::bit_cast<std::int64_t>(limit));
  if (halo_active) features_.add_to(shape);
  return shape;
}

/// Stages that follow each other without the host; between others features travel.
template <class Real>
void CudaEvaluator<Real>::enqueue(int first_stage, int last_stage) {
  const auto run = [&](const auto& work) { timer_.run("exchange", stream_, work); };
  if (first_stage == 0) {
    memory_.copy_in(stream_);
  } else {
    const auto [t, gradients] = step_->travels_before(first_stage);
    run([&] { features_.give(travelling(t), gradients, memory_.arrays().flags, stream_); });
  }
  for (int s = first_stage; s <= last_stage; ++s) step_->stage(s, stream_);
  if (last_stage + 1 == step_->num_stages()) {
    memory_.copy_out(stream_);
  } else {
    const auto [t, gradients] = step_->travels_before(last_stage + 1);
    run([&] { features_.take(travelling(t), gradients, stream_); });
    memory_.copy_flags_out(stream_);
  }
}

/// The same by a graph from the second time on: capturing one costs more than to start its kernels
/// once.
template <class Real>
void CudaEvaluator<Real>::start(const std::vector<std::int64_t>& shape, int first_stage,
                                int last_stage) {
  const auto one_by_one = [&] { enqueue(first_stage, last_stage); };
  if (timer_.on() || shape != captured_shape_) return one_by_one();
  cuda::Graph& graph = graphs_[first_stage];
  if (graph.captured() || graph.capture(stream_, one_by_one))
    graph.launch(stream_);
  else
    one_by_one();
}

/// False when atoms are closer than the tables reach; then nothing was exchanged.
template <class Real>
bool CudaEvaluator<Real>::run(Halo& halo) {
  const auto shape = launch_shape(halo.active());
  if (shape == last_shape_ && shape != captured_shape_) {
    graphs_.resize(step_->num_stages());
    for (cuda::Graph& graph : graphs_) graph.outdate();
    captured_shape_ = shape;
  }
  const int stages = step_->num_stages(), together = halo.active() ? 1 : stages;
  for (int s = 0; s < stages; s += together) {
    if (s > 0) exchange(s, halo);
    start(shape, s, s + together - 1);
    stream_.synchronize();
    if (s == 0 && (memory_.flags() & kTooClose) != 0) return false;
    if ((memory_.flags() & kNoRoom) != 0) throw Error("the GPU had no room for the tiles of edges");
  }
  timer_.collect();
  last_shape_ = shape;  // not earlier: what never ran may have kernels that CUDA must load first
  return true;
}

/// h_t from owners to copies, or its gradients from copies to owners.
template <class Real>
void CudaEvaluator<Real>::exchange(int stage, Halo& halo) {
  const double begin = now();
  const auto [t, gradients] = step_->travels_before(stage);
  features_.travel(travelling(t), gradients, halo);
  result_.seconds.halo += now() - begin;
}

template <class Real>
ResidentOnCpu& CudaEvaluator<Real>::on_cpu() {
  if (!cpu_) cpu_ = std::make_unique<ResidentOnCpu>(options_.on_cpu());
  return *cpu_;
}

template <class Real>
void CudaEvaluator<Real>::take_energies() {
  const bool finite = (memory_.flags() & kNotFinite) == 0;
  const auto node = topology_.node();
  const auto energy = memory_.energy();
  const auto edges = memory_.edges();
  site_energy_.resize(node.size());
  neighbors_.resize(node.size());
  for (std::size_t p = 0; p < node.size(); ++p) {
    site_energy_[node[p]] = finite ? energy[p] : std::numeric_limits<double>::quiet_NaN();
    neighbors_[node[p]] = edges[p];
  }
}

template <class Real>
const AtomEvaluation& CudaEvaluator<Real>::evaluate_at(std::span<const double> positions,
                                                       bool per_node_virial, Halo& halo) {
  const double begin = now();
  if (!has_atoms_) throw Error("no atoms are set");
  require_atoms(positions, topology_.num_atoms());
  use_device(options_.device);
  fit({true, per_node_virial, false}, halo);
  std::copy(positions.begin(), positions.end(), memory_.input().begin());
  result_.seconds = {};
  const double ready = now();
  if (!run(halo)) {
    on_cpu().set_pairs(pairs_on_cpu_.list(topology_, radius_));
    return on_cpu().evaluate_at(positions, per_node_virial, halo);
  }
  const double done = now();
  take_energies();
  atoms_.node_atom = nodes().node_atom;
  atoms_.site_energy = site_energy_;
  atoms_.neighbors = neighbors_;
  atoms_.force = memory_.force();
  atoms_.node_virial = memory_.node_virial();
  std::copy_n(memory_.virial().begin(), 9, atoms_.virial.begin());
  atoms_.seconds = result_.seconds;
  atoms_.seconds.input = ready - begin;
  atoms_.seconds.forward = done - ready - result_.seconds.halo;
  atoms_.seconds.output = now() - done;
  return atoms_;
}

/// Edges with vectors of their own: the pairs of a list that is new at every call.
template <class Real>
const Evaluation& CudaEvaluator<Real>::evaluate(const mdbench::Graph& graph, Halo& halo) {
  const double begin = now();
  set_edges(graph);
  fit({false, false, true}, halo);
  const auto original = topology_.original();
  for (std::size_t p = 0; p < original.size(); ++p)
    std::copy_n(&graph.edge_vector[3 * original[p]], 3, &memory_.input()[3 * p]);
  result_.seconds = {};
  const double ready = now();
  if (!run(halo)) return on_cpu().evaluate(graph, halo);
  const double done = now();
  take_energies();
  edge_gradient_.assign(3 * graph.num_edges(), 0.0);
  for (std::size_t p = 0; p < original.size(); ++p)
    std::copy_n(&memory_.edge_gradient()[3 * p], 3, &edge_gradient_[3 * original[p]]);
  result_.site_energy = site_energy_;
  result_.edge_gradient = edge_gradient_;
  result_.seconds.input = ready - begin;
  result_.seconds.forward = done - ready - result_.seconds.halo;
  result_.seconds.output = now() - done;
  return result_;
}

template class CudaEvaluator<float>;
template class CudaEvaluator<double>;

}  // namespace mdbench::cuda
