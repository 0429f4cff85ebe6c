// SPDX-License-Identifier: GPL-2.0-only
#include "run_timings.h"

#include <sys/resource.h>

#include "reduce.h"

namespace mdbench {
namespace {

constexpr const char* kNames[RunTimings::num_stages] = {
    "neighbour list", "graph",        "model input", "forward",      "backward",
    "halo exchange",  "model output", "forces",      "D3 dispersion"};

double peak_memory_mib() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss / 1024.0;
}

}  // namespace

void RunTimings::lap(Stage stage) {
  const auto now = Clock::now();
  seconds_[stage] += std::chrono::duration<double>(now - last_).count();
  last_ = now;
  if (stage == list) ++rebuilds_;
}

void RunTimings::add(const EvaluationTimes& seconds) {
  seconds_[graph] += seconds.graph;
  seconds_[input] += seconds.input;
  seconds_[forward] += seconds.forward;
  seconds_[backward] += seconds.backward;
  seconds_[halo] += seconds.halo;
  seconds_[output] += seconds.output;
  seconds_[forces] += seconds.forces;
  last_ = Clock::now();
}

void RunTimings::count(std::size_t edges, std::size_t nodes, std::size_t local) {
  ++steps_;
  edges_ += static_cast<double>(edges);
  nodes_ += static_cast<double>(nodes);
  local_ += static_cast<double>(local);
}

std::string RunTimings::table(MPI_Comm world, const ModelInfo& info,
                              std::size_t peak_device_bytes) const {
  int ranks = 1;
  MPI_Comm_size(world, &ranks);
  const double steps = reduced(steps_, MPI_MAX, world);
  if (steps == 0) return {};
  double mean[num_stages], most[num_stages], total = 0;
  for (int s = 0; s < num_stages; ++s) {
    mean[s] = reduced(seconds_[s], MPI_SUM, world) / ranks;
    most[s] = reduced(seconds_[s], MPI_MAX, world);
    total += mean[s];
  }
  const double model = mean[forward] + mean[backward] + mean[d3];
  const double per_step = 1.0 / steps;
  std::string text =
      format_text("\nMACE timing: %s, %s, %s, %d thread(s) x %d rank(s)\n", info.kernel.c_str(),
                  info.precision.c_str(), info.device.c_str(), info.threads, ranks);
  text += format_text(
      "%.0f evaluations, %.0f list builds, %.0f atoms, %.0f halo atoms, %.0f edges\n", steps,
      reduced(rebuilds_, MPI_MAX, world), reduced(local_, MPI_SUM, world) * per_step,
      reduced(nodes_ - local_, MPI_SUM, world) * per_step,
      reduced(edges_, MPI_SUM, world) * per_step);
  text += "Stage          |  mean s  |  max s   | ms/step  | %total\n";
  for (int s = 0; s < num_stages; ++s) {
    if (s == d3 && most[d3] == 0) continue;
    text += format_text("%-14s | %8.4g | %8.4g | %8.4g | %6.2f\n", kNames[s], mean[s], most[s],
                        1e3 * mean[s] * per_step, total > 0 ? 100.0 * mean[s] / total : 0.0);
  }
  text += format_text("%-14s | %8.4g | %8s | %8.4g | %6.2f\n", "total", total, "",
                      1e3 * total * per_step, 100.0);
  text += format_text("Overhead outside the model: %.2f %%\n",
                      total > 0 ? 100.0 * (total - model) / total : 0.0);
  text +=
      format_text("Peak memory of a rank: %.0f MiB", reduced(peak_memory_mib(), MPI_MAX, world));
  const double device = reduced(double(peak_device_bytes) / 1048576.0, MPI_MAX, world);
  if (device > 0) text += format_text(", of a GPU: %.0f MiB", device);
  return text + "\n";
}

}  // namespace mdbench
