// SPDX-License-Identifier: MIT
#include "races.hpp"

#include <dlfcn.h>

#include <array>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <unordered_map>

#include "emulation_state.hpp"

namespace emulation::races {
namespace {

/// Who has made an access, or the latest of those that no barrier orders.
enum class Spread : std::uint8_t { thread, lanes, warps, blocks };
struct Access {
  std::uint32_t block = 0;  ///< blocks are numbered from 1, over all launches
  std::uint32_t warp_barriers = 0;
  std::uint16_t barriers = 0, thread = 0;
  Spread spread = Spread::thread;
};

/// What has happened to four bytes.
struct Cell {
  Access read, write, atomic;
  std::uint32_t read_only = 0;  ///< block
};
constexpr std::uintptr_t kCellBytes = 4, kPageBytes = 4096;
using Page = std::array<Cell, kPageBytes / kCellBytes>;

struct Thread {
  std::uint16_t barriers = 0;
  std::uint32_t warp_barriers = 0;
};

struct Range {
  std::uintptr_t begin = 0, bytes = 0;
  Range() = default;
  Range(const void* at, std::size_t size)
      : begin(reinterpret_cast<std::uintptr_t>(at)), bytes(size) {}
  bool holds(std::uintptr_t address) const { return address - begin < bytes; }
};

/// A page that was looked up before.
struct Known {
  std::uintptr_t number = 0;
  Page* page = nullptr;
};

struct State {
  std::unordered_map<std::uintptr_t, std::unique_ptr<Page>> pages;
  std::array<Known, 1024> known;
  std::array<Thread, 1024> threads;
  Range shared, stack;
  int thread = -1;
  std::uint32_t block = 0, launch = 1;  ///< its first block
};

State& state() {
  static State* const one = new State;  // outlives what static objects do
  return *one;
}

Cell& cell_at(std::uintptr_t address) {
  State& s = state();
  const std::uintptr_t number = address / kPageBytes;
  Known& known = s.known[number % s.known.size()];
  if (known.number != number) {
    auto& page = s.pages[number];
    if (!page) page = std::make_unique<Page>();
    known = {number, page.get()};
  }
  return (*known.page)[address % kPageBytes / kCellBytes];
}

/// Blocks have shared memory of their own, though it has the same address.
bool is_global(std::uintptr_t address) {
  return !state().shared.holds(address) &&
         inside(runtime().device, reinterpret_cast<const void*>(address), 1);
}

bool in_this_launch(const Access& a) { return a.block >= state().launch; }

/// Whether an access is over for the thread that runs.
bool ordered(const Access& a, std::uintptr_t address) {
  const State& s = state();
  if (!in_this_launch(a)) return true;
  if (a.spread == Spread::blocks) return false;
  if (a.block != s.block) return !is_global(address);
  const Thread& me = s.threads[s.thread];
  if (a.barriers != me.barriers) return true;
  if (a.spread == Spread::warps || a.thread / 32 != s.thread / 32) return false;
  if (a.warp_barriers != me.warp_barriers) return true;
  return a.spread == Spread::thread && a.thread == s.thread;
}

Access access_now() {
  const State& s = state();
  const Thread& me = s.threads[s.thread];
  return {s.block, me.warp_barriers, me.barriers, static_cast<std::uint16_t>(s.thread),
          Spread::thread};
}

/// Adds the access of the thread that runs to those that `a` stands for.
void add(Access& a, std::uintptr_t address) {
  const State& s = state();
  const Access before = a;
  a = access_now();
  if (!in_this_launch(before)) return;
  if (before.block != s.block || before.spread == Spread::blocks) {
    if (before.spread == Spread::blocks || is_global(address)) a.spread = Spread::blocks;
  } else if (before.barriers == a.barriers) {
    if (before.spread == Spread::warps || before.thread / 32 != s.thread / 32)
      a.spread = Spread::warps;
    else if (before.warp_barriers == a.warp_barriers)
      a.spread = before.thread == s.thread ? before.spread : Spread::lanes;
  }
}

std::string describe(const Access& a) {
  if (a.spread == Spread::blocks) return "several blocks";
  if (a.block != state().block) return "another block's thread " + std::to_string(a.thread);
  return (a.spread == Spread::thread ? "thread " : "threads among them ") +
         std::to_string(a.thread);
}

[[noreturn]] void report(const std::string& other, const char* did, const char* does,
                         const void* place) {
  std::string text = "race in block " + std::to_string(blockIdx.x) + "," +
                     std::to_string(blockIdx.y) + "," + std::to_string(blockIdx.z) + ": " + other +
                     " " + did + " what thread " + std::to_string(state().thread) + " " + does;
  Dl_info info{};
  char where[32];
  if (dladdr(place, &info) != 0 && info.dli_fname) {
    std::snprintf(where, sizeof where, "+0x%tx",
                  static_cast<const char*>(place) - static_cast<const char*>(info.dli_fbase));
    text += std::string(" at ") + info.dli_fname + where;
  }
  fail(text.c_str());
}

enum class Kind { read, write, atomic, read_only };

void use_cell(Kind kind, std::uintptr_t address, const void* place) {
  Cell& cell = cell_at(address);
  const char* const does = kind == Kind::write    ? "writes"
                           : kind == Kind::atomic ? "changes by an atomic operation"
                                                  : "reads";
  if (!ordered(cell.write, address)) report(describe(cell.write), "wrote", does, place);
  if (kind != Kind::atomic && !ordered(cell.atomic, address))
    report(describe(cell.atomic), "changed by an atomic operation", does, place);
  const bool changes = kind == Kind::write || kind == Kind::atomic;
  if (changes && !ordered(cell.read, address)) report(describe(cell.read), "read", does, place);
  if (changes && cell.read_only >= state().launch)
    report("a thread", "read through the read-only cache", does, place);
  if (kind == Kind::read_only && (in_this_launch(cell.write) || in_this_launch(cell.atomic)))
    report("a thread", "changed", "reads through the read-only cache", place);
  if (kind == Kind::read_only) cell.read_only = state().block;
  if (kind == Kind::write)
    cell.write = access_now();
  else
    add(kind == Kind::atomic ? cell.atomic : cell.read, address);
}

void use(Kind kind, const void* pointer, std::size_t bytes, const void* place) {
  const State& s = state();
  const auto begin = reinterpret_cast<std::uintptr_t>(pointer);
  if (s.thread < 0 || s.stack.holds(begin)) return;
  for (auto at = begin / kCellBytes * kCellBytes; at < begin + bytes; at += kCellBytes)
    use_cell(kind, at, place);
}

}  // namespace

bool active = false;

void begin_launch() { state().launch = state().block + 1; }

void begin_block(const void* shared, std::size_t bytes) {
  State& s = state();
  ++s.block;
  s.shared = Range(shared, bytes);
  s.threads = {};
}

void enter_thread(int thread, const void* stack, std::size_t bytes) {
  state().thread = thread;
  state().stack = Range(stack, bytes);
}
void leave_thread() { state().thread = -1; }
void pass_barrier() { ++state().threads[state().thread].barriers; }
void pass_warp_barrier() { ++state().threads[state().thread].warp_barriers; }

void note_atomic(const void* address, std::size_t bytes) {
  use(Kind::atomic, address, bytes, __builtin_return_address(0));
}
void note_read_only(const void* address, std::size_t bytes) {
  use(Kind::read_only, address, bytes, __builtin_return_address(0));
}

}  // namespace emulation::races

// What the compiler calls before each access.
#define MDBENCH_ACCESS(name, kind, bytes)                                     \
  extern "C" void name(void* address) {                                       \
    using namespace emulation::races;                                         \
    if (active) use(Kind::kind, address, bytes, __builtin_return_address(0)); \
  }
#define MDBENCH_ACCESSES(bytes)                             \
  MDBENCH_ACCESS(__tsan_read##bytes, read, bytes)           \
  MDBENCH_ACCESS(__tsan_write##bytes, write, bytes)         \
  MDBENCH_ACCESS(__tsan_unaligned_read##bytes, read, bytes) \
  MDBENCH_ACCESS(__tsan_unaligned_write##bytes, write, bytes)
MDBENCH_ACCESSES(1)
MDBENCH_ACCESSES(2)
MDBENCH_ACCESSES(4)
MDBENCH_ACCESSES(8)
MDBENCH_ACCESSES(16)
extern "C" void __tsan_read_range(void* address, unsigned long bytes) {
  using namespace emulation::races;
  if (active) use(Kind::read, address, bytes, __builtin_return_address(0));
}
extern "C" void __tsan_write_range(void* address, unsigned long bytes) {
  using namespace emulation::races;
  if (active) use(Kind::write, address, bytes, __builtin_return_address(0));
}
extern "C" void __tsan_vptr_update(void*, void*) {}
extern "C" void __tsan_init() {
  emulation::races::active = std::getenv("MDBENCH_EMULATION_RACES") != nullptr;
}
