// SPDX-License-Identifier: MIT
// Small random native model files, written here so that tests can also write broken ones.
#pragma once

#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "numeric.hpp"
#include "sha256.hpp"

namespace tiny {

/// A file of its own, as several processes and threads may test at a time; gone when the test is
/// over.
struct TemporaryFile {
  explicit TemporaryFile(const std::string& name) {
    static std::atomic<int> count{0};
    const std::string own = std::to_string(getpid()) + "-" + std::to_string(count++) + name;
    path = (std::filesystem::temp_directory_path() / own).string();
  }
  ~TemporaryFile() { std::filesystem::remove(path); }
  void write(const std::string& bytes) const { std::ofstream(path, std::ios::binary) << bytes; }
  std::string path;
};

/// An array as the file holds it.
struct Array {
  std::string dtype;
  std::vector<long long> shape;
  std::string bytes;

  template <class T>
  T get(std::size_t i) const {
    T value;
    std::memcpy(&value, bytes.data() + i * sizeof(T), sizeof(T));
    return value;
  }
  template <class T>
  void set(std::size_t i, T value) {
    std::memcpy(bytes.data() + i * sizeof(T), &value, sizeof(T));
  }
};

inline std::string join(const std::vector<long long>& numbers) {
  std::string out;
  for (const long long n : numbers) out += (out.empty() ? "" : ",") + std::to_string(n);
  return "[" + out + "]";
}

/// Puts another text in the place of the first occurrence of one.
inline std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const auto at = text.find(from);
  return at == text.npos ? "replaced() found nothing" : text.replace(at, from.size(), to);
}

struct MaceFile {
  std::map<std::string, Array> arrays;
  std::string metadata;  ///< JSON; its checksum is 64 zeros

  template <class T>
  void put(const std::string& name, const std::vector<long long>& shape, const std::vector<T>& v) {
    const char* type = std::is_same_v<T, double> ? "F64" : std::is_same_v<T, float> ? "F32" : "I32";
    arrays[name] = {type, shape,
                    std::string(reinterpret_cast<const char*>(v.data()), v.size() * sizeof(T))};
  }
  std::string header() const {
    std::string text;
    for (const char c : metadata) text += c == '"' ? "\\\"" : std::string(1, c);
    std::string out = "{\"__metadata__\":{\"mdbench\":\"" + text + "\"}";
    long long at = 0;
    for (const auto& [name, a] : arrays) {
      const long long end = at + static_cast<long long>(a.bytes.size());
      out += ",\"" + name + "\":{\"dtype\":\"" + a.dtype + "\",\"shape\":" + join(a.shape) +
             ",\"data_offsets\":" + join({at, end}) + "}";
      at = end;
    }
    return out + "}";
  }
  std::string data() const {
    std::string out;
    for (const auto& [name, a] : arrays) out += a.bytes;
    return out;
  }
  std::string bytes() const { return seal(header(), data()); }
  /// A file of these parts with the right checksum.
  static std::string seal(const std::string& header, const std::string& data) {
    const std::uint64_t size = header.size();
    std::string out(reinterpret_cast<const char*>(&size), sizeof size);
    out += header + data;
    const auto at = out.find(std::string(64, '0'));
    return at == out.npos ? out : out.replace(at, 64, mdbench::sha256_hex(out.data(), out.size()));
  }
};

/// What kind of model to make up.
struct Shape {
  std::vector<int> sender_l = {0, 1};  ///< of each layer
  int channels = 5, max_ell = 2, correlation = 3;
  std::string basis = "bessel", transform = "none", cutoff_on = "basis", last = "silu";
  bool density = false, zbl = false;
  std::string head = "b";
  bool gated = false;  ///< with `edge_channels` for the messages; needs cutoff_on = "weights"
  int edge_channels = 3;
};

/// Writes layers of random numbers; only the first layer's couplings have to be special.
class Maker {
 public:
  Maker(const Shape& shape, unsigned seed) : shape_(shape), random_(seed) {}

  MaceFile make() {
    const std::string transform = shape_.transform;
    file_.put<double>("atomic_energies", {2, 2}, {-1.0, -2.0, -1.5, -2.5});
    file_.put<double>("scale", {2}, {0.8, 1.2});
    file_.put<double>("shift", {2}, {0.1, -0.2});
    basis();
    if (shape_.zbl) zbl();
    std::string layers;
    for (int t = 0; t < count(); ++t) layers += (t ? "," : "") + layer(t);
    file_.metadata =
        "{\"format\":\"mdbench-mace-1\",\"checksum\":\"" + std::string(64, '0') +
        "\",\"elements\":[1,8],\"cutoff_ang\":3.5,\"channels\":" + std::to_string(shape_.channels) +
        ",\"max_ell\":" + std::to_string(shape_.max_ell) + ",\"heads\":[\"a\",\"b\"],\"head\":\"" +
        shape_.head + "\",\"source_dtype\":\"float64\",\"radial\":{\"basis\":\"" + shape_.basis +
        "\",\"cutoff_p\":5,\"cutoff_on\":\"" + shape_.cutoff_on + "\",\"transform\":\"" +
        transform + "\"},\"zbl\":" + (shape_.zbl ? "{\"p\":6}" : "null") + ",\"layers\":[" +
        layers + "]}";
    return file_;
  }

 private:
  int count() const { return static_cast<int>(shape_.sender_l.size()); }
  int output_l(int t) const { return t + 1 < count() ? shape_.sender_l[t + 1] : 0; }

  void random_array(const std::string& name, const std::vector<long long>& shape, double size) {
    long long n = 1;
    for (const long long s : shape) n *= s;
    std::vector<double> values(n);
    random_.fill(values, -size, size);
    file_.put(name, shape, values);
  }

  void basis() {
    std::vector<double> w;
    for (int k = 0; k < 5; ++k)
      w.push_back(shape_.basis == "bessel"     ? (k + 1) * 0.9
                  : shape_.basis == "gaussian" ? 0.8 * k
                                               : k);
    file_.put("radial.basis", {5}, w);
    if (shape_.basis != "chebyshev")
      file_.put<double>("radial.prefactor", {1}, {shape_.basis == "bessel" ? 0.75 : -0.8});
    if (shape_.transform == "none") return;
    file_.put<double>("radial.radius", {2}, {0.31, 0.66});
    if (shape_.transform == "agnesi")
      file_.put<double>("radial.transform", {3}, {0.9183, 4.5791, 1.0805});
    else
      file_.put<double>("radial.transform", {1}, {2.0});
  }

  void zbl() {
    file_.put<double>("zbl.c", {4}, {0.1818, 0.5099, 0.2802, 0.02817});
    file_.put<double>("zbl.d", {4}, {3.2, 0.9423, 0.4029, 0.2016});
    file_.put<double>("zbl.screening", {2}, {0.3, 0.4543});
    file_.put<double>("zbl.radius", {2}, {0.6, 0.8});
  }

  std::string layer(int t) {
    const std::string stem = "layers." + std::to_string(t) + ".";
    const int k = shape_.channels, sender_l = shape_.sender_l[t], edge = edge_channels();
    std::vector<std::array<int, 3>> paths;
    for (int l3 = 0; l3 <= shape_.max_ell; ++l3)
      for (int l1 = 0; l1 <= sender_l; ++l1)
        for (int l2 = std::abs(l1 - l3); l2 <= std::min(l1 + l3, shape_.max_ell); ++l2)
          paths.push_back({l1, l2, l3});
    couplings(stem, t, paths);
    const long long functions = static_cast<long long>(paths.size()) * edge;
    random_array(stem + "radial.0", {5, 6}, 0.8);
    random_array(stem + "radial.1", {6, functions}, 0.5);
    if (shape_.gated) {
      normalised(stem + "radial", 6, functions);
      if (shape_.density) normalised_density(stem + "density");
      gates(stem, sender_l, paths);
    } else if (shape_.density) {
      random_array(stem + "density", {5}, 0.5);
    }
    for (int l3 = 0; l3 <= shape_.max_ell; ++l3) {
      long long rows = 0;
      for (const auto& p : paths) rows += p[2] == l3 ? edge : 0;
      random_array(stem + "linear." + std::to_string(l3), {l3 % 2 ? 1 : 2, rows, k}, 0.6);
    }
    if (t == 0) random_array(stem + "embedding", {2, edge}, 1.0);
    for (int s = 0; s < t; ++s)
      for (int l = 0; l <= std::min(sender_l, output_l(s)); ++l)
        random_array(stem + "up." + std::to_string(s) + "." + std::to_string(l),
                     {(s + l) % 2 ? 1 : 2, k, edge}, 0.5);
    if (t == 1) random_array(stem + "up.bias", {2, edge}, 0.3);
    product(stem, t);
    return "{\"interaction\":\"x\",\"sender_l\":" + std::to_string(sender_l) +
           ",\"output_l\":" + std::to_string(output_l(t)) + ",\"paths\":" + text(paths) +
           ",\"correlation\":" + std::to_string(shape_.correlation) +
           ",\"gated\":" + (shape_.gated ? "true" : "false") +
           ",\"edge_channels\":" + std::to_string(edge) +
           ",\"density\":" + (shape_.density ? "true" : "false") + ",\"readout\":\"" +
           readout(stem, t) + "\"}";
  }

  /// Biases and layer normalisations of a network of two matrices, and what it knows of elements.
  void normalised(const std::string& stem, long long hidden, long long outputs) {
    for (const char* name : {".0.bias", ".0.scale", ".0.shift"})
      random_array(stem + name, {hidden}, 0.8);
    for (const char* name : {".receiver", ".sender"}) random_array(stem + name, {2, hidden}, 0.8);
    random_array(stem + ".1.bias", {outputs}, 0.4);
  }

  void normalised_density(const std::string& stem) {
    random_array(stem + ".0", {5, 4}, 0.5);
    random_array(stem + ".1", {4, 1}, 0.5);
    normalised(stem, 4, 1);
    file_.put<double>(stem + ".factor", {1}, {0.3});
  }

  void gates(const std::string& stem, int sender_l, const std::vector<std::array<int, 3>>& paths) {
    const int k = shape_.channels, edge = edge_channels();
    long long rows = 0;
    for (const auto& p : paths) rows += p[2] == 0 ? edge : 0;
    for (int l = 0; l <= shape_.max_ell; ++l) {
      const std::string number = std::to_string(l);
      random_array(stem + "after." + number, {1 + l % 2, k, k}, 0.6);
      if (l <= sender_l) random_array(stem + "residual." + number, {2 - l % 2, edge, k}, 0.6);
      if (l == 0) continue;
      random_array(stem + "gate." + number, {1, rows, k}, 0.6);
      random_array(stem + "gate_residual." + number, {1, edge, k}, 0.6);
    }
  }
  int edge_channels() const { return shape_.gated ? shape_.edge_channels : shape_.channels; }

  static std::string text(const std::vector<std::array<int, 3>>& paths) {
    std::string out;
    for (const auto& p : paths) out += (out.empty() ? "" : ",") + join({p[0], p[1], p[2]});
    return "[" + out + "]";
  }

  void couplings(const std::string& stem, int t, const std::vector<std::array<int, 3>>& paths) {
    std::vector<std::int32_t> index;
    std::vector<double> value;
    for (std::size_t p = 0; p < paths.size(); ++p)
      for (int m1 = 0; m1 <= 2 * paths[p][0]; ++m1)
        for (int m2 = 0; m2 <= 2 * paths[p][1]; ++m2)
          for (int m3 = 0; m3 <= 2 * paths[p][2]; ++m3) {
            if (t == 0 ? m2 != m3 : random_.below(10) < 6) continue;
            const int row[4] = {static_cast<int>(p), m1, m2, m3};
            index.insert(index.end(), row, row + 4);
            value.push_back(t == 0 ? 0.3 + 0.1 * static_cast<double>(p) : random_.uniform());
          }
    file_.put(stem + "cg.index", {static_cast<long long>(value.size()), 4}, index);
    file_.put(stem + "cg.value", {static_cast<long long>(value.size())}, value);
  }

  void product(const std::string& stem, int t) {
    const int inputs = (shape_.max_ell + 1) * (shape_.max_ell + 1);
    for (int l = 0; l <= output_l(t); ++l)
      for (int order = 1; order <= shape_.correlation; ++order) {
        const std::string name =
            stem + "product." + std::to_string(l) + "." + std::to_string(order);
        std::vector<std::int32_t> index;
        const int terms = 4 * (2 * l + 1);
        for (int i = 0; i < terms; ++i) {
          std::vector<std::int32_t> row;
          for (int f = 0; f < order; ++f) row.push_back(random_.below(inputs));
          std::sort(row.begin(), row.end());
          row.push_back(i % (2 * l + 1));
          row.push_back(random_.below(2));
          index.insert(index.end(), row.begin(), row.end());
        }
        file_.put(name + ".index", {terms, order + 2}, index);
        random_array(name + ".value", {terms}, 0.5);
        random_array(name + ".weight", {order == 2 ? 1 : 2, 2, shape_.channels}, 0.7);
      }
  }

  std::string readout(const std::string& stem, int t) {
    const bool last = t + 1 == count();
    const int neurons = last && shape_.last != "linear" ? 3 : 2;
    for (int s = 0; s <= t; ++s)
      if (s == t || s % 2 == 0)
        random_array(stem + "readout." + std::to_string(s), {1 + s % 2, shape_.channels, neurons},
                     0.5);
    if (t % 2 == 1) random_array(stem + "readout.bias", {2, neurons}, 0.3);
    if (neurons != 3) return "linear";
    random_array(stem + "readout.out", {3, 2}, 1.0);
    if (shape_.gated) {
      random_array(stem + "readout.mid", {3, 3}, 1.0);
      random_array(stem + "readout.mid.bias", {3}, 0.5);
    }
    return shape_.last;
  }

  Shape shape_;
  check::Random random_;
  MaceFile file_;
};

inline MaceFile make(const Shape& shape, unsigned seed = 1) { return Maker(shape, seed).make(); }

}  // namespace tiny
