#include "cuda_emulation/fiber.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <new>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

namespace stamarker::cuda_emulation {
namespace {

constexpr std::size_t stack_bytes = std::size_t{1} << 17;

std::size_t page() { return static_cast<std::size_t>(sysconf(_SC_PAGESIZE)); }

// setcontext() changes the signal mask, a system call for each switch; so it only starts a fiber,
// and the compiler's setjmp, which saves three registers, does the rest. Not inlined: a function
// may not jump to a place of its own. Not instrumented: AddressSanitizer would clear its notes on a
// whole stack before each jump.
[[noreturn]] __attribute__((noinline, no_sanitize_address)) void jump(void** registers) {
  __builtin_longjmp(registers, 1);
}

}  // namespace

Fiber::Fiber(void (*entry)(void*), void* argument) : entry_(entry), argument_(argument) {
  void* memory = mmap(nullptr, stack_bytes + page(), PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  memory_ = static_cast<std::byte*>(memory);
  mprotect(memory_, page(), PROT_NONE);
}

Fiber::~Fiber() { munmap(memory_, stack_bytes + page()); }

void Fiber::first_run(unsigned low, unsigned high) {
  // NOLINTNEXTLINE(performance-no-int-to-ptr): makecontext() passes integers only
  auto* fiber = reinterpret_cast<Fiber*>(std::uintptr_t{low} | (std::uintptr_t{high} << 32));
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(nullptr, &fiber->outside_stack_, &fiber->outside_size_);
#endif
  fiber->entry_(fiber->argument_);
}

void Fiber::restart() { is_started_ = false; }

__attribute__((noinline, no_sanitize_address)) void Fiber::resume() {
#if defined(__SANITIZE_ADDRESS__)
  if (!is_started_) __asan_unpoison_memory_region(memory_ + page(), stack_bytes);
  __sanitizer_start_switch_fiber(&outside_fake_, memory_ + page(), stack_bytes);
#endif
  if (__builtin_setjmp(outside_registers_) == 0) {
    if (is_started_) jump(inside_registers_);
    is_started_ = true;
    getcontext(&start_);
    start_.uc_stack.ss_sp = memory_ + page();
    start_.uc_stack.ss_size = stack_bytes;
    start_.uc_link = nullptr;
    const auto self = reinterpret_cast<std::uintptr_t>(this);
    makecontext(&start_, reinterpret_cast<void (*)()>(&Fiber::first_run), 2,
                static_cast<unsigned>(self), static_cast<unsigned>(self >> 32));
    setcontext(&start_);
  }
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(outside_fake_, nullptr, nullptr);
#endif
}

__attribute__((noinline, no_sanitize_address)) void Fiber::pause() {
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_start_switch_fiber(&inside_fake_, outside_stack_, outside_size_);
#endif
  if (__builtin_setjmp(inside_registers_) == 0) jump(outside_registers_);
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(inside_fake_, &outside_stack_, &outside_size_);
#endif
}

}  // namespace stamarker::cuda_emulation
