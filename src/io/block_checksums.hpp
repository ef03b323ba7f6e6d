#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/block.hpp"
#include "base/error.hpp"
#include "io/descriptor.hpp"

/// Checksums of a file, block by block, which it carries behind its contents:
///
///   contents    n_bytes; an HDF5 file, whose readers do not look behind it
///   checksums   of each 64 KiB of the contents, 8 bytes each
///   trailer     a mark; n_bytes; the checksum of all that stands between contents and mark, and of
///               n_bytes: 8 bytes each
///
/// Whoever reads a part of the contents verifies the blocks that it lies in, so that every byte
/// that is read is covered, those by which HDF5 finds its way as well, and none is read in vain.
namespace stamarker {

/// One number for some bytes: FNV-1a over words of 8 bytes in four lanes, which a processor
/// computes at once, with a rotation, or two changed top bits would cancel. A change within 8 bytes
/// always changes it.
std::uint64_t checksum_of(std::span<const char> bytes);

/// The first n_bytes of a file in blocks of block_bytes, of which the last may be shorter.
struct FileBlocks {
  std::int64_t n_bytes, block_bytes;

  std::int64_t n() const { return (n_bytes + block_bytes - 1) / block_bytes; }
  std::int64_t begin(std::int64_t block) const { return block * block_bytes; }
  std::int64_t size(std::int64_t block) const;
};
/// Of the blocks with these numbers, read by all threads of OpenMP. Throws std::system_error.
std::vector<std::uint64_t> block_checksums(const Descriptor& file, FileBlocks blocks,
                                           std::span<const std::int64_t> numbers);

/// What a file with n_bytes of contents carries behind them.
FileBlocks checked_blocks(std::int64_t n_bytes);
std::int64_t bytes_of_checksums(std::int64_t n_bytes);
/// Those of blocks `mine` of checked_blocks. Throws std::system_error.
std::vector<std::uint64_t> checksums_of_part(const std::string& path, std::int64_t n_bytes,
                                             Block mine);
/// Puts checksums and trailer behind the contents. Throws std::system_error.
void append_checksums(const std::string& path, std::int64_t n_bytes,
                      std::span<const std::uint64_t> checksums);
/// Whether the file ends like one with checksums.
bool has_checksums(const std::string& path);

/// A file with checksums that is not as it was written.
struct DamagedFile : InputError {
  DamagedFile(const std::string& path, const std::string& why)
      : InputError(path + " is damaged (" + why + ")"), reason(why) {}
  std::string reason;
};

/// A file with checksums, open to be read by one thread.
class CheckedFile {
 public:
  /// Throws DamagedFile: without checksums, or they are damaged; std::system_error.
  explicit CheckedFile(const std::string& path);

  const std::string& path() const { return path_; }
  const Descriptor& descriptor() const { return file_; }
  std::int64_t n_bytes() const { return blocks_.n_bytes; }
  /// Equal for files of equal contents.
  std::uint64_t identity() const { return identity_; }

  /// Fills `bytes` with contents from `offset` on, zeros behind their end. Whether all blocks that
  /// they lie in have their checksums and could be read.
  bool read(std::int64_t offset, std::span<char> bytes);
  /// Of the first read that failed: why. Empty if none has.
  const std::string& damage() const { return damage_; }

 private:
  bool read_blocks(std::int64_t first, std::int64_t n, std::span<char> bytes);

  std::string path_;
  Descriptor file_;
  FileBlocks blocks_{};
  std::vector<std::uint64_t> checksums_;
  std::uint64_t identity_ = 0;
  std::vector<char> block_;  // the last that was read in part
  std::int64_t block_number_ = -1;
  std::string damage_;
};

}  // namespace stamarker
