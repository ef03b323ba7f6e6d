#include <gtest/gtest.h>

#include <numeric>

#include "io/atomic_file.hpp"
#include "io/h5_parallel.hpp"
#include "scratch.hpp"
#include "support/message_of.hpp"

namespace stamarker {
namespace {

using test::Scratch;

/// Rows of this rank of `n_rows`. Uneven, and with two ranks or more the last one has none.
Block uneven(const Comm& world, int n_rows) {
  const int last = world.size() - 1;
  if (last == 0) return {0, n_rows};
  if (world.rank() == last) return {n_rows, n_rows};
  const auto edge = [&](int r) { return r == last ? n_rows : n_rows * r * r / (last * last + 1); };
  return {edge(world.rank()), edge(world.rank() + 1)};
}

template <class T>
std::vector<T> numbers(std::size_t n) {
  std::vector<T> values(n);
  for (std::size_t k = 0; k < n; ++k) values[k] = static_cast<T>((k * 37 + 11) % 127);
  return values;
}

template <class T>
class H5Parallel : public ::testing::Test {
 protected:
  const Comm world{MPI_COMM_WORLD};

  /// Writes a dataset by blocks of rows and reads it whole on every rank.
  void write_and_compare(const std::vector<std::int64_t>& shape, std::size_t most_bytes) {
    const Scratch scratch(world);
    const std::string path = scratch / "rows.h5";
    const auto n = static_cast<std::size_t>(
        std::accumulate(shape.begin(), shape.end(), std::int64_t{1}, std::multiplies<>()));
    const std::size_t row = n / static_cast<std::size_t>(shape[0]);
    const std::vector<T> all = numbers<T>(n);
    const Block mine = uneven(world, static_cast<int>(shape[0]));

    h5::write_file_together(
        world, path, [&](hid_t file) { h5::create_rows<T>(file, "group/rows", shape); },
        [&](hid_t file) {
          h5::write_rows(
              world, file, "group/rows", mine.begin,
              std::span<const T>(all).subspan(static_cast<std::size_t>(mine.begin) * row,
                                              static_cast<std::size_t>(mine.size()) * row),
              most_bytes);
        });

    const h5::File file = h5::open_to_read(path);
    EXPECT_EQ(h5::shape_of(file, "group/rows"), shape);
    EXPECT_EQ(h5::read<T>(file, "group/rows"), all);
  }
};
using Types = ::testing::Types<float, double, std::int32_t, std::int64_t, std::uint8_t>;
TYPED_TEST_SUITE(H5Parallel, Types);

constexpr std::size_t at_once = std::size_t{1} << 28;

TYPED_TEST(H5Parallel, WritesRowsOfOneTwoAndThreeDimensions) {
  for (const std::vector<std::int64_t>& shape :
       {std::vector<std::int64_t>{1001}, {101, 7}, {37, 3, 5}, {1, 4}})
    this->write_and_compare(shape, at_once);
}

TYPED_TEST(H5Parallel, WritesInPiecesWhenABlockExceedsTheLimit) {
  this->write_and_compare({101, 7}, 100);
  this->write_and_compare({11, 70}, 1);  // less than a value: one at a time
}

/// Row i of `n_rows` holds i mod 4 entries.
SparseRows sparse(int n_rows, int n_cols) {
  SparseRows m;
  m.n_rows = n_rows;
  m.n_cols = n_cols;
  for (int i = 0; i < n_rows; ++i) {
    for (int k = 0; k < i % 4; ++k) {
      m.column.push_back((i + 2 * k) % 5 + 5 * k);
      m.value.push_back(static_cast<float>(i) + 0.25f * static_cast<float>(k));
    }
    m.row_start.push_back(static_cast<std::int64_t>(m.column.size()));
  }
  return m;
}

TEST(H5ParallelCsr, WritesBlocksOfRowsInAnyOrderOfRanks) {
  const Comm world(MPI_COMM_WORLD);
  const Scratch scratch(world);
  const SparseRows whole = sparse(103, 20);
  // Blocks in the reverse order of ranks; rank 0 has no rows when there are two ranks or more.
  const int reversed = world.size() - 1 - world.rank();
  const Block mine = world.size() == 1   ? Block{0, 103}
                     : world.rank() == 0 ? Block{0, 0}
                                         : block_of(reversed, world.size() - 1, 103);

  h5::write_file_together(
      world, scratch / "csr.h5",
      [&](hid_t file) { h5::create_csr(file, "m", whole.n_rows, whole.n_cols, whole.n_entries()); },
      [&](hid_t file) { h5::write_csr(world, file, "m", h5::block_of_rows(whole, mine)); });

  const h5::File file = h5::open_to_read(scratch / "csr.h5");
  EXPECT_EQ(h5::read<std::int64_t>(file, "m/indptr"), whole.row_start);
  EXPECT_EQ(h5::read<std::int32_t>(file, "m/indices"), whole.column);
  EXPECT_EQ(h5::read<float>(file, "m/data"), whole.value);
  const h5::Group group = h5::open_group(file, "m");
  EXPECT_EQ(h5::read_attribute<std::int64_t>(group, "shape"), (std::vector<std::int64_t>{103, 20}));
  EXPECT_EQ(h5::read_text_attribute(group, "encoding-type"), "csr_matrix");
}

TEST(H5ParallelCsr, WritesAMatrixWithoutEntries) {
  const Comm world(MPI_COMM_WORLD);
  const Scratch scratch(world);
  const SparseRows whole = sparse(1, 20);

  h5::write_file_together(
      world, scratch / "csr.h5", [&](hid_t file) { h5::create_csr(file, "m", 1, 20, 0); },
      [&](hid_t file) {
        h5::write_csr(world, file, "m",
                      h5::block_of_rows(whole, block_of(world.rank(), world.size(), 1)));
      });

  const h5::File file = h5::open_to_read(scratch / "csr.h5");
  EXPECT_EQ(h5::read<std::int64_t>(file, "m/indptr"), (std::vector<std::int64_t>{0, 0}));
}

TEST(H5ParallelCsr, RefusesBlocksThatLeaveAGap) {
  const Comm world(MPI_COMM_WORLD);
  const Scratch scratch(world);
  const SparseRows whole = sparse(103, 20);
  const Block mine = block_of(world.rank(), world.size(), 102);  // row 102 is nobody's

  EXPECT_THROW(
      h5::write_file_together(
          world, scratch / "csr.h5",
          [&](hid_t file) { h5::create_csr(file, "m", 103, 20, whole.n_entries()); },
          [&](hid_t file) { h5::write_csr(world, file, "m", h5::block_of_rows(whole, mine)); }),
      std::logic_error);
}

TEST(H5ParallelRowList, WritesScatteredRows) {
  const Comm world(MPI_COMM_WORLD);
  const Scratch scratch(world);
  constexpr int n_rows = 97, n_cols = 6;
  const std::vector<float> all = numbers<float>(n_rows * n_cols);
  std::vector<std::int32_t> rows;
  std::vector<float> values;
  for (int i = 0; i < n_rows; ++i) {
    if (i / 2 % world.size() != world.rank()) continue;  // pairs of neighbouring rows
    rows.push_back(i);
    values.insert(values.end(), all.begin() + i * n_cols, all.begin() + (i + 1) * n_cols);
  }

  h5::write_file_together(
      world, scratch / "rows.h5",
      [&](hid_t file) {
        h5::create_rows<float>(file, "rows", {n_rows, n_cols});
      },
      [&](hid_t file) {
        h5::write_row_list(world, file, "rows", std::span<const std::int32_t>(rows),
                           std::span<const float>(values));
      });

  EXPECT_EQ(h5::read<float>(h5::open_to_read(scratch / "rows.h5"), "rows"), all);
}

TEST(WriteFileTogether, KeepsTheOldFileAndLeavesNothingElseWhenOneRankFails) {
  const Comm world(MPI_COMM_WORLD);
  const Scratch scratch(world);
  const std::string path = scratch / "file.h5";
  const auto write = [&](float value, bool fails) {
    h5::write_file_together(
        world, path, [&](hid_t file) { h5::create_rows<float>(file, "x", {1}); },
        [&](hid_t file) {
          const std::vector<float> mine(world.rank() == 0 ? 1 : 0, value);
          h5::write_rows(world, file, "x", 0, std::span<const float>(mine));
          world.together([&] {
            if (fails && world.rank() == world.size() - 1) throw InputError("the last rank fails");
          });
        });
  };
  write(1, false);

  EXPECT_EQ(test::message_of([&] { write(2, true); }), "the last rank fails");

  world.barrier();
  EXPECT_EQ(h5::read<float>(h5::open_to_read(path), "x"), std::vector<float>{1});
  EXPECT_FALSE(std::filesystem::exists(path + ".partial"));
}

/// The last rank leaves while the others still wait for it in a collective call.
TEST(WriteFileTogether, AnExceptionOfOneRankDoesNotWaitForTheOthers) {
  const Comm world(MPI_COMM_WORLD);
  const Scratch scratch(world);
  const bool is_last = world.rank() == world.size() - 1;

  EXPECT_THROW(
      h5::write_file_together(
          world, scratch / "file.h5", [&](hid_t file) { h5::create_rows<float>(file, "x", {1}); },
          [&](hid_t) {
            if (!is_last) world.barrier();
            throw std::runtime_error("not an InputError");
          }),
      std::runtime_error);

  if (is_last) world.barrier();
}

TEST(WriteFileTogether, RefusesAFolderThatIsNotThere) {
  const Comm world(MPI_COMM_WORLD);
  const Scratch scratch(world);

  EXPECT_THROW(h5::write_file_together(
                   world, scratch / "none/file.h5", [](hid_t) {}, [](hid_t) {}),
               InputError);
}

}  // namespace
}  // namespace stamarker
