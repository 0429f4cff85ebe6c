// SPDX-License-Identifier: MIT
#include "network.hpp"

#include <algorithm>
#include <cmath>
#include <set>

#include "error.hpp"
#include "gemm.hpp"
#include "in_parallel.hpp"

namespace mdbench {
namespace {

/// Error of the tables relative to the largest radial functions, in each working precision.
template <class Real>
constexpr double kTolerance = sizeof(Real) == 8 ? 1e-11 : 2e-7;

/// Segments of later layers: more make their rank, and with it the work an edge, smaller, but the
/// rows no longer fit the cache. Layer 0 contracts its rows once an atom: one segment.
constexpr int kSegments = 8;

/// The factor of the identity that a path of the first layer is.
double identity_coupling(const NativeLayer& layer, int path) {
  std::set<int> seen;
  double coupling = 0.0;
  bool good = layer.paths[path].l2 == layer.paths[path].l3;
  for (const auto& c : layer.coupling) {
    if (c.path != path) continue;
    good = good && c.m2 == c.m3 && (seen.empty() || std::abs(c.value - coupling) <= 1e-5);
    good = seen.insert(c.m2).second && good;
    coupling = c.value;
  }
  if (seen.empty()) return 0.0;
  if (!good || static_cast<int>(seen.size()) != 2 * layer.paths[path].l3 + 1)
    throw Error("a coupling of the first layer is not a multiple of the identity");
  return coupling;
}

}  // namespace

template <class Real>
Network<Real>::Network(const NativeModel& model, const std::vector<int>& species, int head,
                       int threads)
    : model_(model),
      species_(species),
      channels_(padded<Real>(model.channels)),
      edge_channels_(padded<Real>(model.layers.back().edge_channels)),
      lanes_(kWidth<Real>),
      vectors_(edge_channels_ % (2 * lanes_) == 0 ? 2 : 1) {
  layers_.resize(model.layers.size());
  for (int t = 0; t < static_cast<int>(layers_.size()); ++t) {
    const NativeLayer& source = model.layers[t];
    layers_[t].sender_components = components(source.sender_l);
    layers_[t].outputs = components(source.output_l);
    layers_[t].gated = source.gated;
    make_sums(t);
    if (t > 0) make_groups(t);
    make_tables(t, threads);
    if (t > 0) make_maps(t);
    if (source.gated) make_gates(t);
    make_product(t);
    if (source.readout != NativeLayer::Readout::none) make_readout(t, head);
  }
}

template <class Real>
Weights<Real> Network<Real>::weights(const double* values, int rows, int columns, int block) const {
  constexpr int panel = kPanelVectors<Real> * kWidth<Real>;
  Weights<Real> w;
  w.blocks = rows / block;
  w.shape = {padded<Real>(block), padded<Real>(columns), panel};
  w.transposed = {w.shape.columns, w.shape.rows, panel};
  w.forward.assign(w.blocks * w.shape.size(), Real(0));
  w.reverse.assign(w.forward.size(), Real(0));
  for (int r = 0; r < rows; ++r) {
    const std::size_t first = r / block * w.shape.size();
    for (int c = 0; c < columns; ++c) {
      const Real value = static_cast<Real>(values[static_cast<std::size_t>(r) * columns + c]);
      w.forward[first + w.shape.index(r % block, c)] = value;
      w.reverse[first + w.transposed.index(c, r % block)] = value;
    }
  }
  return w;
}

template <class Real>
SpeciesWeights<Real> Network<Real>::species_weights(const PerElement& source, int block) const {
  SpeciesWeights<Real> out;
  if (!source.present()) return out;
  for (const int s : species_) {
    const auto& shape = source.tensor.shape;
    out.each.push_back(weights(source.of(s), shape[1], shape[2], block));
    if (source.shared()) break;
  }
  return out;
}

template <class Real>
void Network<Real>::make_sums(int t) {
  NetworkLayer<Real>& layer = layers_[t];
  for (int l = 0; l <= model_.max_ell; ++l) layer.sums.push_back({l, l * l});
  layer.sum_components = components(model_.max_ell);
  for (int gate = 1; layer.gated && gate <= model_.max_ell; ++gate)
    layer.sums.push_back({0, layer.sum_components++});
}

/// The tables of a layer: which pairs of elements need their own, as the model's indices. Without
/// distance transform one is enough; receiver and sender may be told apart.
template <class Real>
std::vector<ElementPair> Network<Real>::pairs_of_tables(int t) {
  NetworkLayer<Real>& layer = layers_[t];
  const int n = kinds();
  const bool ordered = model_.layers[t].radial.knows_elements();
  const bool one = !ordered && model_.radial.transform == RadialSpec::Transform::none;
  std::vector<ElementPair> pairs;
  layer.table_of_pair.assign(static_cast<std::size_t>(n) * n, 0);
  for (int a = 0; a < n; ++a)
    for (int b = 0; b < n; ++b) {
      int& table = layer.table_of_pair[a * n + b];
      if (b < a && !ordered) {
        table = layer.table_of_pair[b * n + a];
        continue;
      }
      if (!one || pairs.empty()) pairs.push_back({species_[a], species_[b]});
      table = static_cast<int>(pairs.size()) - 1;
    }
  return pairs;
}

template <class Real>
void Network<Real>::make_tables(int t, int threads) {
  const NativeLayer& source = model_.layers[t];
  NetworkLayer<Real>& layer = layers_[t];
  const int n = kinds();
  const std::vector<ElementPair> pairs = pairs_of_tables(t);
  const OrthogonalRows metric(source.radial.last);
  const int count = static_cast<int>(pairs.size());
  layer.tables.resize(count);
  std::vector<std::vector<std::vector<std::vector<double>>>> rows(count);
  const auto make = [&](int i) {
    PairTable<Real>& table = layer.tables[i];
    table.exact = std::make_shared<ExactRadial>(model_.radial, source.radial, pairs[i]);
    const RadialTable made(*table.exact, metric, model_.radial.cutoff, t == 0 ? 1 : kSegments,
                           kTolerance<Real>);
    table.segments = made.segments();
    table.rank = made.rank();
    table.stride = padded<Real>(made.width());
    table.pieces_per_segment = made.pieces_per_segment();
    table.inverse_length = 1.0 / made.piece_length();
    table.value_error = made.value_error();
    table.slope_error = made.slope_error();
    const std::size_t lines = made.coefficients().size() / made.width();
    table.coefficients.assign(lines * table.stride, Real(0));
    for (std::size_t line = 0; line < lines; ++line)
      for (int q = 0; q < made.width(); ++q)
        table.coefficients[line * table.stride + q] =
            static_cast<Real>(made.coefficients()[line * made.width() + q]);
    for (int s = 0; s < made.segments(); ++s) {
      rows[i].push_back(made.rows(s));
      if (rows[i].back().empty())  // all functions vanish in this segment
        rows[i].back().emplace_back(source.radial.last.outputs, 0.0);
    }
  };
  in_parallel(threads, [&](int share) {
    for (int i = share; i < count; i += threads) make(i);
  });
  // below the shortest tabulated distance the features themselves take the place of U
  std::vector<std::vector<double>> last;
  for (int f = 0; f < source.radial.last.inputs; ++f) {
    const auto begin = source.radial.last.weight.begin() +
                       static_cast<std::ptrdiff_t>(f) * source.radial.last.outputs;
    last.emplace_back(begin, begin + source.radial.last.outputs);
  }
  if (t == 0) {
    for (int a = 0; a < n; ++a)
      for (int b = 0; b < n; ++b) {
        layer.folded.push_back(fold(rows[layer.table_of_pair[a * n + b]][0], a, b));
        layer.folded_exact.push_back(fold(last, a, b));
      }
    return;
  }
  for (const auto& table : rows) {
    layer.rows.emplace_back();
    for (const auto& segment : table)
      layer.rows.back().push_back(segment_rows(segment, layer.path_order));
  }
  layer.exact_rows = segment_rows(last, layer.path_order);
}

template <class Real>
FoldedRows<Real> Network<Real>::fold(const std::vector<std::vector<double>>& rows, int receiver,
                                     int sender) {
  const NativeLayer& source = model_.layers[0];
  const int k = model_.channels, edge = source.edge_channels, rank = static_cast<int>(rows.size());
  const double* h = &source.embedding.values[static_cast<std::size_t>(species_[sender]) * edge];
  FoldedRows<Real> folded;
  for (std::size_t sum = 0; sum < source.linear.size(); ++sum) {
    std::vector<double> product(static_cast<std::size_t>(rank) * k, 0.0);
    const double* w = source.linear[sum].of(species_[receiver]);
    int block = 0;
    for (std::size_t p = 0; p < source.paths.size(); ++p) {
      if (source.paths[p].l3 != layers_[0].sums[sum].l) continue;
      const double coupling = identity_coupling(source, static_cast<int>(p));
      const double* wp = w + static_cast<std::size_t>(block++) * edge * k;
      for (int q = 0; q < rank; ++q)
        for (int i = 0; i < edge; ++i) {
          const double x = coupling * rows[q][p * edge + i] * h[i];
          for (int j = 0; j < k; ++j) product[q * k + j] += x * wp[i * k + j];
        }
    }
    folded.of_sum.push_back(weights(product.data(), rank, k, rank));
  }
  return folded;
}

template <class Real>
SegmentRows<Real> Network<Real>::segment_rows(const std::vector<std::vector<double>>& rows,
                                              const std::vector<int>& paths) const {
  const int lanes = vectors_ * lanes_, k = model_.layers.back().edge_channels;
  SegmentRows<Real> out{static_cast<int>(rows.size()), {}};
  for (int first = 0; first < edge_channels_; first += lanes)
    for (const int p : paths)
      for (const auto& row : rows)
        for (int i = first; i < first + lanes; ++i)
          out.values.push_back(i < k ? static_cast<Real>(row[p * k + i]) : Real(0));
  return out;
}

template <class Real>
void Network<Real>::make_groups(int t) {
  const NativeLayer& source = model_.layers[t];
  NetworkLayer<Real>& layer = layers_[t];
  std::vector<int> first;
  for (const auto& p : source.paths) {
    first.push_back(layer.message_rows);
    layer.message_rows += 2 * p.l3 + 1;
  }
  layer.first_row.resize(model_.max_ell + 1);
  for (std::size_t p = 0; p < source.paths.size(); ++p)
    layer.first_row[source.paths[p].l3].push_back(first[p]);
  for (int l2 = 0; l2 <= model_.max_ell; ++l2) {
    SlotGroup group{l2, static_cast<int>(layer.path_order.size()), 0, layer.slots, {}, {}};
    for (int l1 = 0; l1 <= source.sender_l; ++l1) {
      PathBlock& block = layer.blocks[l2][l1];
      block = {static_cast<int>(layer.path_order.size()), 0, layer.slots};
      for (std::size_t p = 0; p < source.paths.size(); ++p) {
        if (source.paths[p].l1 != l1 || source.paths[p].l2 != l2) continue;
        layer.path_order.push_back(static_cast<int>(p));
        ++block.paths;
        for (int m1 = 0; m1 <= 2 * l1; ++m1) {
          const int slot = static_cast<int>(group.rows.size()) * (2 * l2 + 1);
          group.rows.push_back({group.paths, l1 * l1 + m1});
          for (const auto& c : source.coupling)
            if (c.path == static_cast<int>(p) && c.m1 == m1)
              group.couplings.push_back({slot + c.m2, first[p] + c.m3, c.value});
        }
        ++group.paths;
        layer.slots += (2 * l1 + 1) * (2 * l2 + 1);
      }
    }
    if (group.paths > 0) layer.groups.push_back(std::move(group));
  }
}

template <class Real>
void Network<Real>::make_maps(int t) {
  const NativeLayer& source = model_.layers[t];
  NetworkLayer<Real>& layer = layers_[t];
  const int edge = source.edge_channels;
  for (const auto& w : source.linear) layer.linear.push_back(species_weights(w, edge));
  for (const auto& of_s : source.update) {
    layer.update.emplace_back();
    for (const auto& w : of_s) layer.update.back().push_back(species_weights(w, model_.channels));
  }
  for (const int s : species_) {
    Buffer<Real> bias(edge_channels_, Real(0));
    for (int i = 0; i < edge && !source.update_bias.shape.empty(); ++i)
      bias[i] =
          static_cast<Real>(source.update_bias.values[static_cast<std::size_t>(s) * edge + i]);
    layer.update_bias.push_back(std::move(bias));
  }
}

/// In layer 0 the features are constants of the elements, and so is what the gates add to the sums.
template <class Real>
void Network<Real>::make_gates(int t) {
  const NativeLayer& source = model_.layers[t];
  NetworkLayer<Real>& layer = layers_[t];
  const int k = model_.channels, edge = source.edge_channels;
  for (const auto& w : source.after) layer.after.push_back(species_weights(w, k));
  if (t > 0) {
    for (const auto& w : source.residual) layer.residual.push_back(species_weights(w, edge));
    return;
  }
  for (const int s : species_) {
    const double* h = &source.embedding.values[static_cast<std::size_t>(s) * edge];
    Buffer<Real> constant;
    for (const auto& w : source.residual) {
      std::vector<double> sum(channels_, 0.0);
      for (int i = 0; w.present() && i < edge; ++i)
        for (int j = 0; j < k; ++j) sum[j] += h[i] * w.of(s)[i * k + j];
      constant.insert(constant.end(), sum.begin(), sum.end());
    }
    layer.constant.push_back(std::move(constant));
  }
}

template <class Real>
void Network<Real>::make_readout(int t, int head) {
  const NativeLayer& source = model_.layers[t];
  NetworkLayer<Real>& layer = layers_[t];
  const int k = model_.channels;
  // only the columns that reach this head; the head's scale is folded in
  const double scale = model_.scale.values[head];
  const int all = source.neurons, heads = static_cast<int>(model_.heads.size());
  const bool linear = source.readout == NativeLayer::Readout::linear;
  const auto reaches = [&](int i) {
    return linear ? i == head : source.readout_out.values[i * heads + head] != 0.0;
  };
  const auto feeds = [&](int i) {
    for (int j = 0; j < all && !source.readout_mid.shape.empty(); ++j)
      if (reaches(j) && source.readout_mid.values[i * all + j] != 0.0) return true;
    return false;
  };
  std::vector<int> used;
  for (int i = 0; i < all; ++i)
    if (reaches(i) || feeds(i)) used.push_back(i);
  layer.neurons = static_cast<int>(used.size());
  for (const int i : used)
    layer.readout_out.push_back(scale *
                                (linear ? 1.0 : source.readout_out.values[i * heads + head]));
  for (const auto& of_s : source.readout_weight) {
    SpeciesWeights<Real> out;
    for (const int s : species_) {
      if (!of_s.present()) break;
      std::vector<double> w;
      for (int r = 0; r < k; ++r)
        for (const int i : used) w.push_back(of_s.of(s)[r * all + i]);
      out.each.push_back(weights(w.data(), k, layer.neurons, k));
      if (of_s.shared()) break;
    }
    layer.readout.push_back(std::move(out));
  }
  for (const int s : species_) {
    layer.readout_bias.emplace_back();
    for (const int i : used)
      layer.readout_bias.back().push_back(
          source.readout_bias.shape.empty() ? 0.0 : source.readout_bias.values[s * all + i]);
  }
  if (source.readout_mid.shape.empty()) return;
  for (const int i : used) {
    layer.readout_mid_bias.push_back(source.readout_mid_bias.values[i]);
    for (const int j : used) layer.readout_mid.push_back(source.readout_mid.values[i * all + j]);
  }
}

template <class Real>
void Network<Real>::make_product(int t) {
  const NativeLayer& source = model_.layers[t];
  const ContractionPlan& plan = source.contraction;
  constexpr int W = kWidth<Real>;
  const int k = model_.channels;
  for (const int s : species_) {
    Buffer<Real> out(static_cast<std::size_t>(plan.num_coefficients()) * channels_, Real(0));
    std::vector<double> sum(k);
    for (int i = 0; i < plan.num_coefficients(); ++i) {
      std::fill(sum.begin(), sum.end(), 0.0);
      for (const auto& term : plan.sources(i)) {
        int l = 0;
        while (components(l) <= term.output) ++l;
        const double* w =
            source.product_weight[l][term.order].of(s) + static_cast<std::size_t>(term.weight) * k;
        for (int c = 0; c < k; ++c) sum[c] += term.value * w[c];
      }
      for (int c = 0; c < k; ++c)
        out[(static_cast<std::size_t>(c / W) * plan.num_coefficients() + i) * W + c % W] =
            static_cast<Real>(sum[c]);
    }
    layers_[t].coefficients.push_back(std::move(out));
  }
}

template <class Real>
double Network<Real>::largest(double PairTable<Real>::* error) const {
  double most = 0.0;
  for (const auto& layer : layers_)
    for (const auto& table : layer.tables) most = std::max(most, table.*error);
  return most;
}

template class Network<float>;
template class Network<double>;

}  // namespace mdbench
