#pragma once
#include <cstddef>
#include <cstdint>
#include <stdexcept>

#include "base/error.hpp"

struct uint3 {
  unsigned x = 0, y = 0, z = 0;
};
struct dim3 {
  unsigned x = 1, y = 1, z = 1;
};

/// Runs kernels on the host to test them: the threads of a block are fibers of one thread, blocks
/// run one after another in random order. What a GPU leaves undefined and kernels must not do is a
/// KernelFault: threads at different barriers, a shuffle with a lane that is not there, two threads
/// at one element of shared memory without a barrier between them, an element read before it is
/// written or outside its array.
namespace stamarker::cuda_emulation {

/// A kernel broke a rule. The message says which, where and by whom.
struct KernelFault : std::logic_error {
  using logic_error::logic_error;
};

/// Called by the threads of a kernel.
void wait_for_block(Site where);
void wait_for_warp(unsigned mask, Site where);
/// Meets the lanes of `mask`, then returns what lane `from` of the warp brought.
std::uint64_t exchange(unsigned mask, std::uint64_t value, int from, Site where);
/// The lanes of `mask` whose predicate is true.
unsigned ballot(unsigned mask, bool predicate, Site where);

/// One launch. `body(context)` is what each thread runs.
struct Grid {
  dim3 n_blocks;
  int n_threads = 0;  // of a block, a multiple of 32
  std::size_t shared_bytes = 0;
  Site where;
  void (*body)(void*) = nullptr;
  void* context = nullptr;
};
/// Runs all blocks. Throws KernelFault.
void run(const Grid& grid);

/// An array within the block's shared memory, as the checker knows it.
struct Piece {
  std::byte* data = nullptr;
  std::size_t first = 0;  // byte within the block's shared memory
  int index = 0;          // counted from 0 in the order of taking
};
/// The piece of `bytes` that starts at `first`. Throws KernelFault beyond what was launched with.
Piece take_shared(std::size_t first, std::size_t bytes, int index);

enum class Access { read, write, atomic };
/// Checks and notes an access of this thread to `bytes` of shared memory from byte `first` on.
void note_access(const Piece& piece, std::size_t first, std::size_t bytes, Access access);
[[noreturn]] void fault_out_of_bounds(const Piece& piece, std::int64_t element, std::size_t size);
[[noreturn]] void fault_misaligned(const Piece& piece, std::size_t offset, std::size_t alignment);

}  // namespace stamarker::cuda_emulation
