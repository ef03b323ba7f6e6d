#include "cuda_emulation/emulator.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstdlib>
#include <exception>
#include <memory>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "base/random.hpp"
#include "cuda_emulation/device.hpp"
#include "cuda_emulation/fiber.hpp"
#include "cuda_emulation/race_checker.hpp"

namespace stamarker::cuda_emulation {
namespace {

constexpr int lanes = 32;  // of a warp
constexpr unsigned every_lane = 0xffffffffu;
constexpr int most_threads = 1024;
constexpr std::size_t most_shared_bytes = std::size_t{227} << 10;  // of a block from sm_90 on
constexpr unsigned most_blocks_y = 65535;

enum class Meeting { barrier, exchange, ballot };

struct Thread {
  std::unique_ptr<Fiber> fiber;
  bool is_finished = true, is_at_block_barrier = false;
  Site where{"", 0};
  Meeting meeting = Meeting::barrier;
  unsigned mask = 0;                     // whom it meets
  std::uint64_t brought = 0, taken = 0;  // to the meeting, from it
  int from = 0;                          // the lane whose value it wants
};

struct Warp {
  unsigned ready = 0;     // lanes that can go on
  unsigned finished = 0;  // lanes that have returned
  unsigned meeting = 0;   // lanes that wait for others of the warp
  std::uint64_t interval = 0;
};

bool same(Site a, Site b) { return a.file == b.file && a.line == b.line; }

/// The threads of the block that runs, on this thread of the host.
class Block {
 public:
  void run(const Grid& grid);

  void wait_for_block(Site where);
  std::uint64_t meet(Meeting meeting, unsigned mask, std::uint64_t value, int from, Site where);
  Piece take(std::size_t first, std::size_t bytes, int index);
  void note(const Piece& piece, std::size_t first, std::size_t bytes, Access access);
  [[noreturn]] void fault(const std::string& what) const;

 private:
  static void run_thread(void* of);
  void prepare_threads(int n);
  void run_block(RandomSequence& random);
  void resume(int thread);
  bool all_meet(const Thread& self) const;
  void finish_meeting(const Thread& last);
  [[noreturn]] void fault_stuck() const;
  int warp_start() const { return current_ / lanes * lanes; }

  const Grid* grid_ = nullptr;
  std::vector<Thread> threads_;  // as many as any launch had
  std::vector<Warp> warps_;
  std::vector<std::pair<std::size_t, std::size_t>> pieces_;  // first byte, bytes
  std::unique_ptr<std::byte[]> shared_ = std::make_unique<std::byte[]>(most_shared_bytes);
  RaceChecker races_;
  std::exception_ptr failure_;
  std::uint64_t interval_ = 0;  // never used again, also for warps
  std::uint64_t block_interval_ = 0;
  std::uint32_t n_launches_ = 0;
  int current_ = 0, n_at_barrier_ = 0, n_finished_ = 0;
};

Block& block() {
  static thread_local Block the_block;
  return the_block;
}

std::string place(Site where) { return std::string(where.file) + ':' + std::to_string(where.line); }

/// Whether STM_SKIP_BARRIER (the end of a file's path, and :line) names this barrier, which then
/// does nothing: scripts/check_barriers sees so whether a test fails without it.
bool is_skipped(Site where) {
  static const char* const skipped = std::getenv("STM_SKIP_BARRIER");
  return skipped != nullptr && place(where).ends_with(skipped);
}

void Block::fault(const std::string& what) const {
  throw KernelFault(what + "; thread " + std::to_string(current_) + " of block " +
                    std::to_string(blockIdx.x) + ", kernel launched" + at(grid_->where));
}

/// What each fiber does: the kernel for its thread, again and again.
void Block::run_thread(void* of) {
  Block& block = *static_cast<Block*>(of);
  for (;;) {
    try {
      block.grid_->body(block.grid_->context);
    } catch (...) {
      block.failure_ = std::current_exception();
    }
    Thread& self = block.threads_[block.current_];
    self.is_finished = true;
    block.warps_[block.current_ / lanes].finished |= 1u << (block.current_ % lanes);
    ++block.n_finished_;
    self.fiber->pause();
  }
}

void Block::prepare_threads(int n) {
  while (static_cast<int>(threads_.size()) < n) {
    threads_.emplace_back();
    threads_.back().fiber = std::make_unique<Fiber>(&Block::run_thread, this);
  }
}

void Block::run(const Grid& grid) {
  grid_ = &grid;
  expects(grid.n_threads > 0 && grid.n_threads <= most_threads && grid.n_threads % lanes == 0,
          "1 to 32 whole warps a block", grid.where);
  expects(grid.shared_bytes <= most_shared_bytes, "at most 227 KiB of shared memory", grid.where);
  expects(grid.n_blocks.y <= most_blocks_y, "at most 65535 blocks in y", grid.where);
  prepare_threads(grid.n_threads);
  gridDim = grid.n_blocks;
  blockDim = {static_cast<unsigned>(grid.n_threads), 1, 1};
  RandomSequence random({n_launches_++, 0, Purpose::simulation}, 0);
  std::vector<unsigned> order(std::size_t{grid.n_blocks.x} * grid.n_blocks.y);
  std::iota(order.begin(), order.end(), 0u);
  std::shuffle(order.begin(), order.end(), random);
  for (const unsigned k : order) {
    blockIdx = {k % grid.n_blocks.x, k / grid.n_blocks.x, 0};
    try {
      run_block(random);
    } catch (...) {
      for (int t = 0; t < grid.n_threads; ++t)  // those that wait will never go on
        if (!threads_[t].is_finished) threads_[t].fiber->restart();
      throw;
    }
  }
}

/// Lets the warps, in random order, each run until all of its lanes wait or have returned.
void Block::run_block(RandomSequence& random) {
  const int n_warps = grid_->n_threads / lanes;
  n_at_barrier_ = n_finished_ = 0;
  block_interval_ = ++interval_;
  pieces_.clear();
  races_.begin_block(grid_->shared_bytes, interval_);
  warps_.assign(n_warps, {.ready = every_lane, .interval = ++interval_});
  for (int t = 0; t < grid_->n_threads; ++t)
    threads_[t].is_finished = threads_[t].is_at_block_barrier = false;
  std::vector<int> order(n_warps);
  std::iota(order.begin(), order.end(), 0);
  std::shuffle(order.begin(), order.end(), random);
  const unsigned stride = 2 * random.below(lanes / 2) + 1, offset = random.below(lanes);
  while (n_finished_ < grid_->n_threads) {
    bool has_moved = false;
    for (const int w : order)
      while (warps_[w].ready != 0) {
        has_moved = true;
        for (unsigned k = 0; k < lanes; ++k) {
          const unsigned lane = (k * stride + offset) % lanes;
          if ((warps_[w].ready >> lane & 1u) != 0) resume(w * lanes + static_cast<int>(lane));
        }
      }
    if (!has_moved) fault_stuck();
  }
}

void Block::resume(int thread) {
  current_ = thread;
  threadIdx = {static_cast<unsigned>(thread), 0, 0};
  warps_[thread / lanes].ready &= ~(1u << (thread % lanes));
  threads_[thread].fiber->resume();
  if (failure_ != nullptr) std::rethrow_exception(std::exchange(failure_, nullptr));
}

/// No thread can go on. Says for whom two of them wait.
void Block::fault_stuck() const {
  std::string what = "threads wait for each other for ever:";
  std::string last;
  for (int t = 0; t < grid_->n_threads; ++t) {
    const Thread& thread = threads_[t];
    std::string doing = thread.is_finished
                            ? " has returned"
                            : (thread.is_at_block_barrier ? " waits for its block at "
                                                          : " waits for its warp at ") +
                                  place(thread.where);
    if (doing == last) continue;
    what += " thread " + std::to_string(t) + doing + ';';
    last = std::move(doing);
  }
  throw KernelFault(what + " kernel launched" + at(grid_->where));
}

void Block::wait_for_block(Site where) {
  Thread& self = threads_[current_];
  self.where = where;
  self.is_at_block_barrier = true;
  if (++n_at_barrier_ < grid_->n_threads) {
    self.fiber->pause();
    return;
  }
  for (int t = 0; t < grid_->n_threads; ++t) {
    threads_[t].is_at_block_barrier = false;
    if (!same(threads_[t].where, where))
      fault("threads of a block wait at different barriers: thread " + std::to_string(t) + " at " +
            place(threads_[t].where) + ", another at " + place(where));
  }
  n_at_barrier_ = 0;
  block_interval_ = ++interval_;
  for (Warp& warp : warps_) warp.ready = every_lane;
  warps_[current_ / lanes].ready &= ~(1u << (current_ % lanes));
}

/// Waits until all lanes of `mask` have come to the same meeting, then returns what `from` brought
/// (exchange) or who brought something other than 0 (ballot).
std::uint64_t Block::meet(Meeting meeting, unsigned mask, std::uint64_t value, int from,
                          Site where) {
  const int lane = current_ % lanes;
  Warp& warp = warps_[current_ / lanes];
  if ((mask >> lane & 1u) == 0) fault("a lane is not in its own mask at " + place(where));
  if ((mask >> from & 1u) == 0)
    fault("lane " + std::to_string(from) + " is read but not in the mask at " + place(where));
  if ((mask & warp.finished) != 0)
    fault("the mask names a lane that has returned at " + place(where));
  Thread& self = threads_[current_];
  self.where = where;
  self.meeting = meeting;
  self.mask = mask;
  self.brought = value;
  self.from = from;
  warp.meeting |= 1u << lane;
  if ((warp.meeting & mask) == mask && all_meet(self))
    finish_meeting(self);
  else
    self.fiber->pause();
  return self.taken;
}

/// Whether those whom `self` wants to meet want to meet it.
bool Block::all_meet(const Thread& self) const {
  for (unsigned left = self.mask; left != 0; left &= left - 1) {
    const Thread& other = threads_[warp_start() + std::countr_zero(left)];
    if (other.mask != self.mask || other.meeting != self.meeting || !same(other.where, self.where))
      return false;
  }
  return true;
}

void Block::finish_meeting(const Thread& last) {
  Warp& warp = warps_[current_ / lanes];
  Thread* first = &threads_[warp_start()];
  const Meeting meeting = last.meeting;
  const unsigned mask = last.mask;
  unsigned votes = 0;
  for (int k = 0; k < lanes; ++k)
    if ((mask >> k & 1u) != 0 && first[k].brought != 0) votes |= 1u << k;
  for (int k = 0; k < lanes; ++k) {
    if ((mask >> k & 1u) == 0) continue;
    first[k].taken = meeting == Meeting::ballot ? votes : first[first[k].from].brought;
  }
  // A barrier of part of the warp orders its lanes too, but who needs one tells the checker more
  // than it can hold: only that of the whole warp counts.
  if (meeting == Meeting::barrier && mask == ~warp.finished) warp.interval = ++interval_;
  warp.meeting &= ~mask;
  warp.ready |= mask & ~(1u << (current_ % lanes));
}

Piece Block::take(std::size_t first, std::size_t bytes, int index) {
  if (first + bytes > grid_->shared_bytes)
    fault("piece " + std::to_string(index) + " of shared memory ends at byte " +
          std::to_string(first + bytes) + ", launched with " + std::to_string(grid_->shared_bytes));
  const auto k = static_cast<std::size_t>(index);
  if (k == pieces_.size()) pieces_.emplace_back(first, bytes);
  if (k > pieces_.size() || pieces_[k] != std::pair(first, bytes))
    fault("threads take different pieces of shared memory (piece " + std::to_string(index) + ')');
  return {shared_.get() + first, first, index};
}

void Block::note(const Piece& piece, std::size_t first, std::size_t bytes, Access access) {
  const Accessor by{block_interval_, warps_[current_ / lanes].interval,
                    static_cast<unsigned>(current_)};
  const std::string problem = races_.note(first, bytes, access, by);
  if (problem.empty()) return;
  const char* verb = access == Access::read ? "read" : "write";
  fault("piece " + std::to_string(piece.index) + " of shared memory, element " +
        std::to_string((first - piece.first) / bytes) + ' ' + problem +
        " without a barrier before this " + verb);
}

}  // namespace

void run(const Grid& grid) { block().run(grid); }
void wait_for_block(Site where) {
  if (!is_skipped(where)) block().wait_for_block(where);
}
void wait_for_warp(unsigned mask, Site where) {
  if (is_skipped(where)) return;
  const int lane = static_cast<int>(threadIdx.x) % lanes;
  block().meet(Meeting::barrier, mask, 0, lane, where);
}
std::uint64_t exchange(unsigned mask, std::uint64_t value, int from, Site where) {
  return block().meet(Meeting::exchange, mask, value, from, where);
}
unsigned ballot(unsigned mask, bool predicate, Site where) {
  const int lane = static_cast<int>(threadIdx.x) % lanes;
  return static_cast<unsigned>(block().meet(Meeting::ballot, mask, predicate ? 1 : 0, lane, where));
}

Piece take_shared(std::size_t first, std::size_t bytes, int index) {
  return block().take(first, bytes, index);
}
void note_access(const Piece& piece, std::size_t first, std::size_t bytes, Access access) {
  block().note(piece, first, bytes, access);
}
void fault_out_of_bounds(const Piece& piece, std::int64_t element, std::size_t size) {
  block().fault("element " + std::to_string(element) + " of piece " + std::to_string(piece.index) +
                " of shared memory, which has " + std::to_string(size));
}
void fault_misaligned(const Piece& piece, std::size_t offset, std::size_t alignment) {
  block().fault("byte " + std::to_string(offset) + " of piece " + std::to_string(piece.index) +
                " of shared memory is not aligned to " + std::to_string(alignment));
}

}  // namespace stamarker::cuda_emulation
