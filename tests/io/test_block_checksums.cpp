#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <numeric>

#include "io/atomic_file.hpp"
#include "io/block_checksums.hpp"
#include "io/disk_driver.hpp"

namespace stamarker {
namespace {

namespace fs = std::filesystem;

class BlockChecksums : public ::testing::Test {
 protected:
  BlockChecksums() { fs::create_directories(folder_); }
  ~BlockChecksums() override {
    std::error_code ignored;
    fs::remove_all(folder_, ignored);
  }
  std::string path() const { return folder_ / "file.h5"; }

  void write(std::size_t n_values) const {
    std::vector<float> values(n_values);
    std::iota(values.begin(), values.end(), 1.0f);
    h5::write_file(
        path(),
        [&](hid_t file) {
          h5::write_attribute(file, "text", "some");
          h5::write(file, "group/values", values);
          h5::write_strings(file, "names", {"one", "two"});
        },
        h5::Checksums::of_blocks);
  }
  /// Flips a bit of the byte at `offset`, and another call flips it back.
  void flip(std::int64_t offset) const {
    std::fstream file(path(), std::ios::in | std::ios::out | std::ios::binary);
    file.seekg(offset);
    const auto byte = static_cast<char>(file.get() ^ (1 << offset % 8));
    file.seekp(offset);
    file.put(byte);
  }
  /// Reads all that write() wrote.
  void read() const {
    const h5::File file = h5::open_verified(path());
    try {
      h5::read_text_attribute(file, "text");
      h5::read_strings(file, "names");
      h5::read<float>(file, "group/values");
    } catch (const std::runtime_error&) {
      h5::expect_undamaged(file);
      throw;
    }
    h5::expect_undamaged(file);
  }

  const fs::path folder_ =
      fs::temp_directory_path() / ("stamarker_checksums_" + std::to_string(getpid()));
};

TEST_F(BlockChecksums, SeeAFlippedBitInEveryByteOfAFile) {
  write(10);
  const auto n_bytes = static_cast<std::int64_t>(fs::file_size(path()));
  EXPECT_NO_THROW(read());

  for (std::int64_t offset = 0; offset < n_bytes; ++offset) {
    flip(offset);
    EXPECT_THROW(read(), DamagedFile) << offset << " of " << n_bytes;
    flip(offset);
  }

  EXPECT_NO_THROW(read());
}

TEST_F(BlockChecksums, SeeAFileCutShortOrContinued) {
  write(100'000);
  const auto n_bytes = fs::file_size(path());

  fs::resize_file(path(), n_bytes + 8);
  EXPECT_THROW(read(), DamagedFile);
  for (const std::uintmax_t shorter : {n_bytes - 8, n_bytes - 1000, n_bytes / 2}) {
    fs::resize_file(path(), shorter);
    EXPECT_THROW(read(), DamagedFile);
  }
}

TEST_F(BlockChecksums, LetPartsBeReadWhoseBlocksAreWhole) {
  constexpr std::int64_t n = 100'000;
  write(n);
  const std::int64_t last_value =
      static_cast<std::int64_t>(fs::file_size(path())) - bytes_of_checksums(0) - 1000;
  const auto read_rows = [&](std::int64_t first, std::int64_t n_rows) {
    const h5::File file = h5::open_verified(path());
    std::vector<float> values(static_cast<std::size_t>(n_rows));
    h5::read_rows(file, "group/values", {n}, first, n_rows, h5::native_type<float>(),
                  values.data());
    return values;
  };
  for (const std::int64_t first : {0, 1, 16'000, 20'001, 99'990})
    for (const std::int64_t n_rows : {1, 10, 40'000, 79'999})
      if (first + n_rows <= n) {
        std::vector<float> expected(static_cast<std::size_t>(n_rows));
        std::iota(expected.begin(), expected.end(), static_cast<float>(first + 1));
        EXPECT_EQ(read_rows(first, n_rows), expected) << first << ' ' << n_rows;
      }

  flip(last_value);

  EXPECT_NO_THROW(read_rows(20'000, 20'000));
  EXPECT_THROW(read_rows(0, n), InputError);
}

TEST_F(BlockChecksums, ToOtherReadersAreNotThere) {
  write(10);

  const h5::File file = h5::open_to_read(path());

  EXPECT_EQ(h5::read<float>(file, "group/values").size(), 10U);
}

TEST_F(BlockChecksums, AreWantedWhereTheyAreRead) {
  h5::write_file(path(), [](hid_t file) { h5::write_attribute(file, "text", "some"); });

  EXPECT_FALSE(has_checksums(path()));
  EXPECT_THROW(h5::open_verified(path()), DamagedFile);
  EXPECT_THROW(h5::open_verified(path() + ".none"), InputError);
}

}  // namespace
}  // namespace stamarker
