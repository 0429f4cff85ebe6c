// SPDX-License-Identifier: MIT
// The CUDA evaluator as a whole against the CPU's, on small random models.
#include "cuda_evaluator.hpp"
#include "error.hpp"
#include "evaluator_case.hpp"
#include "two_ranks.hpp"

using namespace mdbench;
using namespace tiny;

namespace {

using cuda::CudaOptions;

constexpr bool kFar = false;  ///< no pair below the tables
/// Of numbers in double. The deterministic sums have a unit of 2^-40, not a last bit: dE/dh of
/// these models is of the order of 0.01, and thousands of such numbers make a force.
constexpr double kBound = 1e-9;

std::unique_ptr<ResidentEvaluator> open_cuda(const Shape& shape, const std::string& precision,
                                             CudaOptions options = {}) {
  const TemporaryFile file("mdbench_test_cuda.mace");
  file.write(make(shape).bytes());
  EvaluatorOptions asked;
  asked.path = file.path;
  asked.precision = precision;
  options.wide_sums = precision == "mixed";
  options.on_cpu = [shape, precision] { return tiny::open(shape, precision); };
  auto opened = open_native_model(asked);
  if (precision == "double")
    return std::make_unique<cuda::CudaEvaluator<double>>(std::move(opened), options);
  return std::make_unique<cuda::CudaEvaluator<float>>(std::move(opened), options);
}

/// The atoms of a box that rank `me` of two holds: every other one, and ghosts of all the rest.
struct RankAtoms {
  Box atoms;
  std::vector<int> global;  ///< [row]

  RankAtoms(const Box& box, int me) : atoms(box) {
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
    const auto locals = static_cast<std::size_t>(box.num_local);
    for (std::size_t i = me; i < locals; i += 2) add(i);
    atoms.num_local = global.size();
    for (std::size_t i = 0; i < box.owner.size(); ++i)
      if (i >= locals || i % 2 != static_cast<std::size_t>(me)) add(i);
  }
};

/// Energies, forces and virial.
AtomResult evaluate_box_on_two_ranks(
    const std::function<std::unique_ptr<ResidentEvaluator>()>& open, const Box& box) {
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

void check_equal(const AtomResult& a, const AtomResult& b, double bound) {
  CHECK_BELOW(relative(a.energy, b.energy), bound);
  CHECK_BELOW(relative(a.force, b.force), bound);
  CHECK_BELOW(relative(a.virial, b.virial), bound);
  CHECK_BELOW(relative(a.node_virial, b.node_virial), bound);
  CHECK(a.neighbors == b.neighbors);
}

}  // namespace

TEST(cuda_equals_cpu) {
  const Cluster cluster = make_cluster(22, 4, kFar);
  for (const auto& shape : shapes()) {
    const Result expected = evaluate(*tiny::open(shape), cluster);
    tiny::check_equal(evaluate(*open_cuda(shape, "double"), cluster), expected, 1e-10);
    for (const char* precision : {"single", "mixed"})
      tiny::check_equal(evaluate(*open_cuda(shape, precision), cluster), expected, 1e-5);
  }
}

TEST(cuda_from_positions_equals_cpu) {
  for (const auto& shape : {shapes()[0], shapes()[2], shapes()[5], shapes()[7]}) {
    const Box box(11, 5);
    ResidentOnCpu cpu(tiny::open(shape));
    cpu.set_atoms(box.view(), kSkin);
    const AtomResult expected = evaluate_at(cpu, box);
    const auto gpu = open_cuda(shape, "double");
    gpu->set_atoms(box.view(), kSkin);
    const AtomResult first = evaluate_at(*gpu, box);  // kernel by kernel
    check_equal(first, expected, kBound);
    for (int graph = 0; graph < 3; ++graph) CHECK(evaluate_at(*gpu, box) == first);
  }
}

/// A captured step must look at the new positions, and forget nothing it was given before.
TEST(cuda_graph_follows_the_atoms) {
  const auto shape = shapes()[1];
  Box box(9, 6);
  ResidentOnCpu cpu(tiny::open(shape));
  const auto gpu = open_cuda(shape, "double");
  Random random(8);
  for (int rebuild = 0; rebuild < 2; ++rebuild) {
    cpu.set_atoms(box.view(), kSkin);
    gpu->set_atoms(box.view(), kSkin);
    for (int step = 0; step < 4; ++step) {
      for (std::size_t i = 0; i < box.x.size() / 3; ++i)
        for (int k = 0; k < 3; ++k)
          box.x[3 * i + k] += 0.01 * std::sin(1.0 + box.owner[i] + 3.0 * k + step);
      check_equal(evaluate_at(*gpu, box), evaluate_at(cpu, box), kBound);
    }
  }
}

/// Atoms come and go with rebuilds, and a rank may have the same number again.
TEST(cuda_graph_of_a_number_of_atoms_that_returns) {
  const auto shape = shapes()[5];
  const Box one(11, 5), other(10, 6);
  const auto gpu = open_cuda(shape, "double");
  ResidentOnCpu cpu(tiny::open(shape));
  for (const Box* box : {&one, &other, &one, &other, &one}) {
    gpu->set_atoms(box->view(), kSkin);
    cpu.set_atoms(box->view(), kSkin);
    const AtomResult expected = evaluate_at(cpu, *box);
    for (int step = 0; step < (box == &one ? 3 : 1); ++step)
      check_equal(evaluate_at(*gpu, *box), expected, kBound);
  }
}

/// However few receivers go through at a time, every number is the same to the bit.
TEST(cuda_in_passes_is_the_same) {
  const Box box(12, 7);
  for (const auto& shape : {shapes()[0], shapes()[2], shapes()[6]}) {
    const auto whole = open_cuda(shape, "single");
    whole->set_atoms(box.view(), kSkin);
    const AtomResult expected = evaluate_at(*whole, box);
    CudaOptions small;
    small.workspace = 700000;
    const auto passes = open_cuda(shape, "single", small);
    passes->set_atoms(box.view(), kSkin);
    AtomResult result = evaluate_at(*passes, box);
    CHECK(result == expected);
    CHECK(evaluate_at(*passes, box) == expected);
  }
  CudaOptions tiny_workspace;
  tiny_workspace.workspace = 1000;
  const auto none = open_cuda(shapes()[0], "single", tiny_workspace);
  none->set_atoms(box.view(), kSkin);
  CHECK(check::thrown<Error>([&] { evaluate_at(*none, box); }).find("memory") != std::string::npos);
}

#ifdef MDBENCH_EMULATE_CUDA
/// Of a model of two layers: kernels, allocations and waits of a step between rebuilds; coordinates
/// in, results out, their sums and one layer's gradients cleared.
TEST(cuda_steps_are_few_kernels_and_one_wait) {
  for (const auto& shape : {shapes()[0], shapes()[5]}) {
    const Box box(9, 7);
    const auto gpu = open_cuda(shape, "single");
    gpu->set_atoms(box.view(), kSkin);
    NoHalo halo;
    for (int step = 0; step < 2; ++step) gpu->evaluate_at(box.x, false, halo);
    const auto before = emulation::counts();
    gpu->evaluate_at(box.x, false, halo);
    const auto after = emulation::counts();
    CHECK_BELOW(static_cast<double>(after.kernels - before.kernels), 25.5);
    CHECK(after.copies == before.copies + 4);
    CHECK(after.allocations == before.allocations);
    CHECK(after.waits == before.waits + 1);
  }
}

TEST(cuda_steps_go_on_where_no_graph_can_be_recorded) {
  const Box box(9, 7);
  const auto gpu = open_cuda(shapes()[5], "single");
  gpu->set_atoms(box.view(), kSkin);
  const AtomResult expected = evaluate_at(*gpu, box);
  for (const bool spoil : {true, true, false, false}) {
    emulation::spoil_recordings(spoil);
    CHECK(evaluate_at(*gpu, box) == expected);
  }
}

/// Other positions, and another number of ghosts: the search waits once, the steps once each.
TEST(cuda_rebuilds_wait_once_and_record_nothing) {
  const auto gpu = open_cuda(shapes()[0], "single");
  const Box boxes[] = {{8, 7}, {8, 8}, {8, 9}, {8, 10}};
  CHECK(boxes[0].owner.size() != boxes[3].owner.size());
  NoHalo halo;
  for (const Box& box : boxes) {  // memory for the largest
    gpu->set_atoms(box.view(), kSkin);
    for (int step = 0; step < 3; ++step) gpu->evaluate_at(box.x, false, halo);
  }
  for (const Box& box : boxes) {
    const auto before = emulation::counts();
    gpu->set_atoms(box.view(), kSkin);
    for (int step = 0; step < 3; ++step) gpu->evaluate_at(box.x, false, halo);
    const auto after = emulation::counts();
    CHECK(after.allocations == before.allocations);
    CHECK(after.waits == before.waits + 4);
    CHECK(after.captures == before.captures);
  }
}

/// Other numbers of atoms are recorded anew, into the graph that there is.
TEST(cuda_graph_takes_another_number_of_atoms) {
  const auto shape = shapes()[5];
  const auto gpu = open_cuda(shape, "double");
  ResidentOnCpu cpu(tiny::open(shape));
  const auto before = emulation::counts();
  for (const int atoms : {11, 10, 9}) {
    const Box box(atoms, 5);
    gpu->set_atoms(box.view(), kSkin);
    cpu.set_atoms(box.view(), kSkin);
    const AtomResult expected = evaluate_at(cpu, box);
    for (int step = 0; step < 3; ++step) check_equal(evaluate_at(*gpu, box), expected, kBound);
  }
  CHECK(emulation::counts().captures == before.captures + 3);
  CHECK(emulation::counts().graphs == before.graphs + 1);
}

/// CUDA may have to load a kernel when it first starts, which cannot be recorded: after a step that
/// ended at the exchange, for atoms that were too close, the next one starts the rest one by one.
TEST(cuda_records_what_has_run_before) {
  struct OneRank final : Halo {
    std::span<const std::int32_t> shared() const override { return {}; }
    void forward(std::span<double>, int) override {}
    void reverse(std::span<double>, int) override {}
  } halo;
  Box box(12, 7), close = box;
  close.make_close();
  const auto gpu = open_cuda(shapes()[5], "double");
  gpu->set_atoms(box.view(), kSkin);
  const std::size_t before = emulation::counts().captures;
  gpu->evaluate_at(close.x, false, halo);
  gpu->evaluate_at(box.x, false, halo);
  CHECK(emulation::counts().captures == before);
  gpu->evaluate_at(box.x, false, halo);
  CHECK(emulation::counts().captures > before);
}

/// From a thread that has chosen another GPU: nothing of the evaluator is there.
TEST(cuda_on_the_second_gpu) {
  const Box box(9, 7);
  emulation::set_devices(2);
  const auto first = open_cuda(shapes()[0], "single");
  first->set_atoms(box.view(), kSkin);
  const AtomResult expected = evaluate_at(*first, box);
  CudaOptions options;
  options.device = 1;
  auto second = open_cuda(shapes()[0], "single", options);
  second->set_atoms(box.view(), kSkin);
  for (int step = 0; step < 3; ++step) {
    CHECK(evaluate_at(*second, box) == expected);
    CHECK(evaluate_at(*first, box) == expected);
  }
  second.reset();
  CHECK(evaluate_at(*first, box) == expected);
  emulation::set_devices(1);
}

/// Rebuilds find more pairs now and then, and arrays grow by more than they must: that stays within
/// the memory, in which a GPU's other users are.
TEST(cuda_grows_within_the_memory) {
  const auto shape = shapes()[0];
  const Box box(12, 7);
  const std::size_t before = cuda::allocated_bytes();
  auto whole = open_cuda(shape, "single");
  whole->set_atoms(box.view(), kSkin);
  const AtomResult expected = evaluate_at(*whole, box);
  const auto taken = static_cast<double>(cuda::allocated_bytes() - before);
  const Box large(17, 7);
  whole->set_atoms(large.view(), kSkin);
  const AtomResult expected_large = evaluate_at(*whole, large);
  whole.reset();
  for (const double part : {0.6, 0.8, 1.1}) {
    emulation::set_device_memory(before + static_cast<std::size_t>(part * taken));
    const auto gpu = open_cuda(shape, "single");
    for (int rebuild = 0; rebuild < 12; ++rebuild) {
      gpu->set_atoms(box.view(), kSkin + 0.01 * rebuild);
      CHECK_BELOW(relative(evaluate_at(*gpu, box).energy, expected.energy), 1e-5);
    }
    if (part < 0.7) continue;
    gpu->set_atoms(large.view(), kSkin);  // in more passes than before
    CHECK_BELOW(relative(evaluate_at(*gpu, large).energy, expected_large.energy), 1e-5);
    gpu->set_atoms(box.view(), kSkin);
    CHECK_BELOW(relative(evaluate_at(*gpu, box).energy, expected.energy), 1e-5);
  }
  emulation::set_device_memory(std::size_t{8} << 30);
}

/// Whichever array finds no room, nothing is taken for done that was not: the next call is right.
TEST(cuda_goes_on_after_an_array_found_no_room) {
  const auto shape = shapes()[8];
  const Box small(2, 7), large(4, 7);
  const auto open = [&](bool used) {
    auto gpu = open_cuda(shape, "single");
    if (!used) return gpu;
    gpu->set_atoms(small.view(), kSkin);
    evaluate_at(*gpu, small);
    return gpu;
  };
  const auto whole = open(false);
  whole->set_atoms(large.view(), kSkin);
  const AtomResult expected = evaluate_at(*whole, large);
  for (const bool used : {false, true}) {
    std::size_t number = 0;
    for (std::string problem = "none yet"; !problem.empty();) {
      const auto gpu = open(used);
      bool are_set = false;
      emulation::fail_allocation(++number);
      problem = check::thrown<Error>([&] {
        gpu->set_atoms(large.view(), kSkin);
        are_set = true;
        evaluate_at(*gpu, large);
      });
      emulation::fail_allocation(0);
      CHECK(problem.empty() || problem.find("memory") != std::string::npos);
      if (!are_set) gpu->set_atoms(large.view(), kSkin);
      CHECK(evaluate_at(*gpu, large) == expected);
    }
    CHECK(number > 30);
  }
}

/// A graph takes memory of its own; where there is none, its kernels start one by one.
TEST(cuda_goes_on_where_a_graph_finds_no_room) {
  const Box box(2, 7);
  const auto gpu = open_cuda(shapes()[8], "single");
  gpu->set_atoms(box.view(), kSkin);
  const AtomResult expected = evaluate_at(*gpu, box);
  for (const std::size_t number : {1, 2}) {  // making it, and bringing it to the GPU
    const std::size_t before = emulation::counts().captures;
    emulation::fail_allocation(number);
    CHECK(evaluate_at(*gpu, box) == expected);
    emulation::fail_allocation(0);
    CHECK(emulation::counts().captures == before + 1);
  }
  const std::size_t before = emulation::counts().captures;
  for (int step = 0; step < 2; ++step) CHECK(evaluate_at(*gpu, box) == expected);
  CHECK(emulation::counts().captures == before + 1);
}
#endif

TEST(cuda_without_determinism) {
  const Cluster cluster = make_cluster(18, 9, kFar);
  CudaOptions fast;
  fast.deterministic = false;
  for (const auto& shape : {shapes()[0], shapes()[2], shapes()[6]})
    for (const char* precision : {"double", "single"})
      tiny::check_equal(evaluate(*open_cuda(shape, precision, fast), cluster),
                        evaluate(*tiny::open(shape), cluster), precision[0] == 'd' ? 1e-12 : 1e-5);
}

/// Below the tables' shortest distance the CPU takes over, and gives way again.
TEST(cuda_leaves_close_atoms_to_the_cpu) {
  const auto shape = shapes()[2];
  const auto gpu = open_cuda(shape, "double");
  const auto cpu = tiny::open(shape);
  for (const bool close : {false, true, false}) {
    const Cluster cluster = make_cluster(12, 10, close);
    tiny::check_equal(evaluate(*gpu, cluster), evaluate(*cpu, cluster), close ? 1e-15 : 1e-10);
  }
}

TEST(cuda_leaves_positions_of_close_atoms_to_the_cpu) {
  for (const auto& shape : {shapes()[0], shapes()[5], shapes()[6]}) {
    Box box(11, 5);
    const auto far = box.x;
    ResidentOnCpu cpu(tiny::open(shape));
    const auto gpu = open_cuda(shape, "double");
    for (const bool close : {false, true, true, false}) {
      box.x = far;
      if (close) box.make_close();
      gpu->set_atoms(box.view(), kSkin);
      cpu.set_atoms(box.view(), kSkin);
      for (int step = 0; step < 2; ++step)
        check_equal(evaluate_at(*gpu, box), evaluate_at(cpu, box), close ? 1e-12 : kBound);
    }
  }
}

TEST(cuda_wants_the_atoms_that_were_set) {
  const Box box(9, 6);
  const auto gpu = open_cuda(shapes()[0], "double");
  const auto problem = [&](const Box& of) {
    return check::thrown<Error>([&] { evaluate_at(*gpu, of); });
  };
  CHECK(!problem(box).empty());
  gpu->set_atoms(box.view(), kSkin);
  CHECK(problem(box).empty());
  CHECK(gpu->nodes().num_local == 9 && gpu->nodes().node_atom.size() == 9);
  CHECK(!problem(Box(8, 6)).empty());
  evaluate(*gpu, make_cluster(10, 8, kFar));  // a graph takes the atoms' place
  CHECK(!problem(box).empty());
  Box wrong = box;
  wrong.x[4] = std::nan("");
  CHECK(!check::thrown<Error>([&] { gpu->set_atoms(wrong.view(), kSkin); }).empty());
  CHECK(!problem(box).empty());
  gpu->set_atoms(box.view(), kSkin);
  CHECK(problem(box).empty());
  // a rank that its atoms have left
  gpu->set_atoms({}, kSkin);
  NoHalo halo;
  const AtomEvaluation& nothing = gpu->evaluate_at({}, true, halo);
  CHECK(nothing.force.empty() && nothing.virial == (std::array<double, 9>{}));
}

/// The pairs that were found are of the elements that were known then.
TEST(cuda_wants_atoms_again_after_a_new_element) {
  Box box(9, 6);
  const auto species = box.species;
  std::fill(box.species.begin(), box.species.end(), 1);
  const auto gpu = open_cuda(shapes()[2], "double");
  gpu->set_atoms(box.view(), kSkin);
  evaluate_at(*gpu, box);
  gpu->prepare(species);
  CHECK(!check::thrown<Error>([&] { evaluate_at(*gpu, box); }).empty());
}

TEST(cuda_graphs_without_edges_or_atoms) {
  for (const auto& shape : shapes()) {
    const auto gpu = open_cuda(shape, "double");
    CHECK(evaluate(*gpu, Cluster()).energy.empty());
    const Cluster cluster = make_cluster(10, 7, kFar);
    const Result whole = evaluate(*gpu, cluster);
    Cluster alone;
    alone.num_local = 1;
    alone.species = {cluster.species.back()};
    alone.close_node();
    CHECK_BELOW(std::abs(evaluate(*gpu, alone).energy[0] - whole.energy.back()), 1e-12);
    tiny::check_equal(evaluate(*gpu, cluster), whole, 1e-300);
  }
}

TEST(cuda_species_that_turn_up_later) {
  const auto shape = shapes()[2];
  Cluster cluster = make_cluster(10, 8, kFar);
  const Result expected = evaluate(*open_cuda(shape, "double"), cluster);
  const auto gpu = open_cuda(shape, "double");
  Cluster uniform = cluster;
  std::fill(uniform.species.begin(), uniform.species.end(), 1);
  evaluate(*gpu, uniform);
  tiny::check_equal(evaluate(*gpu, cluster), expected, 1e-14);
  cluster.species[3] = 7;
  CHECK(check::thrown<Error>([&] { evaluate(*gpu, cluster); }).find("species 7") !=
        std::string::npos);
}

TEST(cuda_shows_what_is_not_finite) {
  const auto gpu = open_cuda(shapes()[0], "single");
  Cluster cluster = make_cluster(10, 8, kFar);
  cluster.edge_vector[4] = std::nan("");
  CHECK(std::isnan(evaluate(*gpu, cluster).energy[0]));
}

TEST(cuda_on_two_ranks_equals_one) {
  const Cluster cluster = make_cluster(20, 6, kFar);
  for (const auto& shape : shapes())
    for (const bool deterministic : {true, false}) {
      CudaOptions options;
      options.deterministic = deterministic;
      const auto open = [&] { return open_cuda(shape, "double", options); };
      tiny::check_equal(evaluate_on_two_ranks(open, cluster), evaluate(*tiny::open(shape), cluster),
                        1e-10);
    }
}

/// A rank whose atoms are too close evaluates on the CPU and exchanges what the other expects.
TEST(cuda_and_cpu_ranks_exchange) {
  const Cluster cluster = make_cluster(20, 6);
  for (const auto& shape : {shapes()[0], shapes()[2], shapes()[6]}) {
    const auto open = [&] { return open_cuda(shape, "double"); };
    tiny::check_equal(evaluate_on_two_ranks(open, cluster), evaluate(*tiny::open(shape), cluster),
                      1e-10);
  }
}

TEST(cuda_on_two_ranks_from_positions) {
  for (const auto& shape : {shapes()[0], shapes()[2], shapes()[5], shapes()[7]})
    for (const bool close : {false, true}) {
      Box box(12, 7);
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
