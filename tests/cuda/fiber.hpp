// SPDX-License-Identifier: MIT
// Stacks, and going from one to another.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>

#if !defined(__x86_64__)
#include <ucontext.h>
#endif

#if defined(__x86_64__)
// swapcontext makes a system call each time; this is ten times faster.
extern "C" void mdbench_switch_stack(void** from, void* to);
asm(R"(
  .pushsection .text
  .type mdbench_switch_stack, @function
  .hidden mdbench_switch_stack
  .globl mdbench_switch_stack
mdbench_switch_stack:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
  .size mdbench_switch_stack, . - mdbench_switch_stack
  .popsection
)");
#endif

namespace emulation {

[[noreturn]] void fail(const char* message);

inline constexpr std::size_t kStackBytes = 256 * 1024;

/// Memory for a fiber's stack; running over its end stops the program.
class Stack {
 public:
  Stack() : guard_(static_cast<std::size_t>(sysconf(_SC_PAGESIZE))) {
    memory_ = static_cast<char*>(mmap(nullptr, guard_ + kStackBytes, PROT_READ | PROT_WRITE,
                                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
    if (memory_ == MAP_FAILED || mprotect(memory_, guard_, PROT_NONE) != 0)
      fail("no memory for the stack of a thread");
  }
  ~Stack() { munmap(memory_, guard_ + kStackBytes); }
  Stack(const Stack&) = delete;
  Stack& operator=(const Stack&) = delete;
  char* bottom() const { return memory_ + guard_; }

 private:
  std::size_t guard_;
  char* memory_;
};

#if defined(__x86_64__)
struct Context {
  void* stack_pointer = nullptr;

  void prepare(char* stack, void (*entry)()) {
    // what mdbench_switch_stack takes from the stack: six registers, then where to go on
    auto** top = reinterpret_cast<void**>(stack + kStackBytes) - 8;
    std::fill(top, top + 8, nullptr);
    top[6] = reinterpret_cast<void*>(entry);
    stack_pointer = top;
  }
};
inline void jump(Context& from, Context& to) {
  mdbench_switch_stack(&from.stack_pointer, to.stack_pointer);
}
#else
struct Context {
  ucontext_t context;

  void prepare(char* stack, void (*entry)()) {
    getcontext(&context);
    context.uc_stack.ss_sp = stack;
    context.uc_stack.ss_size = kStackBytes;
    makecontext(&context, entry, 0);
  }
};
inline void jump(Context& from, Context& to) { swapcontext(&from.context, &to.context); }
#endif

}  // namespace emulation
