// SPDX-License-Identifier: MIT
#include "device_network.hpp"

#include <algorithm>
#include <tuple>

#include "contraction_program.hpp"
#include "edge_units.hpp"
#include "error.hpp"

namespace mdbench::cuda {
namespace {

/// What a second hidden layer keeps fits the shared memory that every kernel may take.
constexpr int kMostMidNeurons = 500;

/// Rows `first_row ..` of a matrix of the network, padded with zeros, and the same transposed.
template <class Real>
struct Block {
  int rows, columns, padded_rows, padded_columns;
  void append(const Weights<Real>& w, int first_row, std::vector<Real>& forward,
              std::vector<Real>& reverse) const {
    const std::size_t at = forward.size(), size = std::size_t(padded_rows) * padded_columns;
    forward.resize(at + size, Real(0));
    reverse.resize(at + size, Real(0));
    for (int r = 0; r < rows; ++r)
      for (int c = 0; c < columns; ++c) {
        const Real x = w.at(first_row + r, c);
        forward[at + std::size_t(r) * padded_columns + c] = x;
        reverse[at + std::size_t(c) * padded_rows + r] = x;
      }
  }
};

/// The block that begins at `first_row` of each kind's matrix.
template <class Real, class OfKind>
LinearMap<Real> linear_map(const Block<Real>& block, int count, int first_row, OfKind&& of_kind) {
  std::vector<Real> forward, reverse;
  for (int kind = 0; kind < count; ++kind) block.append(of_kind(kind), first_row, forward, reverse);
  LinearMap<Real> map;
  map.forward = Array<Real>(forward);
  map.reverse = Array<Real>(reverse);
  map.kind_stride = count > 1 ? std::int64_t(block.padded_rows) * block.padded_columns : 0;
  return map;
}

template <class Real>
LinearMap<Real> linear_map(const Block<Real>& block, const SpeciesWeights<Real>& w, int first_row) {
  if (!w.present()) return {};
  return linear_map(block, static_cast<int>(w.each.size()), first_row,
                    [&](int kind) -> const Weights<Real>& { return w.each[kind]; });
}

}  // namespace

template <class Real>
DeviceLayer<Real>::DeviceLayer(const NativeModel& model, const Network<Real>& network, int index)
    : channels(round_up(model.channels, kWarp)),
      edge_channels(round_up(model.layers[index].edge_channels, kWarp)),
      kinds(network.kinds()),
      max_ell(model.max_ell) {
  const NativeLayer& source = model.layers[index];
  const NetworkLayer<Real>& layer = network.layers()[index];
  sender_components = layer.sender_components;
  outputs = layer.outputs;
  sums = layer.sums;
  sum_components = layer.sum_components;
  gated = layer.gated;
  has_density = source.radial.has_density();
  make_tables(layer);
  if (index == 0)
    make_folded(layer, model.channels);
  else
    make_product(source, layer, network.vectors() * network.lanes());
  make_maps(model, layer, index);
  if (gated) make_gates(model, layer, index);
  make_contraction(source.contraction, layer, network.lanes());
  make_readout(model, layer, index);
}

template <class Real>
void DeviceLayer<Real>::make_tables(const NetworkLayer<Real>& layer) {
  for (const auto& table : layer.tables) {
    rank = std::max(rank, table.rank);
    segments = table.segments;
  }
  width_ = rank + 1;
  moment_row = round_up(rank, 4);
  constexpr int lines_a_piece = RadialTable::kDegree + 1;
  std::vector<Real> all;
  std::vector<std::size_t> first;
  for (const auto& table : layer.tables) {
    first.push_back(all.size());
    const int lines = table.segments * table.pieces_per_segment * lines_a_piece;
    all.resize(all.size() + std::size_t(lines) * width_, Real(0));
    for (int line = 0; line < lines; ++line) {
      const Real* in = &table.coefficients[std::size_t(line) * table.stride];
      Real* out = &all[first.back() + std::size_t(line) * width_];
      std::copy_n(in, table.rank, out);
      out[rank] = in[table.rank];  // the density function
    }
  }
  polynomials_ = Array<Real>(all);
  std::vector<Table<Real>> tables;
  for (std::size_t i = 0; i < layer.tables.size(); ++i)
    tables.push_back({layer.tables[i].pieces_per_segment, layer.tables[i].inverse_length,
                      polynomials_.data() + first[i]});
  table_ = Array<Table<Real>>(tables);
  table_of_pair_ = Array<int>(layer.table_of_pair);
}

template <class Real>
void DeviceLayer<Real>::make_folded(const NetworkLayer<Real>& layer, int model_channels) {
  for (std::size_t s = 0; s < sums.size(); ++s) {
    folded.emplace_back();
    for (int sender = 0; sender < kinds; ++sender) {
      std::vector<Real> forward, reverse;
      for (int receiver = 0; receiver < kinds; ++receiver) {
        const int pair = receiver * kinds + sender;
        const int rows = layer.tables[layer.table_of_pair[pair]].rank;
        Block<Real>{rows, model_channels, moment_row, channels}.append(layer.folded[pair].of_sum[s],
                                                                       0, forward, reverse);
      }
      LinearMap<Real> map;
      map.forward = Array<Real>(forward);
      map.reverse = Array<Real>(reverse);
      map.kind_stride = kinds > 1 ? std::int64_t(moment_row) * channels : 0;
      folded.back().push_back(std::move(map));
    }
  }
}

/// Units, and the couplings between slots and rows of the messages.
template <class Real>
void DeviceLayer<Real>::make_product(const NativeLayer& source, const NetworkLayer<Real>& layer,
                                     int lanes) {
  require_edge_rank(rank);
  message_rows = layer.message_rows;
  first_row = layer.first_row;
  std::vector<std::array<int, 3>> paths;
  std::vector<int> row_of_path;
  for (const auto& p : source.paths) {
    row_of_path.push_back(paths.empty() ? 0 : row_of_path.back() + 2 * paths.back()[2] + 1);
    paths.push_back({p.l1, p.l2, p.l3});
  }
  EdgeUnits made = make_units(paths);
  std::vector<SlotCoupling<Real>> all;
  std::vector<bool> slot_used(made.slots), row_used(message_rows);
  const auto add = [&](int slot, int row, double value) {
    all.push_back({slot, row, static_cast<Real>(value)});
    slot_used[slot] = row_used[row] = true;
  };
  for (const auto& c : source.coupling)
    add(made.first_slot[c.path] + c.m1 * (2 * source.paths[c.path].l2 + 1) + c.m2,
        row_of_path[c.path] + c.m3, c.value);
  // what has no coupling still has to be written: one of zero does that
  for (std::size_t p = 0; p < paths.size(); ++p) {
    const int slot = made.first_slot[p], row = row_of_path[p];
    for (int i = 0; i < (2 * paths[p][0] + 1) * (2 * paths[p][1] + 1); ++i)
      if (!slot_used[slot + i]) add(slot + i, row, 0.0);
    for (int i = 0; i <= 2 * paths[p][2]; ++i)
      if (!row_used[row + i]) add(slot, row + i, 0.0);
  }
  const auto by_slot = [](const auto& a, const auto& b) {
    return std::tie(a.slot, a.row) < std::tie(b.slot, b.row);
  };
  std::sort(all.begin(), all.end(), by_slot);
  by_slot_ = Array<SlotCoupling<Real>>(all);
  std::vector<SlotCoupling<Real>> rows;
  for (EdgeUnit& unit : made.units) {
    unit.first_coupling = static_cast<int>(rows.size());
    const int end = unit.first_slot + unit.paths * (2 * unit.l1 + 1) * (2 * unit.l2 + 1);
    for (const auto& c : all)
      if (c.slot >= unit.first_slot && c.slot < end) rows.push_back(c);
    std::sort(rows.begin() + unit.first_coupling, rows.end(), [](const auto& a, const auto& b) {
      return std::tie(a.row, a.slot) < std::tie(b.row, b.slot);
    });
    unit.last_coupling = static_cast<int>(rows.size());
  }
  by_row_ = Array<SlotCoupling<Real>>(rows);
  units_ = Array<EdgeUnit>(made.units);
  if (made.order != layer.path_order)
    throw Error("the edge kernels and the network order the paths differently");
  product_ = EdgeProduct<Real>{};
  product_.kinds = kinds;
  product_.segments = segments;
  product_.rank = rank;
  product_.width = width_;
  product_.channels = edge_channels;
  product_.paths = static_cast<int>(paths.size());
  product_.slots = made.slots;
  product_.rows = message_rows;
  product_.sender_components = sender_components;
  product_.max_ell = max_ell;
  product_.num_units = static_cast<int>(made.units.size());
  product_.units = units_.data();
  product_.by_row = by_row_.data();
  product_.by_slot = by_slot_.data();
  product_.num_couplings = static_cast<int>(all.size());
  for (std::size_t l2 = 0; l2 < made.paths_of.size(); ++l2)
    std::copy(made.paths_of[l2].begin(), made.paths_of[l2].end(), product_.paths_of[l2]);
  make_rows(layer, lanes);
  product_.table_of_pair = table_of_pair_.data();
  product_.run_rank = run_rank_.data();
  product_.v = v_.data();
}

/// V in blocks of a warp's channels, from the network's blocks of `lanes`.
template <class Real>
void DeviceLayer<Real>::make_rows(const NetworkLayer<Real>& layer, int lanes) {
  std::vector<int> ranks;
  for (const auto& table : layer.rows)
    for (const auto& segment : table) {
      if (segment.rank > rank) throw Error("a segment has more radial rows than its table columns");
      ranks.push_back(segment.rank);
    }
  const std::size_t rows = radial_rows(rank), paths = product_.paths;
  const std::size_t run_size = paths * rows * edge_channels, warp_size = paths * rows * kWarp;
  std::vector<Real> v(ranks.size() * run_size, Real(0));
  Real* out = v.data();
  for (const auto& table : layer.rows)
    for (const auto& segment : table) {
      const Real* in = segment.values.data();
      const Real* end = in + segment.values.size();
      for (int first = 0; in < end; first += lanes)
        for (std::size_t p = 0; p < paths; ++p)
          for (int q = 0; q < segment.rank; ++q, in += lanes)
            for (int i = 0; i < lanes; ++i)
              out[(first + i) / kWarp * warp_size + (p * rows + q) * kWarp + (first + i) % kWarp] =
                  in[i];
      out += run_size;
    }
  v_ = Array<Real>(v);
  run_rank_ = Array<int>(ranks);
}

template <class Real>
void DeviceLayer<Real>::make_maps(const NativeModel& model, const NetworkLayer<Real>& layer,
                                  int index) {
  if (index == 0) return;
  const int k = model.channels, e = model.layers[index].edge_channels, step = padded<Real>(e);
  const Block<Real> to_sums{e, k, edge_channels, channels}, up{k, e, channels, edge_channels};
  for (std::size_t s = 0; s < sums.size(); ++s) {
    linear.emplace_back();
    for (std::size_t p = 0; p < first_row[sums[s].l].size(); ++p)
      linear.back().push_back(linear_map(to_sums, layer.linear[s], static_cast<int>(p) * step));
  }
  for (const auto& of_s : layer.update) {
    update.emplace_back();
    for (const auto& w : of_s) update.back().push_back(linear_map(up, w, 0));
  }
  std::vector<Real> bias(std::size_t(kinds) * edge_channels, Real(0));
  for (int kind = 0; kind < kinds; ++kind)
    std::copy_n(layer.update_bias[kind].data(), e, &bias[std::size_t(kind) * edge_channels]);
  update_bias = Array<Real>(bias);
}

template <class Real>
void DeviceLayer<Real>::make_gates(const NativeModel& model, const NetworkLayer<Real>& layer,
                                   int index) {
  const int k = model.channels, e = model.layers[index].edge_channels, step = padded<Real>(k);
  for (const auto& w : layer.after)
    after.push_back(linear_map(Block<Real>{k, k, channels, channels}, w, 0));
  for (const auto& w : layer.residual)
    residual.push_back(linear_map(Block<Real>{e, k, edge_channels, channels}, w, 0));
  for (std::size_t s = 0; s < sums.size() && index == 0; ++s) {
    std::vector<Real> all(std::size_t(kinds) * channels, Real(0));
    for (int kind = 0; kind < kinds; ++kind)
      std::copy_n(&layer.constant[kind][s * step], k, &all[std::size_t(kind) * channels]);
    constant.push_back(Array<Real>(all));
  }
}

template <class Real>
void DeviceLayer<Real>::make_contraction(const ContractionPlan& plan,
                                         const NetworkLayer<Real>& layer, int lanes) {
  const HostProgram host = host_program(plan);
  program_ = host.program;
  steps_ = Array<uint2>(host.steps);
  program_.steps = steps_.data();
  std::vector<Real> all(std::size_t(kinds) * program_.num_coefficients * channels, Real(0));
  for (int kind = 0; kind < kinds; ++kind) {
    const auto& in = layer.coefficients[kind];
    const int blocks = program_.num_coefficients == 0
                           ? 0
                           : static_cast<int>(in.size() / program_.num_coefficients / lanes);
    for (int b = 0; b < blocks; ++b)
      for (int i = 0; i < program_.num_coefficients; ++i)
        std::copy_n(
            &in[(std::size_t(b) * program_.num_coefficients + i) * lanes], lanes,
            &all[(std::size_t(kind) * program_.num_coefficients + i) * channels + b * lanes]);
  }
  coefficients = Array<Real>(all);
}

template <class Real>
void DeviceLayer<Real>::make_readout(const NativeModel& model, const NetworkLayer<Real>& layer,
                                     int index) {
  using R = NativeLayer::Readout;
  const R kind_of_readout = model.layers[index].readout;
  activation = kind_of_readout == R::silu   ? Activation::silu
               : kind_of_readout == R::tanh ? Activation::tanh
                                            : Activation::linear;
  neurons = layer.neurons;
  if (neurons == 0) return;
  for (const auto& w : layer.readout) {
    readout.emplace_back();
    if (!w.present()) continue;
    std::vector<Real> all, unused;
    for (const auto& matrix : w.each)
      Block<Real>{model.channels, neurons, channels, neurons}.append(matrix, 0, all, unused);
    readout.back().weight = Array<Real>(all);
    readout.back().kind_stride = w.each.size() > 1 ? std::int64_t(channels) * neurons : 0;
  }
  std::vector<double> bias;
  for (const auto& of_kind : layer.readout_bias)
    bias.insert(bias.end(), of_kind.begin(), of_kind.end());
  readout_bias = Array<double>(bias);
  readout_out = Array<double>(layer.readout_out);
  if (layer.readout_mid.empty()) return;
  if (neurons > kMostMidNeurons)
    throw Error("a readout's second layer of " + std::to_string(neurons) +
                " neurons is too wide for the CUDA kernels: say 'device cpu'");
  readout_mid = Array<double>(layer.readout_mid);
  readout_mid_bias = Array<double>(layer.readout_mid_bias);
}

template <class Real>
Tables<Real> DeviceLayer<Real>::tables() const {
  return {kinds, segments, rank, width_, table_.data(), table_of_pair_.data()};
}

template class DeviceLayer<float>;
template class DeviceLayer<double>;

}  // namespace mdbench::cuda
