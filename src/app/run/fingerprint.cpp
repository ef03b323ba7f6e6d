#include "app/run/fingerprint.hpp"

#include <fcntl.h>
#include <fmt/core.h>
#include <fmt/ranges.h>

#include <cerrno>
#include <filesystem>
#include <numeric>
#include <system_error>
#include <utility>
#include <vector>

#include "app/version/version.hpp"
#include "base/error.hpp"
#include "io/block_checksums.hpp"
#include "io/read_input.hpp"

namespace stamarker {
namespace {

namespace fs = std::filesystem;

/// Runs `read` on a file of the input.
template <class Read>
auto reading(const fs::path& path, Read read) {
  try {
    const Descriptor file(path.string(), O_RDONLY);
    if (!file.is_open()) throw std::system_error(errno, std::generic_category());
    return read(file, static_cast<std::int64_t>(fs::file_size(path)));
  } catch (const std::system_error& error) {  // that of fs too
    throw InputError(
        fmt::format("input.path = {} (cannot be read: {})", path.string(), error.code().message()));
  }
}

std::vector<std::int64_t> all_of(FileBlocks blocks) {
  std::vector<std::int64_t> numbers(static_cast<std::size_t>(blocks.n()));
  std::iota(numbers.begin(), numbers.end(), std::int64_t{0});
  return numbers;
}

/// All blocks, or so many that lie evenly in the file, with the first and the last.
std::vector<std::int64_t> some_of(FileBlocks blocks, std::int64_t most) {
  if (blocks.n() <= most) return all_of(blocks);
  std::vector<std::int64_t> numbers;
  for (std::int64_t k = 0; k < most; ++k) numbers.push_back(k * (blocks.n() - 1) / (most - 1));
  return numbers;
}

/// All of the file, by blocks of fixed size.
std::string contents_of(const fs::path& path) {
  return reading(path, [](const Descriptor& file, std::int64_t size) {
    const FileBlocks blocks{size, std::int64_t{1} << 22};
    return fmt::format("{} {:x}\n", size,
                       fmt::join(block_checksums(file, blocks, all_of(blocks)), " "));
  });
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
  for (const fs::path& file : input_files(path)) checksum.add(contents_of(file));
  return checksum.hex();
}

std::string sample_of_input(const std::string& path) {
  std::string sample;
  for (const fs::path& name : input_files(path))
    sample += reading(name,
                      [&](const Descriptor& file, std::int64_t size) {
                        const FileBlocks blocks{size, std::int64_t{1} << 16};
                        Checksum checksum;
                        for (const std::uint64_t each :
                             block_checksums(file, blocks, some_of(blocks, 4096)))
                          checksum.add(fmt::format("{:x} ", each));
                        return fmt::format("{} of {} bytes, checksum {}", name.filename().string(),
                                           size, checksum.hex());
                      }) +
              '\0';
  return sample;
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
