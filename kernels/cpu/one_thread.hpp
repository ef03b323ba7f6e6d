#pragma once
#include <omp.h>

namespace stamarker {

/// While it lives, parallel regions that this thread begins have one thread. Inside a parallel
/// region they have anyhow.
class OneThread {
 public:
  OneThread() : before_(omp_get_max_threads()) {
    if (omp_in_parallel() == 0) omp_set_num_threads(1);
  }
  ~OneThread() {
    if (omp_in_parallel() == 0) omp_set_num_threads(before_);
  }
  OneThread(const OneThread&) = delete;
  OneThread& operator=(const OneThread&) = delete;

 private:
  int before_;
};

}  // namespace stamarker
