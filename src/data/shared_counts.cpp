#include "data/shared_counts.hpp"

#include <algorithm>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <utility>

#include "data/sparse_rows.hpp"

namespace stamarker {
namespace {

/// Lets threads end their blocks in the order in which these lie, until one fails.
class Turns {
 public:
  explicit Turns(int first) : next_(first) {}

  /// Waits until the blocks before [first, last) have ended, then runs `work`.
  void take(int first, int last, const std::function<void()>& work) {
    std::unique_lock lock(mutex_);
    has_moved_.wait(lock, [&] { return next_ == first; });
    try {
      if (!failure_) work();
    } catch (...) {
      failure_ = std::current_exception();
    }
    next_ = last;
    has_moved_.notify_all();
  }
  bool has_failed() {
    const std::lock_guard lock(mutex_);
    return failure_ != nullptr;
  }
  void rethrow() const {
    if (failure_) std::rethrow_exception(failure_);
  }

 private:
  std::mutex mutex_;
  std::condition_variable has_moved_;
  int next_;
  std::exception_ptr failure_;
};

}  // namespace

void SharedCounts::visit_blocks(int begin, int end, const ReadBlock& read, const Visitor& work) {
  std::mutex reading;
  int unread = begin;
  Turns turns(begin);
#pragma omp parallel
  {
    SparseRows rows;  // whose memory serves all blocks of this thread
    while (!turns.has_failed()) {
      std::exception_ptr failure;
      int first = 0;
      BegunBlock block;
      {
        const std::lock_guard lock(reading);
        first = unread;
        if (first == end) break;
        try {
          block = read(first, rows);
        } catch (...) {
          failure = std::current_exception();
          block = {end, {}};
        }
        unread = block.end;
      }
      InOrder finish;
      try {
        if (!failure) {
          std::exchange(block.finish, {})();
          finish = work(first, rows);
        }
      } catch (...) {
        failure = std::current_exception();
      }
      turns.take(first, block.end, [&] {
        if (failure) std::rethrow_exception(failure);
        finish();
      });
    }
  }
  turns.rethrow();
}

void CountsInMemory::visit(const Visitor& work) {
  visit_blocks(
      0, n_spots(),
      [&](int first, SparseRows& rows) {
        const int last = std::min(n_spots(), first + block_rows_);
        return BegunBlock{last, [&, first, last] { rows = rows_of(data_.counts, first, last); }};
      },
      work);
}

}  // namespace stamarker
