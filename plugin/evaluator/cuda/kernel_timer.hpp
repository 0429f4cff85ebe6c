// SPDX-License-Identifier: MIT
#pragma once

#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include "runtime.hpp"

namespace mdbench::cuda {

/// Time of each kernel, for profiles: taken when MDBENCH_CUDA_PROFILE is set to 1. Kernels are then
/// started one by one, which is slower than the graph that they form otherwise.
class KernelTimer {
 public:
  KernelTimer() {
    const char* asked = std::getenv("MDBENCH_CUDA_PROFILE");
    on_ = asked && std::string(asked) == "1";
  }
  bool on() const { return on_; }

  template <class Function>
  void run(const char* name, cudaStream_t stream, Function&& function) {
    if (on_) next().start.record(stream);
    function();
    check_launch(name);
    if (!on_) return;
    laps_[used_].stop.record(stream);
    laps_[used_++].name = name;
  }
  /// After the stream has come to its end.
  void collect() {
    for (std::size_t i = 0; i < used_; ++i) add(laps_[i]);
    used_ = 0;
  }
  /// Seconds so far of each kernel.
  const std::vector<std::pair<std::string, double>>& seconds() const { return seconds_; }

 private:
  struct Lap {
    const char* name = nullptr;
    Event start, stop;
  };
  Lap& next() {
    if (used_ == laps_.size()) laps_.emplace_back();
    return laps_[used_];
  }
  void add(const Lap& lap) {
    const double time = lap.stop.seconds_since(lap.start);
    for (auto& [name, sum] : seconds_)
      if (name == lap.name) {
        sum += time;
        return;
      }
    seconds_.emplace_back(lap.name, time);
  }

  bool on_ = false;
  std::size_t used_ = 0;
  std::vector<Lap> laps_;
  std::vector<std::pair<std::string, double>> seconds_;
};

}  // namespace mdbench::cuda
