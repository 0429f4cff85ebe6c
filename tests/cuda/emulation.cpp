// SPDX-License-Identifier: MIT
// Blocks of emulated kernels: fibers, barriers, warp operations.
#include "emulation.hpp"

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <numeric>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "fiber.hpp"
#include "races.hpp"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/common_interface_defs.h>
#endif

uint3 threadIdx, blockIdx;
dim3 blockDim, gridDim;

namespace emulation {

void fail(const char* message) {
  std::fprintf(stderr, "emulated CUDA: %s\n", message);
  std::fflush(stderr);
  std::abort();
}

namespace {

enum class State { ready, at_barrier, in_warp, done };

struct Fiber {
  Stack stack;
  Context context;
  void* fake_stack = nullptr;  // AddressSanitizer's
  uint3 index{};
  int number = 0;
  State state = State::done;
  Request request{};
  std::uint64_t result = 0;
};

unsigned first_order() {
  const char* const given = std::getenv("MDBENCH_EMULATION_ORDER");
  return given ? static_cast<unsigned>(std::atoi(given)) : 0;
}

/// The threads of the block that runs. They persist: a stack is not set up twice.
class Block {
 public:
  void run(const Launch& kernel);
  void barrier(Where where);
  std::uint64_t warp_operation(const Request& request);
  int lane() const { return current_->number % 32; }
  unsigned set_order(unsigned order_or_seed) {
    random_.seed(order_or_seed);
    return std::exchange(order_, order_or_seed);
  }
  /// The order in which blocks run.
  std::vector<std::size_t> blocks(std::size_t count);

 private:
  static void entry();
  void prepare_threads(const dim3& size);
  Fiber& next();
  void enter(Fiber& fiber);
  void leave();
  void make_ready(Fiber& fiber);
  int choose();
  bool complete(const Request& request, int first);
  void release_barrier();
  [[noreturn]] void report_deadlock();

  std::vector<std::unique_ptr<Fiber>> fibers_;
  Context scheduler_;
  void* scheduler_fake_stack_ = nullptr;
  const void* scheduler_stack_ = nullptr;
  std::size_t scheduler_stack_bytes_ = 0;
  Fiber* current_ = nullptr;
  const std::function<void()>* body_ = nullptr;
  std::vector<int> ready_;    // a ring
  std::vector<int> waiting_;  // lanes of each warp that wait for others
  int first_ready_ = 0, num_ready_ = 0, num_threads_ = 0, num_done_ = 0;
  unsigned order_ = first_order();
  std::mt19937 random_{order_};
};

Block& block() {
  static Block one;
  return one;
}

void Block::entry() {
  Block& self = block();
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(nullptr, &self.scheduler_stack_, &self.scheduler_stack_bytes_);
#endif
  while (true) {
    (*self.body_)();
    self.current_->state = State::done;
    ++self.num_done_;
    self.leave();
  }
}

void Block::enter(Fiber& fiber) {
  current_ = &fiber;
  threadIdx = fiber.index;
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_start_switch_fiber(&scheduler_fake_stack_, fiber.stack.bottom(), kStackBytes);
#endif
  races::enter_thread(fiber.number, fiber.stack.bottom(), kStackBytes);
  jump(scheduler_, fiber.context);
  races::leave_thread();
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(scheduler_fake_stack_, nullptr, nullptr);
#endif
}

void Block::leave() {
  Fiber& self = *current_;
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_start_switch_fiber(&self.fake_stack, scheduler_stack_, scheduler_stack_bytes_);
#endif
  jump(self.context, scheduler_);
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(self.fake_stack, &scheduler_stack_, &scheduler_stack_bytes_);
#endif
}

void Block::make_ready(Fiber& fiber) {
  fiber.state = State::ready;
  ready_[(first_ready_ + num_ready_++) % num_threads_] = fiber.number;
}

/// Which of the threads that are ready runs next: its place among them.
int Block::choose() {
  if (order_ == kInTurn) return 0;
  if (order_ > kLastFirst) return static_cast<int>(random_() % static_cast<unsigned>(num_ready_));
  const auto thread = [&](int place) { return ready_[(first_ready_ + place) % num_threads_]; };
  int best = 0;
  for (int i = 1; i < num_ready_; ++i)
    if ((thread(i) < thread(best)) == (order_ == kFirstFirst)) best = i;
  return best;
}

std::vector<std::size_t> Block::blocks(std::size_t count) {
  std::vector<std::size_t> order(count);
  std::iota(order.begin(), order.end(), std::size_t{0});
  if (order_ == kLastFirst) std::reverse(order.begin(), order.end());
  if (order_ > kLastFirst) std::shuffle(order.begin(), order.end(), random_);
  return order;
}

Fiber& Block::next() {
  std::swap(ready_[first_ready_], ready_[(first_ready_ + choose()) % num_threads_]);
  Fiber& fiber = *fibers_[ready_[first_ready_]];
  first_ready_ = (first_ready_ + 1) % num_threads_;
  --num_ready_;
  return fiber;
}

void Block::prepare_threads(const dim3& size) {
  num_threads_ = static_cast<int>(size.x * size.y * size.z);
  while (static_cast<int>(fibers_.size()) < num_threads_) {
    fibers_.push_back(std::make_unique<Fiber>());
    fibers_.back()->context.prepare(fibers_.back()->stack.bottom(), &Block::entry);
  }
  ready_.assign(num_threads_, 0);
  waiting_.assign(num_threads_ / 32 + 1, 0);
  first_ready_ = num_ready_ = num_done_ = 0;
  for (int i = 0; i < num_threads_; ++i) {
    const unsigned n = static_cast<unsigned>(i);
    fibers_[i]->index = {n % size.x, n / size.x % size.y, n / (size.x * size.y)};
    fibers_[i]->number = i;
    make_ready(*fibers_[i]);
  }
}

void Block::run(const Launch& kernel) {
  body_ = &kernel.thread;
  prepare_threads(kernel.block);
  while (num_done_ < num_threads_) {
    if (num_ready_ == 0) release_barrier();
    enter(next());
  }
  current_ = nullptr;
}

void Block::barrier(Where where) {
  current_->state = State::at_barrier;
  current_->request.where = where;
  leave();
  races::pass_barrier();
}

bool same_call(const Request& a, const Request& b) {
  return a.operation == b.operation && a.mask == b.mask && a.where.line() == b.where.line() &&
         a.where.column() == b.where.column();
}

std::string describe(const Where& where) {
  return std::string(where.file_name()) + ":" + std::to_string(where.line());
}

void Block::release_barrier() {
  const Where& where = fibers_[0]->request.where;
  for (int i = 0; i < num_threads_; ++i) {
    const Fiber& fiber = *fibers_[i];
    if (fiber.state != State::at_barrier || fiber.request.where.line() != where.line())
      report_deadlock();
  }
  for (int i = 0; i < num_threads_; ++i) make_ready(*fibers_[i]);
}

void Block::report_deadlock() {
  std::string text;
  bool warp = false;
  for (int i = 0, shown = 0; i < num_threads_; ++i) {
    const Fiber& fiber = *fibers_[i];
    warp |= fiber.state == State::in_warp;
    const auto line_of = [&](int j) {
      const Fiber& f = *fibers_[j];
      if (f.state == State::done) return std::string("has ended");
      if (f.state == State::at_barrier) return "waits at the barrier " + describe(f.request.where);
      char mask[16];
      std::snprintf(mask, sizeof mask, "%08x", f.request.mask);
      return "waits for the lanes " + std::string(mask) + " at " + describe(f.request.where);
    };
    if (i > 0 && line_of(i) == line_of(i - 1)) continue;
    if (++shown > 20) break;
    text += "\n  from thread " + std::to_string(i) + " on: " + line_of(i);
  }
  fail(((warp ? "divergent warp operation in block " : "divergent barrier in block ") +
        std::to_string(blockIdx.x) + "," + std::to_string(blockIdx.y) + "," +
        std::to_string(blockIdx.z) + text)
           .c_str());
}

/// What all lanes get from a vote.
std::uint64_t common_result(Operation operation, const Request* const (&all)[32]) {
  std::uint64_t result = operation == Operation::all;
  for (int i = 0; i < 32; ++i) {
    if (!all[i]) continue;
    const std::uint64_t value = all[i]->value;
    if (operation == Operation::ballot) result |= value << i;
    if (operation == Operation::any) result |= value;
    if (operation == Operation::all) result &= value;
    if (operation == Operation::largest) result = std::max(result, value);
  }
  return result;
}

std::uint64_t equal_lanes(const Request* const (&all)[32], std::uint64_t value) {
  std::uint64_t result = 0;
  for (int i = 0; i < 32; ++i)
    if (all[i] && all[i]->value == value) result |= std::uint64_t{1} << i;
  return result;
}

std::uint64_t shuffled_from(const Request* source) {
  return source ? source->value : ~std::uint64_t{0};  // of a lane outside the mask: undefined
}

/// Whether all lanes of the mask are there; then they get their results and may go on.
bool Block::complete(const Request& request, int first) {
  int& waiting = waiting_[first / 32];
  if (waiting < std::popcount(request.mask)) return false;
  const Request* all[32] = {};
  for (int i = 0; i < 32; ++i) {
    if (!(request.mask >> i & 1u)) continue;
    if (first + i >= num_threads_) return false;
    const Fiber& fiber = *fibers_[first + i];
    if (fiber.state != State::in_warp || !same_call(fiber.request, request)) return false;
    all[i] = &fiber.request;
  }
  const Operation operation = request.operation;
  const std::uint64_t common = common_result(operation, all);
  for (int i = 0; i < 32; ++i) {
    if (!all[i]) continue;
    Fiber& fiber = *fibers_[first + i];
    fiber.result = operation == Operation::shuffle     ? shuffled_from(all[all[i]->source])
                   : operation == Operation::match_any ? equal_lanes(all, all[i]->value)
                                                       : common;
    make_ready(fiber);
    --waiting;
  }
  return true;
}

std::uint64_t Block::warp_operation(const Request& request) {
  Fiber& self = *current_;
  if (!(request.mask >> lane() & 1u))
    fail(("the mask lacks the lane that calls, at " + describe(request.where)).c_str());
  self.request = request;
  self.state = State::in_warp;
  ++waiting_[self.number / 32];
  complete(request, self.number - lane());
  leave();
  if (request.operation == Operation::sync && request.mask == ~0u) races::pass_warp_barrier();
  return self.result;
}

std::unique_ptr<void, void (*)(void*)> shared{nullptr, std::free};
std::size_t shared_bytes = 0;

void run_block(const Launch& kernel, std::size_t index) {
  const auto& grid = kernel.grid;
  const std::size_t plane = std::size_t{grid.x} * grid.y;
  blockIdx = {static_cast<unsigned>(index % grid.x), static_cast<unsigned>(index % plane / grid.x),
              static_cast<unsigned>(index / plane)};
  if (shared_bytes > 0) std::memset(shared.get(), 0xff, shared_bytes);
  races::begin_block(shared.get(), shared_bytes);
  block().run(kernel);
}

}  // namespace

unsigned set_order(unsigned order_or_seed) { return block().set_order(order_or_seed); }
std::uint64_t warp_operation(const Request& request) { return block().warp_operation(request); }
void barrier(Where where) { block().barrier(where); }
int lane() { return block().lane(); }
void* shared_buffer() {
  if (!shared) fail("the kernel was launched without dynamic shared memory");
  return shared.get();
}

void run(const Launch& kernel) {
  static std::mutex one_at_a_time;
  const std::lock_guard<std::mutex> lock(one_at_a_time);
  gridDim = kernel.grid;
  blockDim = kernel.block;
  shared_bytes = kernel.shared_bytes;
  void* buffer = nullptr;
  if (shared_bytes > 0 && posix_memalign(&buffer, 128, shared_bytes) != 0)
    fail("no memory for shared memory");
  shared.reset(buffer);
  races::begin_launch();
  for (const std::size_t i : block().blocks(std::size_t{gridDim.x} * gridDim.y * gridDim.z))
    run_block(kernel, i);
}

}  // namespace emulation
