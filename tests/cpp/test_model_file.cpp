// SPDX-License-Identifier: MIT
// The reader of native model files: what is whole is read, anything else is refused in words.
#include <functional>
#include <limits>
#include <numeric>

#include "check.hpp"
#include "error.hpp"
#include "evaluator.hpp"
#include "model.hpp"
#include "numeric.hpp"
#include "tiny_model.hpp"

using namespace mdbench;
using tiny::MaceFile;
using tiny::replaced;
using tiny::TemporaryFile;

extern "C" mdbench::Evaluator* mdbench_backend_v2(const mdbench::EvaluatorOptions&,
                                                  const mdbench::ModelFile&);

namespace {

const char* const kPath = "mdbench_test_reader.mace";

tiny::Shape small_shape() {
  tiny::Shape shape;
  shape.sender_l = {0};
  shape.channels = 1;
  shape.max_ell = 0;
  shape.correlation = 1;
  return shape;
}

tiny::Shape full_shape() {
  tiny::Shape shape;
  shape.sender_l = {0, 1};
  shape.channels = 2;
  shape.transform = "agnesi";
  shape.density = shape.zbl = true;
  return shape;
}

tiny::Shape gated_shape(const std::vector<int>& sender_l) {
  tiny::Shape shape;
  shape.sender_l = sender_l;
  shape.cutoff_on = "weights";
  shape.density = shape.gated = true;
  return shape;
}

/// The Error that reading these bytes ends in; empty when they are read. Anything else escapes.
std::string refusal(const std::string& bytes) {
  const TemporaryFile file(kPath);
  file.write(bytes);
  return check::thrown<Error>([&] { NativeModel model(file.path); });
}

/// One evaluation of a pair of each element.
void use(Evaluator& evaluator) {
  const std::vector<std::int32_t> species = {0, 1}, sender = {1, 0};
  const std::vector<std::int64_t> first_edge = {0, 1, 2};
  const std::vector<double> edge_vector = {0.5, 0.9, -0.4, -0.5, -0.9, 0.4};
  NoHalo halo;
  evaluator.evaluate({2, species, first_edge, sender, edge_vector}, halo);
}

/// Reads and, if that goes well, evaluates: a fault that the reader lets through shows there.
std::string refusal_in_use(const std::string& bytes) {
  const TemporaryFile file(kPath);
  file.write(bytes);
  return check::thrown<Error>([&] {
    EvaluatorOptions options;
    options.path = file.path;
    options.precision = "single";
    options.threads = 1;
    const std::unique_ptr<Evaluator> evaluator(mdbench_backend_v2(options, {}));
    use(*evaluator);
  });
}

struct Change {
  const char* name;
  std::function<void(MaceFile&)> make;
};

void check_refused(const std::vector<Change>& changes) {
  const MaceFile whole = tiny::make(full_shape());
  CHECK(refusal_in_use(whole.bytes()).empty());
  for (const auto& change : changes) {
    MaceFile file = whole;
    change.make(file);
    CHECK(file.bytes() != whole.bytes());
    const std::string text = refusal_in_use(file.bytes());
    if (text.empty()) std::printf("accepted: %s\n", change.name);
    CHECK(!text.empty() && text.find('\n') == text.npos);
  }
}

Change array(const char* name, std::function<void(tiny::Array&)> make) {
  return {name, [name = std::string(name), make](MaceFile& f) { make(f.arrays.at(name)); }};
}

Change metadata(const char* from, const char* to) {
  return {to, [from, to](MaceFile& f) { f.metadata = replaced(f.metadata, from, to); }};
}

}  // namespace

TEST(a_whole_file_is_read) {
  const MaceFile file = tiny::make(full_shape());
  const TemporaryFile place(kPath);
  place.write(file.bytes());
  const NativeModel model(place.path);
  CHECK(model.elements == std::vector<int>({1, 8}) && model.channels == 2 && model.max_ell == 2);
  CHECK(model.heads == std::vector<std::string>({"a", "b"}) && model.default_head == "b");
  CHECK(model.radial.cutoff == 3.5 && model.radial.cutoff_power == 5);
  CHECK(model.radial.transform == RadialSpec::Transform::agnesi && model.zbl.power == 6);
  CHECK(model.layers.size() == 2 && model.layers[1].sender_l == 1 && model.layers[0].output_l == 1);
  const auto& linear = file.arrays.at("layers.1.linear.2");
  const auto& read = model.layers[1].linear[2].tensor;
  CHECK(read.values.size() == linear.bytes.size() / 8 && read.values[3] == linear.get<double>(3));
  CHECK(model.layers[1].radial.density.last.weight.size() == 5);
  CHECK(model.layers[1].product_weight[0][3].of(1) ==
        &model.layers[1].product_weight[0][3].tensor.values[2 * 2]);
}

TEST(single_precision_arrays_are_widened) {
  MaceFile file = tiny::make(full_shape());
  file.put<float>("scale", {2}, {0.1f, 2.0f});
  const TemporaryFile place(kPath);
  place.write(file.bytes());
  CHECK(NativeModel(place.path).scale.values[0] == static_cast<double>(0.1f));
}

TEST(files_that_are_not_there) {
  const auto text = check::thrown<Error>([&] { NativeModel model("/nowhere/x.mace"); });
  CHECK(text.find("/nowhere/x.mace") != std::string::npos);
  const auto folder = std::filesystem::temp_directory_path().string();
  CHECK(!check::thrown<Error>([&] { NativeModel model(folder); }).empty());
}

TEST(every_truncation_is_refused) {
  const std::string whole = tiny::make(small_shape()).bytes();
  CHECK(refusal(whole).empty());
  for (std::size_t n = 0; n < whole.size(); ++n) CHECK(!refusal(whole.substr(0, n)).empty());
  CHECK(!refusal(whole + '\0').empty());
}

TEST(every_flipped_bit_is_refused) {
  const std::string whole = tiny::make(small_shape()).bytes();
  for (std::size_t n = 0; n < whole.size(); ++n) {
    std::string bytes = whole;
    bytes[n] = static_cast<char>(bytes[n] ^ (1 << n % 8));
    CHECK(!refusal(bytes).empty());
  }
}

/// The header and the metadata at random, checksum right: an Error, or a model, but no crash.
TEST(random_edits_of_the_header) {
  const MaceFile whole = tiny::make(small_shape());
  const std::string header = whole.header(), data = whole.data();
  check::Random random(2);
  for (int round = 0; round < 3000; ++round) {
    std::string text = header;
    for (int edits = 1 + random.below(3); edits > 0; --edits) {
      const std::size_t at = random.below(static_cast<int>(text.size()));
      if (random.below(3) == 0)
        text[at] = "0123456789[]{},:\"-"[random.below(18)];
      else if (text[at] >= '0' && text[at] <= '9')
        text.insert(at, 1, "0123456789"[random.below(10)]);
    }
    refusal(MaceFile::seal(text, data));
  }
}

TEST(random_numbers_in_index_arrays) {
  check::Random random(3);
  const MaceFile whole = tiny::make(full_shape());
  std::vector<std::string> names;
  for (const auto& [name, a] : whole.arrays)
    if (a.dtype == "I32") names.push_back(name);
  for (int round = 0; round < 200; ++round) {
    MaceFile file = whole;
    auto& a = file.arrays.at(names[random.below(static_cast<int>(names.size()))]);
    const std::int32_t values[] = {-1, -2147483647 - 1, 2147483647, 40, 3, 1, 0};
    a.set<std::int32_t>(random.below(static_cast<int>(a.bytes.size() / 4)),
                        values[random.below(7)]);
    refusal_in_use(file.bytes());
  }
}

TEST(indices_out_of_range_are_refused) {
  std::vector<Change> changes;
  for (const int wrong : {-1, 1 << 20}) {
    for (int column = 0; column < 4; ++column)
      changes.push_back(array("layers.1.cg.index",
                              [=](tiny::Array& a) { a.set<std::int32_t>(4 + column, wrong); }));
    for (int column = 0; column < 5; ++column)
      changes.push_back(array("layers.0.product.1.3.index",
                              [=](tiny::Array& a) { a.set<std::int32_t>(5 + column, wrong); }));
  }
  changes.push_back(array("layers.0.product.1.3.index", [](tiny::Array& a) {  // not ascending
    a.set<std::int32_t>(0, 5);
    a.set<std::int32_t>(1, 4);
  }));
  changes.push_back(array("layers.0.cg.index", [](tiny::Array& a) { a.set<std::int32_t>(6, 2); }));
  check_refused(changes);
}

TEST(wrong_shapes_and_types_are_refused) {
  std::vector<Change> changes;
  for (const auto& [name, a] : tiny::make(full_shape()).arrays) {
    const std::string n = name;
    changes.push_back({"another shape", [n](MaceFile& f) { f.arrays.at(n).shape.push_back(1); }});
    changes.push_back({"F16", [n](MaceFile& f) { f.arrays.at(n).dtype = "F16"; }});
    changes.push_back({"as numbers of another type", [n](MaceFile& f) {
                         auto& array = f.arrays.at(n);
                         array.dtype = array.dtype == "I32" ? "F32" : "I32";
                         if (array.dtype == "I32") array.bytes.resize(array.bytes.size() / 2);
                       }});
    changes.push_back({"first dimension longer", [n](MaceFile& f) { ++f.arrays.at(n).shape[0]; }});
    changes.push_back({"one byte short", [n](MaceFile& f) { f.arrays.at(n).bytes.pop_back(); }});
    const bool optional = n.find(".up.") != n.npos || n.find(".readout.") != n.npos ||
                          n.find("product") != n.npos ||
                          n == "layers.0.radial.1";  // .0 happens to fit
    if (!optional) changes.push_back({"missing", [n](MaceFile& f) { f.arrays.erase(n); }});
  }
  changes.push_back(
      {"no weight", [](MaceFile& f) { f.arrays.erase("layers.0.product.0.2.weight"); }});
  changes.push_back({"no output", [](MaceFile& f) { f.arrays.erase("layers.1.readout.out"); }});
  check_refused(changes);
}

TEST(numbers_that_are_not_finite_are_refused) {
  std::vector<Change> changes;
  for (const double wrong : {std::nan(""), std::numeric_limits<double>::infinity()})
    for (const char* name : {"radial.basis", "radial.radius", "layers.0.linear.0", "zbl.c",
                             "layers.1.cg.value", "scale", "layers.1.radial.1"})
      changes.push_back(array(name, [=](tiny::Array& a) { a.set(0, wrong); }));
  check_refused(changes);
}

TEST(wrong_metadata_is_refused) {
  check_refused({metadata("mdbench-mace-1", "mdbench-mace-3"),
                 metadata("[1,8]", "[1,119]"),
                 metadata("[1,8]", "[]"),
                 metadata("[1,8]", "[1,8,9]"),
                 metadata("[1,8]", "[8,8]"),
                 metadata("[1,8]", "[0.5,8]"),
                 metadata("3.5", "0.4"),
                 metadata("3.5", "-3.5"),
                 metadata("3.5", "1e300"),
                 metadata("3.5", "null"),
                 metadata("\"channels\":2", "\"channels\":3"),
                 metadata("\"channels\":2", "\"channels\":0"),
                 metadata("\"channels\":2", "\"channels\":1e9"),
                 metadata("\"max_ell\":2", "\"max_ell\":4"),
                 metadata("\"max_ell\":2", "\"max_ell\":1"),
                 metadata("\"max_ell\":2", "\"max_ell\":-1"),
                 metadata("[\"a\",\"b\"]", "[\"a\"]"),
                 metadata("[\"a\",\"b\"]", "[]"),
                 metadata("\"head\":\"b\"", "\"head\":\"c\""),
                 metadata("bessel", "wavelet"),
                 metadata("agnesi", "other"),
                 metadata("agnesi", "soft"),
                 metadata("\"cutoff_on\":\"basis\"", "\"cutoff_on\":\"none\""),
                 metadata("\"cutoff_p\":5", "\"cutoff_p\":0"),
                 metadata("\"cutoff_p\":5", "\"cutoff_p\":5.5"),
                 metadata("{\"p\":6}", "{}"),
                 metadata("{\"p\":6}", "7"),
                 metadata("\"sender_l\":0", "\"sender_l\":1"),
                 metadata("\"sender_l\":1", "\"sender_l\":3"),
                 metadata("\"output_l\":1", "\"output_l\":3"),
                 metadata("\"paths\":[[0,0,0]", "\"paths\":[[0,0,0],[0,0,0]"),
                 metadata("\"paths\":[[0,0,0]", "\"paths\":[[0,0]"),
                 metadata("\"paths\":[[0,0,0]", "\"paths\":[[0,0,3]"),
                 metadata("\"paths\":[[0,0,0]", "\"paths\":[[1,0,0]"),
                 metadata("\"paths\":[[0,0,0]", "\"paths\":[[0,1,0]"),
                 metadata("\"paths\":[[0,0,0]", "\"paths\":[[0,-1,0]"),
                 metadata("\"correlation\":3", "\"correlation\":4"),
                 metadata("\"density\":true", "\"density\":1"),
                 metadata("\"readout\":\"silu\"", "\"readout\":\"linear\""),
                 metadata("\"readout\":\"silu\"", "\"readout\":\"relu\""),
                 metadata("\"checksum\"", "\"checksums\""),
                 metadata("\"layers\":[", "\"layers\":[],\"other\":[")});
}

TEST(wrong_gates_are_refused) {
  const tiny::MaceFile good = tiny::make(gated_shape({0, 1}));
  CHECK(refusal(good.bytes()).empty());
  const auto refused = [](const tiny::MaceFile& file, const std::string& why) {
    CHECK(refusal(file.bytes()).find(why) != std::string::npos);
  };
  for (const char* name : {"after.2", "gate.1", "linear.0", "radial.0", "radial.sender",
                           "radial.0.shift", "density.factor", "density.1", "readout.mid.bias"}) {
    tiny::MaceFile file = good;
    CHECK(file.arrays.erase(std::string("layers.1.") + name) == 1);
    CHECK(!refusal(file.bytes()).empty());
  }
  for (const char* name : {"after.1", "gate.2", "residual.0", "gate_residual.1", "radial.receiver",
                           "radial.1.bias", "density.0.scale", "readout.mid", "embedding"}) {
    tiny::MaceFile file = good;
    auto& array = file.arrays[(std::string(name) == "embedding" ? "layers.0." : "layers.1.") +
                              std::string(name)];
    array.shape.back() += 1;
    array.bytes.append(array.bytes);
    array.bytes.resize(
        8 * std::accumulate(array.shape.begin(), array.shape.end(), 1LL, std::multiplies<>()));
    CHECK(!refusal(file.bytes()).empty());
  }
  tiny::MaceFile file = good;
  file.metadata = tiny::replaced(good.metadata, "\"weights\"", "\"basis\"");
  refused(file, "do not vanish at the cutoff");
  file.metadata = tiny::replaced(good.metadata, "\"edge_channels\":3", "\"edge_channels\":0");
  CHECK(!refusal(file.bytes()).empty());
  tiny::MaceFile deep = tiny::make(gated_shape({0, 2, 1}));
  deep.arrays["layers.0.residual.1"] = deep.arrays["layers.1.residual.1"];
  refused(deep, "a residual is of features that are not there");
  tiny::MaceFile normalised = good;
  for (const char* name : {"scale", "shift"})
    normalised.arrays[std::string("layers.0.density.1.") + name] =
        good.arrays.at("layers.0.density.1.bias");
  refused(normalised, "the last layer of a radial network is normalised");
}

TEST(places_of_arrays_are_checked) {
  const MaceFile whole = tiny::make(small_shape());
  const std::string header = whole.header(), data = whole.data();
  const auto with = [&](const std::string& from, const std::string& to) {
    return refusal(MaceFile::seal(replaced(header, from, to), data));
  };
  CHECK(with("\"data_offsets\":[0,32]", "\"data_offsets\":[0,32]").empty());
  for (const char* wrong :
       {"[0,33]", "[0,31]", "[32,0]", "[-32,0]", "[0,0]", "[0]", "[]", "[0,32,64]", "[1e15,1e15]",
        "[1099511627744,1099511627776]", "[8,40]", "[0.5,32.5]", "null", "[1e300,1e300]"})
    CHECK(!with("\"data_offsets\":[0,32]", "\"data_offsets\":" + std::string(wrong)).empty());
  for (const char* wrong : {"[2,2,2]", "[-2,-2]", "[1073741824,1073741824]", "[1e99]", "[2.5,2]",
                            "4", "[0]", "[1073741824,1024,1073741824]", "[[2,2]]"})
    CHECK(!with("\"shape\":[2,2]", "\"shape\":" + std::string(wrong)).empty());
  CHECK(!with("__metadata__", "__metadatum__").empty());
  CHECK(!with("\"mdbench\":", "\"other\":").empty());
}

/// 2^70 elements are none in 64 bits, and there are no bytes for them either.
TEST(sizes_that_overflow_are_refused) {
  MaceFile file = tiny::make(small_shape());
  file.arrays["unused"] = {"F64", {1 << 30, 1 << 10, 1 << 30}, ""};
  CHECK(!refusal(file.bytes()).empty());
}

TEST(networks_that_would_take_forever_are_refused) {
  MaceFile file = tiny::make(small_shape());
  file.metadata = replaced(file.metadata, "bessel", "chebyshev");
  CHECK(!refusal(file.bytes()).empty());  // fractions
  for (const double wrong : {1e9, -1.0, 1e300}) {
    file.put<double>("radial.basis", {5}, {0, 1, 2, 3, wrong});
    CHECK(!refusal(file.bytes()).empty());
  }
  file.put<double>("radial.basis", {5}, {0, 1, 2, 3, 4});
  CHECK(refusal(file.bytes()).empty());
}

TEST(networks_without_features_are_refused) {
  MaceFile file = tiny::make(small_shape());
  file.put<double>("layers.0.radial.0", {5, 0}, {});
  file.put<double>("layers.0.radial.1", {0, 1}, {});
  CHECK(!refusal(file.bytes()).empty());
}

TEST(a_radial_network_that_is_zero_is_used) {
  MaceFile file = tiny::make(full_shape());
  for (const char* name : {"layers.0.radial.1", "layers.1.radial.1"})
    std::fill(file.arrays.at(name).bytes.begin(), file.arrays.at(name).bytes.end(), '\0');
  CHECK(refusal_in_use(file.bytes()).empty());
}
