#include "app/run/fingerprint.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <vector>

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

/// Blocks of fixed size are read and summed up by all threads, and joined in their order.
void add_file(Checksum& checksum, const fs::path& file) {
  constexpr std::int64_t block = std::int64_t{1} << 22;
  std::error_code error;
  const auto size = static_cast<std::int64_t>(fs::file_size(file, error));
  const std::int64_t n_blocks = error ? 0 : (size + block - 1) / block;
  std::vector<std::uint64_t> words(static_cast<std::size_t>(n_blocks));
  bool is_read = !error && std::ifstream(file, std::ios::binary).good();
#pragma omp parallel reduction(&& : is_read)
  {
    std::vector<char> bytes(static_cast<std::size_t>(std::min(block, size)));
    std::ifstream in(file, std::ios::binary);
#pragma omp for schedule(static)
    for (std::int64_t k = 0; k < n_blocks; ++k) {
      const std::int64_t n = std::min(block, size - k * block);
      in.seekg(k * block);
      in.read(bytes.data(), n);
      is_read = is_read && in.good();
      words[static_cast<std::size_t>(k)] = word_of({bytes.data(), static_cast<std::size_t>(n)});
    }
  }
  if (!is_read)
    throw InputError(fmt::format("input.path = {} (cannot be read: {})", file.string(),
                                 std::generic_category().message(errno)));
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

Fingerprints::Fingerprints(const Config& config, const std::string& checksum_of_input) {
  Checksum running;
  running.add("stamarker 1\ninput " + checksum_of_input + "\n");
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
