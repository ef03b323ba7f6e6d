#pragma once
#include <functional>
#include <string>

namespace stamarker {

/// Keeps other runs out of a run directory while it lives: a lock of the kernel (flock) on the file
/// `run.lock` in it, which names the process that holds it. The lock ends with the process, however
/// that ends; the `run.lock` of a killed one locks nothing.
class RunLock {
 public:
  /// Throws InputError: another run holds the lock, or run.lock is a symbolic link. Where it cannot
  /// be had for another reason (a file system without locks), `warn` is called once, and nobody is
  /// kept out.
  RunLock(const std::string& directory, const std::function<void(const std::string&)>& warn);
  ~RunLock();  // deletes run.lock
  RunLock(const RunLock&) = delete;
  RunLock& operator=(const RunLock&) = delete;

 private:
  std::string path_;
  int file_ = -1;
};

}  // namespace stamarker
