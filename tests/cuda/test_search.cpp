// SPDX-License-Identifier: MIT
// Pairs that are searched on the device against those of GraphBuilder.
#include <algorithm>
#include <array>
#include <limits>
#include <set>

#include "check.hpp"
#include "error.hpp"
#include "far.hpp"
#include "graph_builder.hpp"
#include "orders.hpp"
#include "search_case.hpp"
#include "tile_room.hpp"

using namespace mdbench;
using check::Random;
using cuda::Array;
using namespace search_case;

namespace {

/// What the kernels of a step read.
struct Found {
  std::vector<int> node, receiver_kind, receiver_atom, sender, sender_kind, sender_atom;
  std::vector<std::int64_t> first_pair, first_tile;
  bool operator==(const Found&) const = default;

  explicit Found(const cuda::Topology& topology) {
    const cuda::Pairs pairs = topology.pairs();
    const std::size_t n = topology.num_receivers();
    node = download(pairs.node, n);
    receiver_kind = download(pairs.receiver_kind, n);
    receiver_atom = download(pairs.receiver_atom, n);
    first_pair = download(pairs.first_pair, n + 1);
    first_tile = download(pairs.first_tile, n + 1);
    sender = download(pairs.sender, topology.num_pairs());
    sender_atom = download(pairs.sender_atom, topology.num_pairs());
    sender_kind = download(pairs.sender_kind, topology.num_nodes());
  }
};

Found search(cuda::Topology& topology, const Atoms& atoms, const Kinds& kinds) {
  const cuda::Stream stream;
  topology.search(atoms.view(), kRadius, kinds.view(), stream);
  stream.synchronize();
  return Found(topology);
}

/// Receivers: every local member once, sorted by kind, in their order within a kind.
void check_receivers(const cuda::Topology& topology, const Found& found, const PairList& list,
                     const Kinds& kinds) {
  const std::size_t n = list.num_local;
  CHECK(found.node.size() == n && std::equal(found.node.begin(), found.node.end(),
                                             topology.node().begin(), topology.node().end()));
  CHECK(std::set<int>(found.node.begin(), found.node.end()).size() == n);
  for (std::size_t p = 0; p < n; ++p) {
    CHECK(found.node[p] >= 0 && found.node[p] < static_cast<int>(n));
    const int kind = kinds.of_species[list.species[found.node[p]]];
    CHECK(found.receiver_kind[p] == kind && found.sender_kind[found.node[p]] == kind);
    CHECK(found.receiver_atom[p] == list.node_atom[found.node[p]]);
    if (p > 0)
      CHECK(std::pair(found.receiver_kind[p - 1], found.node[p - 1]) <
            std::pair(kind, found.node[p]));
    CHECK(static_cast<int>(p) >= topology.first_of_kind()[kind] &&
          static_cast<int>(p) < topology.first_of_kind()[kind + 1]);
  }
}

/// The pairs of a receiver: those of the list, by kind, and room for their tiles.
void check_pairs(const Found& found, const PairList& list, const Kinds& kinds, std::size_t p) {
  const int node = found.node[p];
  std::vector<int> expected(list.sender_atom.begin() + list.first_pair[node],
                            list.sender_atom.begin() + list.first_pair[node + 1]);
  std::vector<int> atoms(found.sender_atom.begin() + found.first_pair[p],
                         found.sender_atom.begin() + found.first_pair[p + 1]);
  std::sort(expected.begin(), expected.end());
  std::sort(atoms.begin(), atoms.end());
  CHECK(atoms == expected);
  std::vector<int> count(kinds.kinds);
  int last = 0;
  for (auto i = found.first_pair[p]; i < found.first_pair[p + 1]; ++i) {
    const int kind = found.sender_kind[found.sender[i]];
    CHECK(kind >= last);
    last = kind;
    ++count[kind];
  }
  std::int64_t room = 0;
  for (const int c : count) room += cuda::tile_room(c, kinds.segments);
  CHECK(found.first_tile[p + 1] - found.first_tile[p] == room);
}

/// Nodes: the local members, then other owners, each once; a sender's is its owner's.
void check_nodes(const cuda::Topology& topology, const Found& found, const PairList& list,
                 const Atoms& atoms) {
  const auto node_atom = topology.atom_nodes().node_atom();
  CHECK(node_atom.size() == found.sender_kind.size() && node_atom.size() >= list.num_nodes());
  const std::set<int> rows(node_atom.begin(), node_atom.end());
  CHECK(rows.size() == node_atom.size());
  for (std::size_t node = 0; node < list.num_local; ++node)
    CHECK(node_atom[node] == list.node_atom[node]);
  for (std::size_t node = list.num_local; node < list.num_nodes(); ++node)
    CHECK(rows.contains(atoms.owner[list.node_atom[node]]));
  for (std::size_t i = 0; i < found.sender.size(); ++i)
    CHECK(node_atom[found.sender[i]] == atoms.owner[found.sender_atom[i]]);
}

/// @return what was found
Found check_search(cuda::Topology& topology, const Atoms& atoms, const Kinds& kinds) {
  GraphBuilder builder(kCutoff, 1);
  builder.rebuild(atoms.view(), kSkin);
  const PairList list = builder.pairs();
  const Found found = search(topology, atoms, kinds);
  CHECK(topology.num_atoms() == atoms.size() && topology.num_pairs() == list.num_pairs());
  CHECK(topology.num_receivers() == static_cast<int>(list.num_local));
  CHECK(topology.original().empty());
  CHECK(found.first_pair.back() == static_cast<std::int64_t>(list.num_pairs()));
  CHECK(found.first_pair[0] == 0 && found.first_tile[0] == 0);
  CHECK(std::equal(found.first_tile.begin(), found.first_tile.end(), topology.first_tile().begin(),
                   topology.first_tile().end()));
  check_receivers(topology, found, list, kinds);
  check_nodes(topology, found, list, atoms);
  for (std::size_t p = 0; p < list.num_local; ++p) check_pairs(found, list, kinds, p);
  std::vector<int> of_sender(found.sender_kind.size() + 1);
  for (const int node : found.sender) ++of_sender[node];
  CHECK(topology.most_of_sender() == std::ranges::max(of_sender));
  return found;
}

Found check_search(const Atoms& atoms, const Kinds& kinds) {
  cuda::Topology topology;
  return check_search(topology, atoms, kinds);
}

/// Sums before each of `values` and of all.
std::vector<std::int64_t> scanned(const std::vector<int>& values) {
  const Array<int> in(values);
  Array<std::int64_t> out(values.size() + 1);
  Array<std::int64_t> sums(cuda::scan_blocks(static_cast<std::int64_t>(values.size())));
  cuda::scan({in.data(), out.data(), sums.data(), static_cast<std::int64_t>(values.size())},
             nullptr);
  cuda::check_launch("scanning");
  return out.download();
}

void check_scan(int count) {
  Random random(count);
  std::vector<int> values(count);
  for (int& v : values) v = random.below(std::numeric_limits<int>::max());
  const auto found = scanned(values);
  std::int64_t sum = 0;
  int wrong = 0;
  for (int i = 0; i < count; ++i) {
    wrong += found[i] != sum;
    sum += values[i];
  }
  CHECK(wrong == 0 && found[count] == sum);
}

}  // namespace

TEST(scan_of_any_size) {
  check::for_orders([] {
    for (const int count : {0, 1, 2, 7, 8, 31, 33, 255, 2047, 2048, 2049, 4096, 12345})
      check_scan(count);
  });
  // more blocks than one block scans at once
  check_scan(2048 * 256);
  check_scan(2048 * 256 + 1);
  check_scan(1'100'003);
}

TEST(search_finds_what_the_cpu_finds) {
  check::for_orders([] {
    for (int round = 0; round < 6; ++round) {
      Atoms atoms(Periodic(20 + 13 * round, 3.0 + 0.7 * round, kRadius + 0.2, round));
      const int kinds = 1 + round % 4;
      for (std::size_t i = 0; i < atoms.size(); ++i) atoms.species[i] = atoms.owner[i] % kinds;
      const Found found = check_search(atoms, Kinds(kinds, 1 + round));
      CHECK(found.sender.size() > 500);
    }
  });
}

/// A cell so small that atoms see many images of each other, and of themselves.
TEST(search_pairs_atoms_with_their_own_images) {
  const Atoms atoms(Periodic(2, 1.1, kRadius, 3));
  const Found found = check_search(atoms, Kinds(2));
  int own = 0;
  for (int p = 0; p < 2; ++p)
    for (auto i = found.first_pair[p]; i < found.first_pair[p + 1]; ++i) {
      CHECK(found.sender_atom[i] != found.receiver_atom[p]);
      own += found.sender[i] == found.node[p];
    }
  CHECK(own > 40);
}

TEST(search_on_a_rank_among_several) {
  const Periodic box(60, 5.0, kRadius, 5);
  for (const int part : {60, 37, 1}) {
    const Atoms atoms = rank_of(box, part);
    const Found found = check_search(atoms, Kinds(2));
    CHECK(part == 60 || found.sender_kind.size() > std::size_t(part));
  }
  // a rank without atoms
  Atoms empty = rank_of(box, 1);
  empty.num_local = 0;
  CHECK(check_search(empty, Kinds(2)).sender_kind.empty());
  CHECK(check_search(Atoms(), Kinds(2)).first_pair.size() == 1);
}

TEST(search_leaves_out_atoms_of_other_styles) {
  const Periodic box(50, 4.0, kRadius, 6);
  for (const int part : {50, 20}) {
    Atoms atoms = rank_of(box, part);
    for (std::size_t i = 0; i < atoms.size(); ++i)
      atoms.species[i] = atoms.owner[i] % 3 == 1 ? -1 : atoms.owner[i] % 2;
    const Found found = check_search(atoms, Kinds(2));
    CHECK(found.node.size() < std::size_t(part));
    std::fill(atoms.species.begin(), atoms.species.end(), -1);
    CHECK(check_search(atoms, Kinds(2)).node.empty());
  }
}

/// Ghosts that others keep become no nodes, and their cells do not spoil those of the rest.
TEST(search_leaves_out_distant_ghosts) {
  Atoms atoms = Atoms::cube(40, 4.0, 7);
  const Found near = check_search(atoms, Kinds(1));
  for (int i = 0; i < 30; ++i) {
    const auto self = static_cast<std::int32_t>(atoms.size());
    atoms.add({100.0 + i, -1e7 * i, 0.0}, 0, self);
  }
  // of two ghosts of one atom, the one that names it is far and the other near
  const auto named = static_cast<std::int32_t>(atoms.size());
  atoms.add({50.0, 0.0, 0.0}, 0, named);
  atoms.add({2.0, 2.0, -1.0}, 0, named);
  const Found found = check_search(atoms, Kinds(1));
  CHECK(found.sender_kind.size() == near.sender_kind.size() + 1);
  CHECK(found.sender.size() > near.sender.size());
}

TEST(search_in_boxes_of_any_density) {
  Atoms one;
  one.add_local({1.0, -2.0, 3.0});
  CHECK(check_search(one, Kinds(1)).sender.empty());
  // one cell holds all
  CHECK(check_search(Atoms::cube(300, 0.1, 8, 3), Kinds(3)).sender.size() == 300 * 299);
  for (const double edge : {30.0, 1e3, 1e7}) {
    Atoms atoms = Atoms::cube(200, edge, 9, 2);
    for (int i = 0; i < 50; ++i) {
      std::array<double, 3> at{atoms.x[0] + 0.02 * i, atoms.x[1], atoms.x[2] - 0.03 * i};
      atoms.add_local(at, i % 2);
    }
    CHECK(check_search(atoms, Kinds(2)).sender.size() >= 50 * 49);
  }
  // a line, and a plane
  for (const int flat : {1, 2}) {
    Atoms atoms = Atoms::cube(200, 40.0, 10);
    for (std::size_t i = 0; i < atoms.size(); ++i)
      for (int d = 0; d < flat; ++d) atoms.x[3 * i + d] = -7.0;
    check_search(atoms, Kinds(1));
  }
}

TEST(search_of_89_kinds) {
  check::for_orders([] {
    const Atoms atoms = Atoms::cube(150, 3.5, 11, 89);
    check_search(atoms, Kinds(89, 8));
  });
}

/// The order of a receiver's pairs, too, is the same however the threads run.
TEST(search_repeats_itself) {
  Atoms atoms(Periodic(70, 4.5, kRadius, 12));
  cuda::Topology topology;
  const Found first = search(topology, atoms, Kinds(2));
  check::for_orders([&] {
    cuda::Topology other;
    CHECK(search(other, atoms, Kinds(2)) == first);
    CHECK(search(topology, atoms, Kinds(2)) == first);
  });
}

TEST(search_follows_rebuilds) {
  cuda::Topology topology;
  const Atoms large(Periodic(90, 5.0, kRadius, 13)), small(Periodic(20, 4.0, kRadius, 14));
  check_search(topology, large, Kinds(2));
  const cuda::Pairs before = topology.pairs();
  const std::size_t bytes = topology.device_bytes();
  check_search(topology, small, Kinds(2));
  check_search(topology, Atoms(), Kinds(2));
  check_search(topology, large, Kinds(2));
  // what fits stays where it is
  const cuda::Pairs after = topology.pairs();
  CHECK(before.node == after.node && before.first_pair == after.first_pair &&
        before.sender == after.sender && before.sender_atom == after.sender_atom &&
        before.first_tile == after.first_tile && before.sender_kind == after.sender_kind);
  CHECK(topology.device_bytes() == bytes);
  const Atoms larger(Periodic(160, 5.0, kRadius, 15));
  check_search(topology, larger, Kinds(2));
  CHECK(topology.device_bytes() > bytes);
}

#ifdef MDBENCH_EMULATE_CUDA
TEST(search_waits_once_and_allocates_when_it_grows) {
  const Atoms atoms(Periodic(60, 5.0, kRadius, 19));
  const Kinds kinds(2);
  cuda::Topology topology;
  const cuda::Stream stream;
  topology.search(atoms.view(), kRadius, kinds.view(), stream);
  stream.synchronize();
  const auto before = emulation::counts();
  topology.search(atoms.view(), kRadius, kinds.view(), stream);
  const auto after = emulation::counts();
  CHECK(after.waits == before.waits + 1 && after.allocations == before.allocations);
  stream.synchronize();
}
#endif

/// A list from the host and a search may take turns, and say the same.
TEST(lists_and_searches_take_turns) {
  const Atoms atoms(Periodic(40, 4.0, kRadius, 16));
  const Kinds kinds(2);
  GraphBuilder builder(kCutoff, 1);
  builder.rebuild(atoms.view(), kSkin);
  cuda::Topology topology;
  Found found = search(topology, atoms, kinds);
  const int most = topology.most_of_sender();
  topology.set(builder.pairs(), kinds.view());
  CHECK(topology.original().size() == topology.num_pairs());
  CHECK(topology.most_of_sender() == most);
  Found listed(topology);
  for (Found* f : {&found, &listed})
    for (std::size_t p = 0; p < f->node.size(); ++p)
      std::sort(f->sender_atom.begin() + f->first_pair[p],
                f->sender_atom.begin() + f->first_pair[p + 1]);
  found.sender = listed.sender = {};  // sorted by kind only
  CHECK(found == listed);
  check_search(topology, atoms, kinds);
}

TEST(search_refuses_coordinates_that_are_not_finite) {
  for (const double wrong :
       {std::nan(""), std::numeric_limits<double>::infinity(), -1e308, 1e308}) {
    const bool single = std::abs(wrong) == 1e308;  // finite, and not as a difference
    for (const std::size_t atom : {std::size_t(3), std::size_t(200)}) {
      Atoms atoms(Periodic(30, 4.0, kRadius, 17));
      atoms.x[3 * atom + 1] = wrong;
      if (single) atoms.x[1] = -wrong;
      if (single && atom >= atoms.num_local) continue;  // a distant ghost
      cuda::Topology topology;
      CHECK(check::thrown<Error>([&] { search(topology, atoms, Kinds(2)); }) ==
            "an atom's coordinates are not finite numbers");
      atoms.species[atom] = atoms.species[0] = -1;
      check_search(topology, atoms, Kinds(2));
    }
  }
}

/// Places of pairs are beyond 32 bits where there are 10^7 atoms.
TEST(search_writes_beyond_32_bits) {
  const Atoms atoms = Atoms::cube(20, 2.0, 18);
  const Kinds kinds(1);
  const cuda::Stream stream;
  cuda::AtomNodes nodes;
  nodes.number(atoms.view(), kRadius);
  const Array<int> kind(std::vector<int>(20, 0)), receivers(std::vector<int>{4, 11});
  cuda::PairSearch pairs;
  pairs.place(atoms.view(), nodes, kind.data(), kRadius, stream);
  const cuda::PairSearch::Receivers of{2, receivers.data(), 1, 1, 20};
  Array<std::int64_t> first_pair, first_tile;
  pairs.count(of, first_pair, first_tile, stream);
  auto first = first_pair.download();
  Array<int> sender(first[2]), sender_atom(first[2]);
  pairs.write(of, first_pair, sender, sender_atom, stream);
  const auto expected = sender_atom.download();
  cuda::FindPairs find = pairs.find(of);
  for (auto& f : first) f += check::kFarPair;
  first_pair.upload(first);
  const auto shifted = [&](Array<int>& array) {
    array.set_bytes(0xff, stream);
    return check::begin_of_far(array.data(), check::kFarPair);
  };
  find.first_pair = first_pair.data();
  find.sender = shifted(sender);
  find.sender_atom = shifted(sender_atom);
  write_pairs(find, stream);
  CHECK(sender_atom.download() == expected);
}
