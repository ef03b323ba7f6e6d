#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "cuda_emulation/emulator.hpp"

namespace stamarker::cuda_emulation {

/// Who accesses, and when. An interval lies between two barriers of the block, a warp's between
/// two barriers of the warp; neither number is ever used again.
struct Accessor {
  std::uint64_t interval = 0, warp_interval = 0;
  unsigned thread = 0;
};

/// Remembers who touched each word of a block's shared memory since the last barriers. Two
/// accesses are ordered when a barrier of the block, or of their common warp, lies between them;
/// of two that are not, by different threads, both must read or both be atomic.
class RaceChecker {
 public:
  /// A new block whose first interval this is: all of its `bytes` are unwritten.
  void begin_block(std::size_t bytes, std::uint64_t interval);
  /// What is wrong with this access, in words; empty when nothing is.
  std::string note(std::size_t first, std::size_t bytes, Access access, const Accessor& by);

 private:
  /// The threads that made one kind of access in one interval.
  struct Users {
    std::uint64_t interval = 0, warp_interval = 0;
    unsigned warps = 0, lanes = 0;  // lanes count while warps is one warp

    bool others(const Accessor& by) const;
    void add(const Accessor& by);
    std::string describe() const;
  };
  struct Word {
    std::uint64_t written_since = 0;  // first interval of the block that wrote it
    Users read, write, atomic;
  };
  std::vector<Word> words_;
  std::uint64_t block_ = 0;
};

}  // namespace stamarker::cuda_emulation
