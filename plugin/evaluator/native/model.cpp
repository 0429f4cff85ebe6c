// SPDX-License-Identifier: MIT
#include "model.hpp"

#include <algorithm>
#include <cmath>
#include <set>
#include <utility>

#include "elements.hpp"
#include "error.hpp"
#include "harmonics.hpp"

namespace mdbench {
namespace {

constexpr int kMaxLayers = 8, kMaxSize = 1 << 16, kMaxPaths = 1024, kMaxDegree = 256;

template <class Enum>
Enum choose(const Json& name, std::initializer_list<std::pair<const char*, Enum>> known) {
  for (const auto& [text, value] : known)
    if (name.text() == text) return value;
  throw Error("it asks for '" + name.text() + "', which this version does not know");
}

/// Reads the arrays of one layer.
class LayerReader {
 public:
  LayerReader(const SafeTensors& file, const NativeModel& model, int layer, const Json& json)
      : file_(file), model_(model), index_(layer), json_(json) {}

  NativeLayer read() {
    out_.sender_l = size("sender_l", 0, 2);
    out_.output_l = size("output_l", 0, 2);
    out_.gated = json_.has("gated") && json_["gated"].boolean();
    out_.edge_channels =
        json_.has("edge_channels") ? size("edge_channels", 1, kMaxSize) : model_.channels;
    if (index_ == 0 && out_.sender_l != 0) throw Error("the first layer's senders are not scalars");
    read_paths();
    read_radial();
    read_features();
    read_linear();
    if (out_.gated) read_gates();
    read_product();
    read_readout();
    return std::move(out_);
  }

 private:
  int size(const char* key, int lowest, int highest) const {
    return static_cast<int>(json_[key].integer(lowest, highest));
  }
  std::string name(const std::string& rest) const {
    return "layers." + std::to_string(index_) + "." + rest;
  }
  const Tensor& get(const std::string& rest, const std::vector<int>& shape,
                    bool integers = false) const {
    return file_.get(name(rest), shape, integers);
  }
  PerElement per_element(const std::string& rest, int rows, int columns) const {
    if (!file_.has(name(rest))) return {};
    const Tensor& t = get(rest, {-1, rows, columns});
    if (t.shape[0] != 1 && t.shape[0] != elements())
      throw Error("array '" + name(rest) + "' is neither for one element nor for all");
    return {t};
  }
  int elements() const { return static_cast<int>(model_.elements.size()); }

  void read_paths() {
    for (const Json& p : json_["paths"].items()) {
      if (p.items().size() != 3) throw Error("a path needs three numbers");
      const auto l = [&](int i, int highest) {
        return static_cast<int>(p.items()[i].integer(0, highest));
      };
      out_.paths.push_back({l(0, out_.sender_l), l(1, model_.max_ell), l(2, model_.max_ell)});
    }
    if (out_.paths.empty()) throw Error("a layer has no paths");
    if (out_.paths.size() > kMaxPaths) throw Error("a layer has too many paths");
    const Tensor& index = get("cg.index", {-1, 4}, true);
    const Tensor& value = get("cg.value", {index.shape[0]});
    for (int i = 0; i < index.shape[0]; ++i) {
      const std::int32_t* row = &index.ints[4 * i];
      if (row[0] < 0 || row[0] >= static_cast<int>(out_.paths.size()))
        throw Error("a coupling names a path that is not there");
      const NativePath& p = out_.paths[row[0]];
      const int l[3] = {p.l1, p.l2, p.l3};
      for (int k = 0; k < 3; ++k)
        if (row[k + 1] < 0 || row[k + 1] > 2 * l[k]) throw Error("a coupling is out of range");
      out_.coupling.push_back({row[0], row[1], row[2], row[3], value.values[i]});
    }
  }

  /// A bias or the like of a perceptron; absent arrays are empty.
  std::vector<double> bias(const std::string& rest, const std::vector<int>& shape) {
    if (!file_.has(name(rest))) return {};
    biased_ = true;
    return get(rest, shape).values;
  }

  /// The perceptron whose matrices are `stem`.0, `stem`.1, ..
  void read_perceptron(const std::string& stem, Perceptron& out) {
    int inputs = static_cast<int>(model_.radial.frequencies.size());
    for (int i = 0; file_.has(name(stem + "." + std::to_string(i))); ++i) {
      const std::string one = stem + "." + std::to_string(i);
      const Tensor& w = get(one, {inputs, -1});
      inputs = w.shape[1];
      if (w.values.empty()) throw Error("a radial network has no neurons");
      out.hidden.push_back({w.shape[0], inputs, w.values, bias(one + ".bias", {inputs}),
                            bias(one + ".scale", {inputs}), bias(one + ".shift", {inputs})});
      if (out.hidden.back().scale.size() != out.hidden.back().shift.size())
        throw Error("a layer normalisation has a scale or a shift alone");
    }
    if (out.hidden.empty()) throw Error("array '" + name(stem + ".0") + "' is missing");
    out.last = std::move(out.hidden.back());
    out.hidden.pop_back();
    if (!out.last.scale.empty()) throw Error("the last layer of a radial network is normalised");
    if (out.hidden.empty()) return;
    const std::vector<int> shape{elements(), out.hidden[0].outputs};
    out.receiver = bias(stem + ".receiver", shape);
    out.sender = bias(stem + ".sender", shape);
    if (out.receiver.size() != out.sender.size())
      throw Error("a radial network knows the receiver's or the sender's element alone");
  }

  void read_radial() {
    read_perceptron("radial", out_.radial);
    auto& last = out_.radial.last;
    if (last.outputs != static_cast<int>(out_.paths.size()) * out_.edge_channels)
      throw Error("the radial network of layer " + std::to_string(index_) +
                  " does not end in paths x channels");
    if (!last.bias.empty()) {
      ++last.inputs;
      last.weight.insert(last.weight.end(), last.bias.begin(), last.bias.end());
      last.bias.clear();
    }
    if (json_["density"].boolean()) read_density();
    if (biased_ && !model_.radial.cutoff_on_weights)
      throw Error("its radial functions do not vanish at the cutoff");
  }

  void read_density() {
    const int basis = static_cast<int>(model_.radial.frequencies.size());
    if (file_.has(name("density"))) {
      out_.radial.density.last = {basis, 1, get("density", {basis}).values, {}, {}, {}};
      return;
    }
    read_perceptron("density", out_.radial.density);
    if (out_.radial.density.last.outputs != 1) throw Error("a density is not one number");
    out_.radial.density_factor = get("density.factor", {1}).values[0];
  }

  void read_features() {
    const int k = model_.channels, e = out_.edge_channels;
    if (index_ == 0) {
      out_.embedding = get("embedding", {elements(), e});
      return;
    }
    if (file_.has(name("up.bias"))) out_.update_bias = get("up.bias", {elements(), e});
    for (int s = 0; s < index_; ++s) {
      out_.update.emplace_back();
      const int highest = std::min(out_.sender_l, model_.layers[s].output_l);
      for (int l = 0; l <= highest; ++l)
        out_.update[s].push_back(
            per_element("up." + std::to_string(s) + "." + std::to_string(l), k, e));
    }
  }

  /// Maps of the messages of degree l to K channels.
  PerElement message_map(const std::string& rest, int l) const {
    const auto paths = std::count_if(out_.paths.begin(), out_.paths.end(),
                                     [l](const NativePath& p) { return p.l3 == l; });
    PerElement map =
        per_element(rest, static_cast<int>(paths) * out_.edge_channels, model_.channels);
    if (!map.present()) throw Error("array '" + name(rest) + "' is missing");
    return map;
  }

  void read_linear() {
    for (int l = 0; l <= model_.max_ell; ++l)
      out_.linear.push_back(message_map("linear." + std::to_string(l), l));
  }

  void read_gates() {
    const int k = model_.channels;
    for (int l = 1; l <= model_.max_ell; ++l)
      out_.linear.push_back(message_map("gate." + std::to_string(l), 0));
    for (int l = 0; l <= model_.max_ell; ++l) {
      out_.residual.push_back(per_element("residual." + std::to_string(l), out_.edge_channels, k));
      out_.after.push_back(per_element("after." + std::to_string(l), k, k));
      if (!out_.after.back().present())
        throw Error("array '" + name("after." + std::to_string(l)) + "' is missing");
      if (l > out_.sender_l && out_.residual.back().present())
        throw Error("a residual is of features that are not there");
    }
    for (int l = 1; l <= model_.max_ell; ++l)
      out_.residual.push_back(
          per_element("gate_residual." + std::to_string(l), out_.edge_channels, k));
  }

  void read_product() {
    const int inputs = components(model_.max_ell), correlation = size("correlation", 1, 3);
    std::vector<ContractionPlan::Term> terms;
    for (int l = 0; l <= out_.output_l; ++l) {
      out_.product_weight.emplace_back();
      for (int order = 1; order <= correlation; ++order) {
        const std::string stem = "product." + std::to_string(l) + "." + std::to_string(order);
        if (!file_.has(name(stem + ".index"))) continue;
        const Tensor& index = get(stem + ".index", {-1, order + 2}, true);
        const Tensor& value = get(stem + ".value", {index.shape[0]});
        const PerElement weight = per_element(stem + ".weight", -1, model_.channels);
        if (!weight.present()) throw Error("array '" + name(stem + ".weight") + "' is missing");
        for (int i = 0; i < index.shape[0]; ++i) {
          const std::int32_t* row = &index.ints[static_cast<std::size_t>(i) * (order + 2)];
          if (row[order] < 0 || row[order] > 2 * l || row[order + 1] < 0 ||
              row[order + 1] >= weight.tensor.shape[1])
            throw Error("a product's output is out of range");
          ContractionPlan::Term term{
              {-1, -1, -1}, l * l + row[order], order, row[order + 1], value.values[i]};
          for (int f = 0; f < order; ++f) {
            if (row[f] < (f ? row[f - 1] : 0) || row[f] >= inputs)
              throw Error("a product's factors are out of range");
            term.factors[f] = static_cast<std::int16_t>(row[f]);
          }
          terms.push_back(term);
        }
        out_.product_weight.back()[order] = weight;
      }
    }
    out_.contraction = ContractionPlan(terms, inputs, components(out_.output_l));
  }

  void read_readout() {
    using R = NativeLayer::Readout;
    out_.readout =
        choose<R>(json_["readout"],
                  {{"none", R::none}, {"linear", R::linear}, {"silu", R::silu}, {"tanh", R::tanh}});
    if (out_.readout == R::none) return;
    const int heads = static_cast<int>(model_.heads.size());
    for (int s = 0; s <= index_; ++s) {
      const std::string stem = "readout." + std::to_string(s);
      if (file_.has(name(stem))) out_.neurons = get(stem, {-1, model_.channels, -1}).shape[2];
    }
    if (out_.readout == R::linear && out_.neurons != heads)
      throw Error("a linear readout does not have one output a head");
    for (int s = 0; s <= index_; ++s)
      out_.readout_weight.push_back(
          per_element("readout." + std::to_string(s), model_.channels, out_.neurons));
    if (file_.has(name("readout.bias")))
      out_.readout_bias = get("readout.bias", {elements(), out_.neurons});
    if (out_.readout == R::linear) return;
    out_.readout_out = get("readout.out", {out_.neurons, heads});
    if (!file_.has(name("readout.mid"))) return;
    out_.readout_mid = get("readout.mid", {out_.neurons, out_.neurons});
    out_.readout_mid_bias = get("readout.mid.bias", {out_.neurons});
  }

  const SafeTensors& file_;
  const NativeModel& model_;
  int index_;
  bool biased_ = false;  ///< whether radial functions take a constant in
  const Json& json_;
  NativeLayer out_;
};

void read_radial(const SafeTensors& file, const Json& json, int elements, RadialSpec& spec) {
  using B = RadialSpec::Basis;
  using T = RadialSpec::Transform;
  spec.basis =
      choose<B>(json["basis"],
                {{"bessel", B::bessel}, {"gaussian", B::gaussian}, {"chebyshev", B::chebyshev}});
  spec.transform =
      choose<T>(json["transform"], {{"none", T::none}, {"agnesi", T::agnesi}, {"soft", T::soft}});
  spec.cutoff_on_weights = choose<bool>(json["cutoff_on"], {{"basis", false}, {"weights", true}});
  spec.cutoff_power = static_cast<int>(json["cutoff_p"].integer(1, 64));
  spec.frequencies = file.get("radial.basis", {-1}).values;
  for (const double d : spec.frequencies)
    if (spec.basis == B::chebyshev && !(d >= 0.0 && d <= kMaxDegree && d == std::floor(d)))
      throw Error("a degree of the radial basis is not a small whole number");
  if (spec.basis != B::chebyshev) spec.prefactor = file.get("radial.prefactor", {1}).values[0];
  if (spec.transform == T::none) return;
  spec.transform_values =
      file.get("radial.transform", {spec.transform == T::agnesi ? 3 : 1}).values;
  spec.radius = file.get("radial.radius", {elements}).values;
  for (const double r : spec.radius)
    if (!(r > 0.0)) throw Error("a covalent radius is not positive");
}

void read_zbl(const SafeTensors& file, const Json& json, int elements, ZblSpec& zbl) {
  if (json.kind() == Json::Kind::null) return;
  zbl.power = static_cast<int>(json["p"].integer(1, 64));
  zbl.c = file.get("zbl.c", {4}).values;
  zbl.d = file.get("zbl.d", {4}).values;
  const auto& screening = file.get("zbl.screening", {2}).values;
  zbl.exponent = screening[0];
  zbl.prefactor = screening[1];
  zbl.radius = file.get("zbl.radius", {elements}).values;
}

}  // namespace

NativeModel::NativeModel(const std::string& path) {
  const SafeTensors file(path);
  const Json& json = file.metadata();
  try {
    const std::string& format = json["format"].text();
    if (format != "mdbench-mace-1" && format != "mdbench-mace-2")
      throw Error("its format is '" + format +
                  "', this version reads 'mdbench-mace-1' and 2: install a matching mdbench");
    for (const Json& z : json["elements"].items())
      elements.push_back(static_cast<int>(z.integer(1, static_cast<long long>(kElements.size()))));
    for (const Json& h : json["heads"].items()) heads.push_back(h.text());
    default_head = json["head"].text();
    source_dtype = json["source_dtype"].text();
    if (json.has("labels_include_dispersion"))
      labels_include_dispersion = json["labels_include_dispersion"].text();
    channels = static_cast<int>(json["channels"].integer(1, kMaxSize));
    max_ell = static_cast<int>(json["max_ell"].integer(0, kMaxEll));
    if (std::set<int>(elements.begin(), elements.end()).size() != elements.size())
      throw Error("it names an element twice");
    if (elements.empty() || heads.empty()) throw Error("it names no elements or no heads");
    const int n = static_cast<int>(elements.size()), h = static_cast<int>(heads.size());
    radial.cutoff = json["cutoff_ang"].number();
    if (!(radial.cutoff > RadialTable::kShortest && radial.cutoff < 100.0))
      throw Error("its cutoff is not a distance in Angstrom");
    read_radial(file, json["radial"], n, radial);
    read_zbl(file, json["zbl"], n, zbl);
    atomic_energies = file.get("atomic_energies", {h, n});
    scale = file.get("scale", {h});
    shift = file.get("shift", {h});
    const auto& described = json["layers"].items();
    if (described.empty() || described.size() > kMaxLayers) throw Error("it has no layers");
    for (std::size_t t = 0; t < described.size(); ++t)
      layers.push_back(LayerReader(file, *this, static_cast<int>(t), described[t]).read());
    for (std::size_t t = 2; t < layers.size(); ++t)
      if (layers[t].edge_channels != layers[1].edge_channels)
        throw Error("layers after the first have messages of different widths");
  } catch (const Error& problem) {
    throw Error("model file '" + path + "': " + problem.what());
  }
}

bool NativeModel::gated() const {
  return std::any_of(layers.begin(), layers.end(), [](const auto& layer) { return layer.gated; });
}

}  // namespace mdbench
