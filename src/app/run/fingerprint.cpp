#include "app/run/fingerprint.hpp"

#include <fcntl.h>
#include <fmt/core.h>
#include <fmt/ranges.h>
#include <omp.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <span>
#include <utility>
#include <vector>

#include "app/version/version.hpp"
#include "base/error.hpp"
#include "io/read_input.hpp"

namespace stamarker {
namespace {

namespace fs = std::filesystem;

/// One number for some bytes: FNV-1a over words of 8 bytes in four lanes, which a processor
/// computes side by side, with a rotation, or two changed top bits would cancel.
std::uint64_t word_of(std::string_view bytes) {
  constexpr std::size_t lane_bytes = 8, row = 4 * lane_bytes;
  std::array<std::uint64_t, 4> lane{1, 2, 3, 4};
  for (; bytes.size() >= row; bytes.remove_prefix(row)) {
    std::array<std::uint64_t, 4> words{};
    std::memcpy(words.data(), bytes.data(), row);
    for (int k = 0; k < 4; ++k) lane[k] = std::rotl(lane[k] ^ words[k], 29) * 1099511628211u;
  }
  std::uint64_t all = bytes.size();
  for (const std::uint64_t value : lane) all = std::rotl(all ^ value, 29) * 1099511628211u;
  for (const char byte : bytes) all = (all ^ static_cast<unsigned char>(byte)) * 1099511628211u;
  return all;
}

/// A file that several threads read.
class OpenFile {
 public:
  explicit OpenFile(const fs::path& path) : file_(open(path.c_str(), O_RDONLY | O_CLOEXEC)) {}
  ~OpenFile() {
    if (file_ >= 0) close(file_);
  }
  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;
  bool is_open() const { return file_ >= 0; }
  /// Fills `bytes` from `offset` on. 0, or the error: EIO at an early end.
  int read(std::int64_t offset, std::span<char> bytes) const {
    while (!bytes.empty()) {
      const ssize_t n = pread(file_, bytes.data(), bytes.size(), offset);
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) return n < 0 ? errno : EIO;
      bytes = bytes.subspan(static_cast<std::size_t>(n));
      offset += n;
    }
    return 0;
  }

 private:
  int file_;
};

/// Blocks of fixed size are read and summed up by all threads, and joined in their order.
void add_file(Checksum& checksum, const fs::path& path) {
  constexpr std::int64_t block = std::int64_t{1} << 22;
  const auto check = [&](int error) {
    if (error != 0)
      throw InputError(fmt::format("input.path = {} (cannot be read: {})", path.string(),
                                   std::generic_category().message(error)));
  };
  const OpenFile file(path);
  check(file.is_open() ? 0 : errno);
  std::error_code unknown;
  const auto size = static_cast<std::int64_t>(fs::file_size(path, unknown));
  check(unknown.value());
  const std::int64_t n_blocks = (size + block - 1) / block;
  std::vector<std::uint64_t> words(static_cast<std::size_t>(n_blocks));
  // No exception may leave the parallel region, so that its memory is taken before.
  const auto width = static_cast<std::size_t>(std::min(block, size));
  std::vector<char> memory(width * static_cast<std::size_t>(omp_get_max_threads()));
  int error = 0;
#pragma omp parallel for schedule(static) reduction(max : error)
  for (std::int64_t k = 0; k < n_blocks; ++k) {
    const std::span<char> bytes(memory.data() + width * omp_get_thread_num(),
                                static_cast<std::size_t>(std::min(block, size - k * block)));
    error = std::max(error, file.read(k * block, bytes));
    words[static_cast<std::size_t>(k)] = word_of({bytes.data(), bytes.size()});
  }
  check(error);
  checksum.add(fmt::format("{} {:x}\n", size, fmt::join(words, " ")));
}

}  // namespace

void Checksum::add(std::string_view bytes) {
  for (const char byte : bytes) {
    value_ ^= static_cast<unsigned char>(byte);
    value_ *= 1099511628211u;
  }
}

std::string Checksum::hex() const { return fmt::format("{:016x}", value_); }

std::string input_checksum(const std::string& path) {
  Checksum checksum;
  for (const fs::path& file : input_files(path)) add_file(checksum, file);
  return checksum.hex();
}

std::string program_of_results() {
  return fmt::format("stamarker {} {}", version, results_version);
}

Fingerprints::Fingerprints(const Config& config, Origin origin) : origin_(std::move(origin)) {
  Checksum running;
  running.add(origin_.program + "\ninput " + origin_.input_checksum + "\n");
  for (const Stage stage : all_stages) {
    running.add(name_of(stage));
    for (const auto& [key, value] : options_of(config, stage))
      running.add(fmt::format("\n{}: {}", key, value));
    if (stage == Stage::train && config.compute.tiles == 0)  // `auto` then depends on the groups
      running.add(fmt::format("\ntile_groups: {}", config.compute.tile_groups));
    words_[static_cast<std::size_t>(stage)] = running.hex();
  }
}

}  // namespace stamarker
