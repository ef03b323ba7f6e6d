#pragma once
#include <ucontext.h>

#include <cstddef>

namespace stamarker::cuda_emulation {

/// A stack of its own that runs `entry(argument)`, in turns with the code that resumes it.
class Fiber {
 public:
  /// `entry` never returns: it hands over by pause().
  Fiber(void (*entry)(void*), void* argument);
  ~Fiber();
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;

  /// Runs the fiber until its next pause(). From outside.
  void resume();
  /// Goes on behind resume(). From inside.
  void pause();
  /// The next resume() starts at `entry` again; whatever stood on the stack is forgotten.
  void restart();

 private:
  using Registers = void* [5];  // what __builtin_setjmp saves
  static void first_run(unsigned low, unsigned high);

  void (*entry_)(void*);
  void* argument_;
  std::byte* memory_ = nullptr;  // a guard page, then the stack
  bool is_started_ = false;
  ucontext_t start_{};
  Registers inside_registers_{}, outside_registers_{};
  // What AddressSanitizer wants to know of both stacks.
  [[maybe_unused]] void* inside_fake_ = nullptr;
  [[maybe_unused]] void* outside_fake_ = nullptr;
  [[maybe_unused]] const void* outside_stack_ = nullptr;
  [[maybe_unused]] std::size_t outside_size_ = 0;
};

}  // namespace stamarker::cuda_emulation
