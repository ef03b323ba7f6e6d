#include "io/block_checksums.hpp"

#include <fcntl.h>
#include <fmt/core.h>
#include <omp.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <cstring>
#include <numeric>
#include <system_error>

namespace stamarker {
namespace {

constexpr std::uint64_t mark = 0x316b6f6c624d5453;  // "STMblok1"

struct Trailer {
  std::uint64_t mark, n_bytes, identity;
};

void check(int error) {
  if (error != 0) throw std::system_error(error, std::generic_category());
}

std::int64_t size_of(const Descriptor& file) {
  const off_t size = lseek(file.id(), 0, SEEK_END);
  check(size < 0 ? errno : 0);
  return size;
}

template <class T>
std::span<const char> bytes_of(std::span<const T> values) {
  return {reinterpret_cast<const char*>(values.data()), values.size_bytes()};
}

/// Of checksums and the number of bytes that they cover.
std::uint64_t identity_of(std::span<const std::uint64_t> checksums, std::uint64_t n_bytes) {
  const std::uint64_t both[] = {checksum_of(bytes_of(checksums)), n_bytes};
  return checksum_of(bytes_of(std::span<const std::uint64_t>(both)));
}

}  // namespace

std::uint64_t checksum_of(std::span<const char> bytes) {
  constexpr std::uint64_t prime = 1099511628211u;
  constexpr std::size_t n_lanes = 4, row = n_lanes * sizeof(std::uint64_t);
  std::array<std::uint64_t, n_lanes> lane{1, 2, 3, 4};
  std::uint64_t all = bytes.size();
  for (; bytes.size() >= row; bytes = bytes.subspan(row)) {
    std::array<std::uint64_t, n_lanes> words{};
    std::memcpy(words.data(), bytes.data(), row);
    for (std::size_t k = 0; k < n_lanes; ++k) lane[k] = std::rotl(lane[k] ^ words[k], 29) * prime;
  }
  for (const std::uint64_t value : lane) all = std::rotl(all ^ value, 29) * prime;
  for (const char byte : bytes) all = (all ^ static_cast<unsigned char>(byte)) * prime;
  return all;
}

std::int64_t FileBlocks::size(std::int64_t block) const {
  return std::min(block_bytes, n_bytes - begin(block));
}

std::vector<std::uint64_t> block_checksums(const Descriptor& file, FileBlocks blocks,
                                           std::span<const std::int64_t> numbers) {
  std::vector<std::uint64_t> checksums(numbers.size());
  // No exception may leave the parallel region, so that its memory is taken before.
  const auto width = static_cast<std::size_t>(std::min(blocks.block_bytes, blocks.n_bytes));
  std::vector<char> memory(width * static_cast<std::size_t>(omp_get_max_threads()));
  int error = 0;
#pragma omp parallel for schedule(static) reduction(max : error)
  for (std::size_t k = 0; k < numbers.size(); ++k) {
    const std::span<char> bytes(
        memory.data() + width * static_cast<std::size_t>(omp_get_thread_num()),
        static_cast<std::size_t>(blocks.size(numbers[k])));
    error = std::max(error, file.read(blocks.begin(numbers[k]), bytes));
    checksums[k] = checksum_of(bytes);
  }
  check(error);
  return checksums;
}

FileBlocks checked_blocks(std::int64_t n_bytes) { return {n_bytes, std::int64_t{1} << 16}; }

std::int64_t bytes_of_checksums(std::int64_t n_bytes) {
  constexpr auto word = static_cast<std::int64_t>(sizeof(std::uint64_t));
  return checked_blocks(n_bytes).n() * word + static_cast<std::int64_t>(sizeof(Trailer));
}

std::vector<std::uint64_t> checksums_of_part(const std::string& path, std::int64_t n_bytes,
                                             Block mine) {
  const Descriptor file(path, O_RDONLY);
  check(file.is_open() ? 0 : errno);
  std::vector<std::int64_t> numbers(static_cast<std::size_t>(mine.size()));
  std::iota(numbers.begin(), numbers.end(), mine.begin);
  return block_checksums(file, checked_blocks(n_bytes), numbers);
}

void append_checksums(const std::string& path, std::int64_t n_bytes,
                      std::span<const std::uint64_t> checksums) {
  Descriptor file(path, O_WRONLY);
  check(file.is_open() ? 0 : errno);
  const auto covered = static_cast<std::uint64_t>(n_bytes);
  const Trailer trailer{mark, covered, identity_of(checksums, covered)};
  check(file.write(n_bytes, bytes_of(checksums)));
  check(file.write(n_bytes + static_cast<std::int64_t>(checksums.size_bytes()),
                   bytes_of(std::span<const Trailer>(&trailer, 1))));
  check(file.close());
}

bool has_checksums(const std::string& path) {
  const Descriptor file(path, O_RDONLY);
  Trailer trailer{};
  const std::span<char> bytes(reinterpret_cast<char*>(&trailer), sizeof(trailer));
  return file.is_open() && size_of(file) >= static_cast<std::int64_t>(sizeof(trailer)) &&
         file.read(size_of(file) - static_cast<std::int64_t>(sizeof(trailer)), bytes) == 0 &&
         trailer.mark == mark;
}

CheckedFile::CheckedFile(const std::string& path) : path_(path), file_(path, O_RDONLY) {
  check(file_.is_open() ? 0 : errno);
  const std::int64_t size = size_of(file_);
  Trailer trailer{};
  const auto trailer_bytes = static_cast<std::int64_t>(sizeof(trailer));
  if (size >= trailer_bytes)
    check(file_.read(size - trailer_bytes, {reinterpret_cast<char*>(&trailer), sizeof(trailer)}));
  if (trailer.mark != mark)
    throw DamagedFile(path, "it does not end with the checksums that stamarker writes");
  const DamagedFile damaged(path, "its checksums do not match");
  block_.reserve(static_cast<std::size_t>(checked_blocks(size).block_bytes));
  if (trailer.n_bytes > static_cast<std::uint64_t>(size)) throw damaged;
  blocks_ = checked_blocks(static_cast<std::int64_t>(trailer.n_bytes));
  if (blocks_.n_bytes + bytes_of_checksums(blocks_.n_bytes) != size) throw damaged;
  checksums_.resize(static_cast<std::size_t>(blocks_.n()));
  check(file_.read(blocks_.n_bytes, {reinterpret_cast<char*>(checksums_.data()),
                                     checksums_.size() * sizeof(std::uint64_t)}));
  identity_ = identity_of(checksums_, trailer.n_bytes);
  if (identity_ != trailer.identity) throw damaged;
}

bool CheckedFile::read(std::int64_t offset, std::span<char> bytes) {
  while (!bytes.empty() && offset < blocks_.n_bytes) {
    const std::int64_t block = offset / blocks_.block_bytes, within = offset - blocks_.begin(block);
    const auto most = static_cast<std::int64_t>(bytes.size());
    std::int64_t n = std::min(blocks_.size(block) - within, most);
    if (n == blocks_.size(block)) {  // this block and perhaps others as a whole
      const std::int64_t end = offset + most;
      const std::int64_t n_whole =
          end >= blocks_.n_bytes ? blocks_.n() - block : end / blocks_.block_bytes - block;
      n = std::min(blocks_.begin(block + n_whole), blocks_.n_bytes) - offset;
      if (!read_blocks(block, n_whole, bytes.first(static_cast<std::size_t>(n)))) return false;
    } else {
      if (block != block_number_) {
        block_number_ = -1;
        block_.resize(static_cast<std::size_t>(blocks_.size(block)));
        if (!read_blocks(block, 1, block_)) return false;
        block_number_ = block;
      }
      std::copy_n(block_.begin() + within, n, bytes.begin());
    }
    bytes = bytes.subspan(static_cast<std::size_t>(n));
    offset += n;
  }
  std::ranges::fill(bytes, '\0');
  return true;
}

/// bytes: those of all n blocks.
bool CheckedFile::read_blocks(std::int64_t first, std::int64_t n, std::span<char> bytes) {
  const auto fails = [this](std::string why) {
    if (damage_.empty()) damage_ = std::move(why);
    return false;
  };
  if (const int error = file_.read(blocks_.begin(first), bytes); error != 0)
    return fails(std::generic_category().message(error));
  for (std::int64_t block = first; block < first + n; ++block) {
    const auto size = static_cast<std::size_t>(blocks_.size(block));
    if (checksum_of(bytes.first(size)) != checksums_[static_cast<std::size_t>(block)])
      return fails(fmt::format("the checksum of bytes {} to {} does not match",
                               blocks_.begin(block),
                               blocks_.begin(block) + blocks_.size(block) - 1));
    bytes = bytes.subspan(size);
  }
  return true;
}

}  // namespace stamarker
