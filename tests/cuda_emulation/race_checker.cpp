#include "cuda_emulation/race_checker.hpp"

#include <bit>

namespace stamarker::cuda_emulation {
namespace {

unsigned bit(unsigned k) { return 1u << k; }
unsigned warp_of(const Accessor& by) { return by.thread / 32; }

}  // namespace

/// Whether a thread other than `by` is among the users, with no barrier between.
bool RaceChecker::Users::others(const Accessor& by) const {
  if (interval != by.interval) return false;
  if ((warps & ~bit(warp_of(by))) != 0) return true;
  return warp_interval == by.warp_interval && (lanes & ~bit(by.thread % 32)) != 0;
}

void RaceChecker::Users::add(const Accessor& by) {
  if (interval != by.interval) warps = 0;
  if (warps == 0 || warp_interval != by.warp_interval) lanes = 0;
  interval = by.interval;
  warp_interval = by.warp_interval;
  warps |= bit(warp_of(by));
  lanes |= bit(by.thread % 32);
}

std::string RaceChecker::Users::describe() const {
  if (std::popcount(warps) > 1) return "threads of several warps";
  const int first = std::countr_zero(warps) * 32;
  if (std::popcount(lanes) == 1) return "thread " + std::to_string(first + std::countr_zero(lanes));
  return "threads of warp " + std::to_string(first / 32);
}

void RaceChecker::begin_block(std::size_t bytes, std::uint64_t interval) {
  if (words_.size() < (bytes + 3) / 4) words_.resize((bytes + 3) / 4);
  block_ = interval;
}

std::string RaceChecker::note(std::size_t first, std::size_t bytes, Access access,
                              const Accessor& by) {
  for (std::size_t k = first / 4; k < (first + bytes + 3) / 4; ++k) {
    Word& word = words_[k];
    const bool is_written = word.written_since == block_;
    if (access != Access::write && !is_written) return "is read, but no thread has written it";
    if (word.write.others(by)) return "was written by " + word.write.describe();
    if (access != Access::read && word.read.others(by))
      return "was read by " + word.read.describe();
    if (access != Access::atomic && word.atomic.others(by))
      return "was changed by an atomic of " + word.atomic.describe();
    if (access != Access::read) word.written_since = block_;
    Users& users = access == Access::read    ? word.read
                   : access == Access::write ? word.write
                                             : word.atomic;
    users.add(by);
  }
  return {};
}

}  // namespace stamarker::cuda_emulation
