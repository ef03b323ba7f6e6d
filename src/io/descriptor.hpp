#pragma once
#include <cstdint>
#include <span>
#include <string>

namespace stamarker {

/// A file that is open in the system. Several threads may read or write it at once.
class Descriptor {
 public:
  /// `flags`: those of open(2). is_open() tells whether it succeeded, errno why not.
  Descriptor(const std::string& path, int flags);
  ~Descriptor();
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;

  bool is_open() const { return id_ >= 0; }
  int id() const { return id_; }
  // These return 0 or the error number.

  /// Fills `bytes` from `offset` on. EIO where the file ends before.
  int read(std::int64_t offset, std::span<char> bytes) const;
  /// Writes all of `bytes` from `offset` on.
  int write(std::int64_t offset, std::span<const char> bytes) const;
  /// Waits until the contents are on the disk. File systems that cannot do so are no error.
  int flush() const;
  /// Some file systems report here what could not be written.
  int close();

 private:
  int id_;
};

}  // namespace stamarker
