// SPDX-License-Identifier: MIT
#include "cuda_evaluator.hpp"

#include <algorithm>
#include <bit>
#include <chrono>
#include <cmath>
#include <limits>

#include "error.hpp"

namespace mdbench::cuda {
namespace {

/// Coordinates are copied in so many at a time: with each rebuild there are a few ghosts more or
/// less, for which no graph need be captured anew.
constexpr std::size_t kInputStep = 3072;

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
  use_device(options_.device);
  model_.cutoff = opened_.model.radial.cutoff;
  model_.wide_sums = options_.wide_sums;
  host_flags_.resize(1);
  host_virial_.resize(9);
}

/// Makes the network anew when an element comes up for the first time.
template <class Real>
void CudaEvaluator<Real>::prepare(std::span<const std::int32_t> species) {
  if (!kinds_.add(species) && !model_.layers.empty()) return;
  use_device(options_.device);
  const NativeModel& model = opened_.model;
  has_atoms_ = false;     // the pairs are of the elements before
  model_.layers.clear();  // should the next lines fail, the next call must try again
  const Network<Real> network(model, kinds_.used(), opened_.head);
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
  step_ = std::make_unique<Step<Real>>(model_, topology_, workspace_, arrays_, timer_);
  workspace_.forget();
}

/// As wide as the CPU's: a rank whose atoms are too close for the tables evaluates there.
template <class Real>
int CudaEvaluator<Real>::halo_width() const {
  int widest = 0;
  for (std::size_t t = 1; t < opened_.model.layers.size(); ++t)
    widest = std::max(widest, components(opened_.model.layers[t].sender_l) *
                                  padded<Real>(opened_.model.channels));
  return widest;
}

template <class Real>
typename FeatureExchange<Real>::Layer CudaEvaluator<Real>::travelling(int t) {
  auto& memory = workspace_.layer(t);
  return {model_.layers[t]->sender_components,
          model_.layers[t]->channels,
          padded<Real>(opened_.model.channels),
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
  fit_arrays();
  workspace_.fit(model_.layers, topology_,
                 {options_.workspace, features_.device_bytes(), options_.deterministic}, stream_);
  stale_ = false;
}

template <class Real>
void CudaEvaluator<Real>::fit_arrays() {
  const std::size_t n = topology_.num_receivers(), nodes = topology_.num_nodes();
  const std::size_t in = 3 * (wanted_.forces ? topology_.num_atoms() : topology_.num_pairs());
  input_.resize((in + kInputStep - 1) / kInputStep * kInputStep);
  host_input_.resize(input_.size());
  arrays_.at = {wanted_.forces ? input_.data() : nullptr, wanted_.forces ? nullptr : input_.data()};
  arrays_.flags.resize(1);
  arrays_.edges.resize(n);
  host_edges_.resize(n);
  arrays_.energy.resize(n);
  host_energy_.resize(n);
  arrays_.virial.resize(9 * n);
  arrays_.total_virial.resize(wanted_.forces ? 9 : 0);
  arrays_.force_out.resize(wanted_.forces ? 3 * nodes : 0);
  host_force_.resize(arrays_.force_out.size());
  arrays_.force.resize(arrays_.force_out.size());
  arrays_.node_virial.resize(wanted_.node_virial ? 9 * nodes : 0);
  arrays_.node_virial_out.resize(arrays_.node_virial.size());
  host_node_virial_.resize(arrays_.node_virial.size());
  arrays_.edge_gradient.resize(wanted_.edge_gradient ? 3 * topology_.num_pairs() : 0);
  host_gradient_.resize(arrays_.edge_gradient.size());
}

/// All that a captured graph depends on.
template <class Real>
std::vector<std::int64_t> CudaEvaluator<Real>::launch_shape(bool halo_active) const {
  std::vector<std::int64_t> shape = workspace_.shape();
  const auto add = [&shape](const auto&... arrays) {
    ((shape.push_back(reinterpret_cast<std::intptr_t>(arrays.data())),
      shape.push_back(static_cast<std::int64_t>(arrays.size()))),
     ...);
  };
  add(input_, host_input_, host_energy_, host_force_, host_node_virial_, host_gradient_,
      host_virial_, host_edges_, host_flags_, arrays_.edges, arrays_.energy, arrays_.force,
      arrays_.node_virial, arrays_.virial, arrays_.edge_gradient, arrays_.force_out,
      arrays_.total_virial, arrays_.node_virial_out);
  for (const double limit : {step_->sender_limit(), step_->force_limit()})
    shape.push_back(std::bit_cast<std::int64_t>(limit));
  if (halo_active) features_.add_to(shape);
  return shape;
}

template <class Real>
void CudaEvaluator<Real>::copy_in() {
  if (input_.size() > 0) input_.upload(host_input_, stream_);
}

template <class Real>
void CudaEvaluator<Real>::copy_out() {
  const auto take = [&](const auto& array, auto& host) {
    if (array.size() > 0) array.download(host.span(), stream_);
  };
  take(arrays_.energy, host_energy_);
  take(arrays_.edges, host_edges_);
  take(arrays_.force_out, host_force_);
  take(arrays_.total_virial, host_virial_);
  take(arrays_.node_virial_out, host_node_virial_);
  take(arrays_.edge_gradient, host_gradient_);
}

/// Stages that follow each other without the host; between others features travel.
template <class Real>
void CudaEvaluator<Real>::enqueue(int first_stage, int last_stage) {
  const auto run = [&](const auto& work) { timer_.run("exchange", stream_, work); };
  if (first_stage == 0) {
    copy_in();
  } else {
    const auto [t, gradients] = step_->travels_before(first_stage);
    run([&] { features_.give(travelling(t), gradients, arrays_.flags.data(), stream_); });
  }
  for (int s = first_stage; s <= last_stage; ++s) step_->stage(s, stream_);
  if (last_stage + 1 == step_->num_stages()) {
    copy_out();
  } else {
    const auto [t, gradients] = step_->travels_before(last_stage + 1);
    run([&] { features_.take(travelling(t), gradients, stream_); });
  }
  arrays_.flags.download(host_flags_.span(), stream_);
}

/// The same by a graph from the second time on: capturing one costs more than to start its kernels
/// once.
template <class Real>
void CudaEvaluator<Real>::start(const std::vector<std::int64_t>& shape, int first_stage,
                                int last_stage) {
  if (timer_.on() || shape != captured_shape_) {
    enqueue(first_stage, last_stage);
  } else {
    cuda::Graph& graph = graphs_[first_stage];
    if (!graph.captured()) graph.capture(stream_, [&] { enqueue(first_stage, last_stage); });
    graph.launch(stream_);
  }
}

/// False when atoms are closer than the tables reach; then nothing was exchanged.
template <class Real>
bool CudaEvaluator<Real>::run(Halo& halo) {
  const auto shape = launch_shape(halo.active());
  if (shape == last_shape_ && shape != captured_shape_) {
    graphs_.clear();
    graphs_.resize(step_->num_stages());
    captured_shape_ = shape;
  }
  last_shape_ = shape;
  const int stages = step_->num_stages(), together = halo.active() ? 1 : stages;
  for (int s = 0; s < stages; s += together) {
    if (s > 0) exchange(s, halo);
    start(shape, s, s + together - 1);
    stream_.synchronize();
    if (s == 0 && (host_flags_[0] & kTooClose) != 0) return false;
    if ((host_flags_[0] & kNoRoom) != 0) throw Error("the GPU had no room for the tiles of edges");
  }
  timer_.collect();
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
  const bool finite = (host_flags_[0] & kNotFinite) == 0;
  const auto node = topology_.node();
  site_energy_.resize(node.size());
  neighbors_.resize(node.size());
  for (std::size_t p = 0; p < node.size(); ++p) {
    site_energy_[node[p]] = finite ? host_energy_[p] : std::numeric_limits<double>::quiet_NaN();
    neighbors_[node[p]] = host_edges_[p];
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
  std::copy(positions.begin(), positions.end(), host_input_.begin());
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
  atoms_.force = host_force_.span();
  atoms_.node_virial = host_node_virial_.span();
  std::copy_n(host_virial_.begin(), 9, atoms_.virial.begin());
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
    std::copy_n(&graph.edge_vector[3 * original[p]], 3, &host_input_[3 * p]);
  result_.seconds = {};
  const double ready = now();
  if (!run(halo)) return on_cpu().evaluate(graph, halo);
  const double done = now();
  take_energies();
  edge_gradient_.assign(3 * graph.num_edges(), 0.0);
  for (std::size_t p = 0; p < original.size(); ++p)
    std::copy_n(&host_gradient_[3 * p], 3, &edge_gradient_[3 * original[p]]);
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
