#include "io/descriptor.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

namespace stamarker {

Descriptor::Descriptor(const std::string& path, int flags)
    : id_(open(path.c_str(), flags | O_CLOEXEC, 0666)) {}

Descriptor::~Descriptor() { close(); }

int Descriptor::read(std::int64_t offset, std::span<char> bytes) const {
  while (!bytes.empty()) {
    const ssize_t n = pread(id_, bytes.data(), bytes.size(), offset);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return n < 0 ? errno : EIO;
    bytes = bytes.subspan(static_cast<std::size_t>(n));
    offset += n;
  }
  return 0;
}

int Descriptor::write(std::int64_t offset, std::span<const char> bytes) const {
  while (!bytes.empty()) {
    const ssize_t n = pwrite(id_, bytes.data(), bytes.size(), offset);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return n < 0 ? errno : EIO;
    bytes = bytes.subspan(static_cast<std::size_t>(n));
    offset += n;
  }
  return 0;
}

int Descriptor::flush() const {
  return fsync(id_) == 0 || errno == EINVAL || errno == ENOTSUP ? 0 : errno;
}

int Descriptor::close() {
  const int id = std::exchange(id_, -1);
  return id < 0 || ::close(id) == 0 ? 0 : errno;
}

}  // namespace stamarker
