#pragma once
#include <unistd.h>

#include <filesystem>
#include <string>

#include "comm/comm.hpp"

namespace stamarker::test {

/// A folder of its own for one test, the same on all ranks, removed at the end.
class Scratch {
 public:
  explicit Scratch(const Comm& comm)
      : comm_(comm),
        folder_(comm.broadcast(
            (std::filesystem::temp_directory_path() / ("stamarker_io_" + std::to_string(getpid())))
                .string())) {
    if (comm_.rank() == 0) std::filesystem::create_directories(folder_);
    comm_.barrier();
  }
  ~Scratch() {
    comm_.barrier();
    std::error_code ignored;
    if (comm_.rank() == 0) std::filesystem::remove_all(folder_, ignored);
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  std::string operator/(const std::string& name) const { return folder_ / name; }
  bool is_empty() const { return std::filesystem::is_empty(folder_); }

 private:
  const Comm& comm_;
  std::filesystem::path folder_;
};

}  // namespace stamarker::test
