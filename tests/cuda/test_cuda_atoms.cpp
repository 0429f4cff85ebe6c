// SPDX-License-Identifier: MIT
// The CUDA evaluator's atoms: changes of them, those too close for it, and ranks.
#include "box.hpp"

using namespace mdbench;
using namespace tiny;

namespace {

/// The atoms of a box that rank `me` of two holds: every other one, and ghosts of all the rest.
struct RankAtoms {
  Periodic atoms;
  std::vector<int> global;  ///< [row]

  RankAtoms(const Periodic& box, int me) : atoms(box) {
    std::vector<std::int32_t> row(box.num_local, -1);
    atoms.x.clear(), atoms.species.clear(), atoms.owner.clear();
    const auto add = [&](std::size_t i) {
      const int of = box.owner[i];
      if (row[of] < 0) row[of] = static_cast<std::int32_t>(global.size());
      atoms.x.insert(atoms.x.end(), &box.x[3 * i], &box.x[3 * i] + 3);
      atoms.species.push_back(box.species[i]);
      atoms.owner.push_back(row[of]);
      global.push_back(of);
    };
    for (std::size_t i = me; i < box.num_local; i += 2) add(i);
    atoms.num_local = global.size();
    for (std::size_t i = 0; i < box.owner.size(); ++i)
      if (i >= box.num_local || i % 2 != static_cast<std::size_t>(me)) add(i);
  }
};

/// Energies, forces and virial.
AtomResult evaluate_box_on_two_ranks(
    const std::function<std::unique_ptr<ResidentEvaluator>()>& open, const Periodic& box) {
  const RankAtoms parts[2] = {{box, 0}, {box, 1}};
  std::unique_ptr<ResidentEvaluator> evaluators[2] = {open(), open()};
  std::vector<Rank> ranks(2);
  for (int me = 0; me < 2; ++me) {
    evaluators[me]->set_atoms(parts[me].atoms.view(), kSkin);
    const NodeList nodes = evaluators[me]->nodes();
    ranks[me].cluster.num_local = nodes.num_local;
    for (const int row : nodes.node_atom) ranks[me].global.push_back(parts[me].global[row]);
  }
  SharedHalo::Board board;
  AtomEvaluation results[2];
  const auto run = [&](int me) {
    SharedHalo halo(board, ranks, me);
    results[me] = evaluators[me]->evaluate_at(parts[me].atoms.x, false, halo);
  };
  std::thread other([&] { run(1); });
  run(0);
  other.join();
  AtomResult out{std::vector<double>(box.num_local),
                 std::vector<double>(3 * box.num_local),
                 std::vector<double>(9),
                 {},
                 {}};
  for (int me = 0; me < 2; ++me) {
    const auto& global = ranks[me].global;
    for (std::size_t n = 0; n < results[me].site_energy.size(); ++n)
      out.energy[global[n]] = results[me].site_energy[n];
    for (std::size_t i = 0; i < results[me].force.size(); ++i)
      out.force[3 * global[i / 3] + i % 3] += results[me].force[i];
    for (int k = 0; k < 9; ++k) out.virial[k] += results[me].virial[k];
  }
  return out;
}

}  // namespace

TEST(cuda_leaves_positions_of_close_atoms_to_the_cpu) {
  Periodic box(11, 5);
  const auto far = box.x;
  ResidentOnCpu cpu(tiny::open(shapes()[2]));
  const auto gpu = open_cuda(shapes()[2], "double");
  for (const bool close : {false, true, true, false}) {
    box.x = far;
    if (close) box.make_close();
    gpu->set_atoms(box.view(), kSkin);
    cpu.set_atoms(box.view(), kSkin);
    for (int step = 0; step < 2; ++step)
      check_equal(evaluate_at(*gpu, box), evaluate_at(cpu, box), close ? 1e-12 : kBound);
  }
}

TEST(cuda_wants_the_atoms_that_were_set) {
  const Periodic box(9, 6);
  const auto gpu = open_cuda(shapes()[0], "double");
  const auto problem = [&](const Periodic& of) {
    return check::thrown<Error>([&] { evaluate_at(*gpu, of); });
  };
  CHECK(!problem(box).empty());
  gpu->set_atoms(box.view(), kSkin);
  CHECK(problem(box).empty());
  CHECK(gpu->nodes().num_local == 9 && gpu->nodes().node_atom.size() == 9);
  CHECK(!problem(Periodic(8, 6)).empty());
  evaluate(*gpu, make_cluster(10, 8, kFar));  // a graph takes the atoms' place
  CHECK(!problem(box).empty());
  Periodic wrong = box;
  wrong.x[4] = std::nan("");
  CHECK(!check::thrown<Error>([&] { gpu->set_atoms(wrong.view(), kSkin); }).empty());
  CHECK(!problem(box).empty());
  gpu->set_atoms(box.view(), kSkin);
  CHECK(problem(box).empty());
  gpu->set_atoms({}, kSkin);
  NoHalo halo;
  CHECK(gpu->evaluate_at({}, true, halo).force.empty());
}

TEST(cuda_on_two_ranks_from_positions) {
  for (const auto& shape : {shapes()[0], shapes()[2], shapes()[5]})
    for (const bool close : {false, true}) {
      Periodic box(12, 7);
      if (close) box.make_close();
      ResidentOnCpu cpu(tiny::open(shape));
      cpu.set_atoms(box.view(), kSkin);
      const AtomResult expected = evaluate_at(cpu, box);
      const AtomResult found =
          evaluate_box_on_two_ranks([&] { return open_cuda(shape, "double"); }, box);
      CHECK_BELOW(relative(found.energy, expected.energy), kBound);
      CHECK_BELOW(relative(found.force, expected.force), kBound);
      CHECK_BELOW(relative(found.virial, expected.virial), kBound);
    }
}
