#include "io/in_place_file.hpp"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "base/error.hpp"

namespace stamarker {
namespace {

void refuse_other_kinds(const std::string& path, mode_t mode) {
  if (S_ISREG(mode) || S_ISDIR(mode)) return;
  throw InputError(fmt::format("{} is a {}, and this file is written in place; delete it", path,
                               S_ISLNK(mode) ? "symbolic link" : "pipe or device"));
}

}  // namespace

void check_in_place(const std::string& path) {
  struct stat status = {};
  if (lstat(path.c_str(), &status) == 0) refuse_other_kinds(path, status.st_mode);
}

int open_in_place(const std::string& path, int flags) {
  // A pipe that nobody reads would be waited for.
  const int file = open(path.c_str(), flags | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0666);
  const int error = errno;
  struct stat status = {};
  if (file < 0) {
    check_in_place(path);
  } else if (fstat(file, &status) == 0 && !S_ISREG(status.st_mode)) {
    close(file);
    refuse_other_kinds(path, status.st_mode);
  }
  errno = error;
  return file;
}

}  // namespace stamarker
