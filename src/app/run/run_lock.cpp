#include "app/run/run_lock.hpp"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <string_view>
#include <system_error>

#include "app/run/machine.hpp"
#include "base/error.hpp"
#include "io/in_place_file.hpp"

namespace stamarker {
namespace {

std::string this_process() { return fmt::format("process {} on {}", getpid(), host_name()); }

/// What the holder wrote; empty when it has not yet, or could not.
std::string text_of(int file) {
  std::array<char, 512> text{};
  const ssize_t n = pread(file, text.data(), text.size(), 0);
  std::string_view line(text.data(), n > 0 ? static_cast<std::size_t>(n) : 0);
  return std::string(line.substr(0, line.find('\n')));
}

/// Whether the path still leads to the open file, not to a later one or nowhere.
bool is_at(int file, const std::string& path) {
  struct stat opened = {};
  struct stat named = {};
  return fstat(file, &opened) == 0 && stat(path.c_str(), &named) == 0 &&
         opened.st_dev == named.st_dev && opened.st_ino == named.st_ino;
}

int lock_at_once(int file) {
  int status = 0;
  do status = flock(file, LOCK_EX | LOCK_NB);
  while (status != 0 && errno == EINTR);
  return status == 0 ? 0 : errno;
}

}  // namespace

RunLock::RunLock(const std::string& directory, const std::function<void(const std::string&)>& warn)
    : path_(directory + "/run.lock") {
  int failure = 0;
  do {  // anew when the holder before deleted the file between our opening and locking it
    if (file_ >= 0) close(file_);
    file_ = open_in_place(path_, O_RDWR);
    failure = file_ < 0 ? errno : lock_at_once(file_);
  } while (failure == 0 && !is_at(file_, path_));
  if (failure == EWOULDBLOCK) {
    const std::string holder = text_of(file_);
    close(file_);
    throw InputError(fmt::format(
        "output = {} (in use by another run{}; wait for its end, or choose another output)",
        directory, holder.empty() ? "" : ", " + holder));
  }
  if (failure != 0) {
    warn(fmt::format("{} cannot be locked ({}); see to it that no other run uses output = {}",
                     path_, std::generic_category().message(failure), directory));
    return;
  }
  const std::string holder = this_process() + "\n";
  if (ftruncate(file_, 0) != 0 || pwrite(file_, holder.data(), holder.size(), 0) < 0)
    return;  // a full disk: locked all the same, by nobody in particular
}

RunLock::~RunLock() {
  if (file_ < 0) return;
  if (is_at(file_, path_)) unlink(path_.c_str());  // before it is unlocked: it is ours to the end
  close(file_);
}

}  // namespace stamarker
