// SPDX-License-Identifier: MIT
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <random>
#include <set>
#include <tuple>

#include "cell_grid.hpp"
#include "check.hpp"
#include "elements.hpp"
#include "error.hpp"
#include "evaluator.hpp"
#include "graph_builder.hpp"
#include "model_file.hpp"
#include "periodic.hpp"
#include "sha256.hpp"

using namespace mdbench;

namespace {

double distance(const std::vector<double>& x, int i, int j) {
  double r2 = 0;
  for (int k = 0; k < 3; ++k) r2 += std::pow(x[3 * i + k] - x[3 * j + k], 2);
  return std::sqrt(r2);
}

using Edge = std::tuple<int, int, long, long, long>;

std::set<Edge> edges_of(const Graph& graph) {
  std::set<Edge> edges;
  for (std::size_t i = 0; i < graph.num_nodes(); ++i)
    for (auto e = graph.first_edge[i]; e < graph.first_edge[i + 1]; ++e) {
      const double* d = &graph.edge_vector[3 * e];
      edges.insert({int(i), graph.sender[e], std::lround(1e6 * d[0]), std::lround(1e6 * d[1]),
                    std::lround(1e6 * d[2])});
    }
  return edges;
}

}  // namespace

TEST(sha256_of_known_texts) {  // FIPS 180-4 examples
  CHECK(sha256_hex("", 0) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  CHECK(sha256_hex("abc", 3) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  const std::string million(1000000, 'a');
  CHECK(sha256_hex(million.data(), million.size()) ==
        "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
  const std::string block(56, 'b');  // padding needs a second block
  CHECK(sha256_hex(block.data(), 56) != sha256_hex(block.data(), 55));
}

TEST(crc32_of_a_known_text) { CHECK(crc32("123456789", 9) == 0xcbf43926U); }

TEST(elements) {
  CHECK(atomic_number("H") == 1);
  CHECK(atomic_number("Og") == 118);
  CHECK(atomic_number("Xx") == 0);
  CHECK(element(26).symbol == "Fe");
}

TEST(cell_grid_finds_what_brute_force_finds) {
  for (const double edge : {3.0, 20.0, 500.0}) {
    const int count = 200;
    const auto x = random_points(count, edge, 7);
    std::vector<std::int32_t> members;
    for (int i = 0; i < count; i += 1 + i % 3) members.push_back(i);
    const CellGrid grid(x, members, 4.2);
    for (const int i : members) {
      std::set<int> found, expected;
      grid.for_each_near(i, [&](int j) { CHECK(found.insert(j).second); });
      for (const int j : members)
        if (j != i && distance(x, i, j) < 4.2) expected.insert(j);
      CHECK(found == expected);
    }
  }
}

TEST(cell_grid_refuses_coordinates_that_are_not_finite) {
  const std::vector<std::int32_t> members{0, 1};
  for (const auto& [low, high] : {std::pair(0.0, NAN), {0.0, INFINITY}, {-1e308, 1e308}}) {
    const std::vector<double> x{0, low, 0, 1, high, 0};
    const auto text = check::thrown<Error>([&] { CellGrid(x, members, 1.0); });
    CHECK(text.find("not finite") != std::string::npos);
  }
  const std::vector<double> x{0, 0, 0, 1, 1e300, 0};
  CellGrid(x, members, 1.0).for_each_near(0, [](int) { CHECK(false); });
}

TEST(periodic_graph_has_one_node_an_atom_and_all_edges) {
  for (const double edge : {2.0, 5.0, 9.0}) {  // the first is far smaller than the cutoff
    const double cutoff = 4.0, skin = 1.0;
    GraphBuilder builder(cutoff, 2);
    const Periodic atoms(6, edge, builder.reach(skin), 3);
    builder.rebuild(atoms.view(), skin);
    const Graph& graph = builder.update(atoms.x);
    CHECK(graph.num_local == 6 && graph.num_nodes() == 6);
    std::size_t expected = 0;
    for (int i = 0; i < 6; ++i)
      for (int j = 0; j < int(atoms.owner.size()); ++j)
        expected += j != i && distance(atoms.x, i, j) < cutoff;
    CHECK(graph.num_edges() == expected);
    CHECK(edges_of(graph).size() == expected);
  }
}

TEST(graph_after_moves_equals_the_graph_built_anew) {
  const double cutoff = 3.0, skin = 1.0;
  Periodic atoms(30, 8.0, 2 * (cutoff + skin) + 1, 5);
  GraphBuilder kept(cutoff, 2), fresh(cutoff, 2);
  kept.rebuild(atoms.view(), skin);
  for (std::size_t i = 0; i < atoms.owner.size(); ++i)  // images move with their owners
    for (int k = 0; k < 3; ++k) atoms.x[3 * i + k] += 0.28 * std::sin(atoms.owner[i] + 2.0 * k);
  fresh.rebuild(atoms.view(), skin);
  CHECK(edges_of(kept.update(atoms.x)) == edges_of(fresh.update(atoms.x)));
}

/// Atoms of a chain, ghosts at its end: only those within some hops of the owned one are nodes.
/// Over one hop, those in the skin too.
TEST(halo_reaches_exactly_the_layers) {
  const int count = 12;
  std::vector<double> x;
  std::vector<std::int32_t> species(count, 0), owner;
  for (int i = 0; i < count; ++i) {
    x.insert(x.end(), {1.0 * i, 0, 0});
    owner.push_back(i);
  }
  for (const int layers : {1, 2, 3}) {
    GraphBuilder builder(2.5, layers);
    builder.rebuild({1, x, species, owner}, 0.7);
    const Graph& graph = builder.update(x);
    CHECK(graph.num_nodes() == (layers == 1 ? 4 : 1 + 2 * std::size_t(layers)));
    CHECK(graph.first_edge[1] == 2);
    if (layers == 1) CHECK(graph.num_edges() == 2);
  }
}

TEST(pairs_of_one_hop_hold_every_edge_of_the_steps_to_come) {
  const double cutoff = 3.0, skin = 1.0;
  Periodic atoms(30, 8.0, cutoff + skin + 1, 5);
  GraphBuilder builder(cutoff, 1);
  CHECK(builder.pairs().num_nodes() == 0 && builder.pairs().first_pair.size() == 1);
  builder.rebuild(atoms.view(), skin);
  const PairList pairs = builder.pairs();
  CHECK(pairs.num_local == 30 && pairs.num_atoms == atoms.owner.size());
  CHECK(pairs.node_atom.size() == pairs.num_nodes() && pairs.first_pair.size() == 31);
  CHECK(std::size_t(pairs.first_pair[30]) == pairs.num_pairs());
  CHECK(pairs.sender_atom.size() == pairs.num_pairs());
  std::set<std::pair<int, int>> found, expected;
  for (int i = 0; i < 30; ++i) {
    CHECK(pairs.node_atom[i] == i && pairs.species[i] == atoms.species[i]);
    for (auto p = pairs.first_pair[i]; p < pairs.first_pair[i + 1]; ++p) {
      CHECK(pairs.sender[p] == atoms.owner[pairs.sender_atom[p]]);
      CHECK(found.insert({i, pairs.sender_atom[p]}).second);
    }
    for (int j = 0; j < int(atoms.owner.size()); ++j)
      if (j != i && distance(atoms.x, i, j) < cutoff + skin) expected.insert({i, j});
  }
  CHECK(found == expected);
  GraphBuilder deeper(cutoff, 2);
  CHECK(!check::thrown<Error>([&] { deeper.pairs(); }).empty());
}

TEST(types_that_are_not_ours_are_left_out) {
  Periodic atoms(10, 6.0, 5.0, 8);
  for (std::size_t i = 0; i < atoms.owner.size(); ++i)
    if (atoms.owner[i] % 3 == 0) atoms.species[i] = -1;
  GraphBuilder builder(4.0, 1);
  builder.rebuild(atoms.view(), 0.5);
  const Graph& graph = builder.update(atoms.x);
  CHECK(graph.num_local == 6);
  for (std::size_t i = 0; i < graph.num_local; ++i) CHECK(builder.nodes().node_atom[i] % 3 != 0);
}

TEST(empty_graph) {
  GraphBuilder builder(4.0, 2);
  builder.rebuild({0, {}, {}, {}}, 1.0);
  const Graph& graph = builder.update({});
  CHECK(graph.num_nodes() == 0 && graph.num_edges() == 0 && graph.first_edge.size() == 1);
}

TEST(devices_are_named_correctly) {
  EvaluatorOptions options;
  options.path = "x.mace";
  ModelFile file;
  file.kind = ModelKind::safetensors;
  for (const char* device :
       {"gpu", "", "cuda:", "cuda:x", "cuda:-1", "cuda:1x", "cuda:99999999999"}) {
    options.device = device;
    const auto text = check::thrown<Error>([&] { load_evaluator(options, file); });
    CHECK(text.find("is none of auto, cpu, cuda, cuda:N") != text.npos);
  }
}

TEST(damaged_files_are_refused_in_words) {
  const auto path = std::filesystem::temp_directory_path() /
                    (std::to_string(getpid()) + "mdbench_test_model");  // others may test too
  const auto text_for = [&](const std::string& contents) {
    std::filesystem::remove(path);  // ext4 writes a file that replaces another to the disk at once
    std::ofstream(path, std::ios::binary) << contents;
    return check::thrown<Error>([&] { inspect_model_file(path.string()); });
  };
  CHECK(text_for("").find("is empty") != std::string::npos);
  CHECK(text_for("PK\3\4 and nothing more").find("damaged or cut off") != std::string::npos);
  std::string end = std::string("PK\5\6", 4) + std::string(18, '\xff');
  CHECK(text_for("PK\3\4" + end).find("damaged or cut off") != std::string::npos);
  std::mt19937 random(1);
  for (int round = 0; round < 20000; ++round) {  // fuzz: any bytes end in an error or a kind
    std::string bytes = "PK";
    const int size = int(random() % 120);
    for (int i = 0; i < size; ++i) bytes += char(random());
    bytes += std::string("PK\5\6", 4) + std::string(6, '\0') + char(random() % 3) + '\0' +
             std::string(4, '\0') + char(random() % 40) + std::string(5, '\0');
    text_for(bytes);
  }
  std::filesystem::remove(path);
}
