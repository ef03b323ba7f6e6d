#pragma once
#include <string>

namespace stamarker {

/// Names a file to report_crashes while it is being read. For one thread; where several files are
/// open, the one opened last is named.
class FileBeingRead {
 public:
  explicit FileBeingRead(const std::string& path);
  ~FileBeingRead();
  FileBeingRead(const FileBeingRead&) = delete;
  FileBeingRead& operator=(const FileBeingRead&) = delete;

  const std::string& line() const { return line_; }  // of a crash

 private:
  std::string line_;
  FileBeingRead *older_, *newer_ = nullptr;
};

/// From now on a process that crashes (SIGSEGV, SIGBUS, SIGFPE, SIGABRT) while it reads a file
/// names that file in one line on standard error: libraries that read damaged files may crash. The
/// signal then ends the process as before.
void report_crashes();

}  // namespace stamarker
