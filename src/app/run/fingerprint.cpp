#include "app/run/fingerprint.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <vector>

#include "base/error.hpp"

namespace stamarker {
namespace {

namespace fs = std::filesystem;

void add_file(Checksum& checksum, const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  if (!in)
    throw InputError(fmt::format("input.path = {} (cannot be read: {})", file.string(),
                                 std::generic_category().message(errno)));
  std::vector<char> block(1 << 20);
  while (in.read(block.data(), static_cast<std::streamsize>(block.size())), in.gcount() > 0)
    checksum.add({block.data(), static_cast<std::size_t>(in.gcount())});
}

/// Of the kinds that are read: matrices and tables, not images, alignments or unfiltered matrices.
bool is_data_file(const fs::path& file) {
  const std::string name = file.filename().string();
  if (name.starts_with("raw_") || name.starts_with("molecule_info")) return false;
  return std::ranges::any_of(
      std::array{".h5", ".mtx", ".mtx.gz", ".tsv", ".tsv.gz", ".csv", ".csv.gz"},
      [&](const char* ending) { return name.ends_with(ending); });
}

std::vector<fs::path> data_files_of(const fs::path& folder, int depth) {
  std::vector<fs::path> files;
  std::error_code ignored;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, ignored)) {
    if (entry.is_regular_file(ignored) && is_data_file(entry.path())) files.push_back(entry.path());
    if (depth > 0 && entry.is_directory(ignored)) {
      const auto below = data_files_of(entry.path(), depth - 1);
      files.insert(files.end(), below.begin(), below.end());
    }
  }
  std::ranges::sort(files);
  return files;
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
  std::error_code ignored;
  if (!fs::exists(path, ignored))
    throw InputError(fmt::format("input.path = {} (no such file)", path));
  Checksum checksum;
  if (fs::is_directory(path, ignored)) {
    for (const fs::path& file : data_files_of(path, /*depth=*/1)) add_file(checksum, file);
    return checksum.hex();
  }
  add_file(checksum, path);
  if (path.ends_with(".h5")) {  // of 10x: the positions lie beside it or one folder up
    const fs::path folder = fs::absolute(path).parent_path();
    for (const fs::path& place : {folder, folder.parent_path()})
      for (const fs::path& file : data_files_of(place / "spatial", 0)) add_file(checksum, file);
  }
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
