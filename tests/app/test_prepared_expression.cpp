#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <numeric>

#include "app/run/stage_files.hpp"
#include "data/select_counts.hpp"
#include "data/sparse_rows.hpp"

namespace stamarker::test {
namespace {

/// Counts of 4000 spots x 97 genes, up to 60 a spot: more between distant spots than is read over.
SparseRows many_counts() {
  SparseRows counts;
  counts.n_rows = 4000;
  counts.n_cols = 97;
  for (int i = 0; i < counts.n_rows; ++i) {
    for (int g = i % 3; g < i % 61 + 3; ++g) {
      counts.column.push_back(g);
      counts.value.push_back(static_cast<float>(1 + (i * 7 + g) % 50));
    }
    counts.row_start.push_back(static_cast<std::int64_t>(counts.column.size()));
  }
  return counts;
}

/// What prepared.h5 holds beside the counts, as little as can be.
PreparedData tables_of(const SparseRows& counts) {
  PreparedData tables;
  tables.kept_spots.resize(static_cast<std::size_t>(counts.n_rows));
  std::iota(tables.kept_spots.begin(), tables.kept_spots.end(), 0);
  tables.selected_genes.resize(static_cast<std::size_t>(counts.n_cols));
  std::iota(tables.selected_genes.begin(), tables.selected_genes.end(), 0);
  tables.spot_names.assign(tables.kept_spots.size(), "spot");
  tables.gene_names.assign(static_cast<std::size_t>(counts.n_cols), "gene");
  tables.coordinates.values.assign(2 * tables.kept_spots.size(), 0);
  tables.section.assign(tables.kept_spots.size(), 0);
  tables.section_names = {"one"};
  return tables;
}

TEST(PreparedExpression, GivesRowsInAnyOrderAsAMatrixInMemoryDoes) {
  const Comm world(MPI_COMM_WORLD);
  const auto folder = std::filesystem::temp_directory_path() / "stamarker_prepared_expression";
  if (world.rank() == 0) std::filesystem::create_directories(folder);
  const std::string path = (folder / "prepared.h5").string();
  const SparseRows counts = many_counts();
  const Block mine = block_of(world.rank(), world.size(), counts.n_rows);
  write_prepared(world, path, Fingerprints(), tables_of(counts), {},
                 rows_of(counts, mine.begin, mine.end), 1e4);
  SparseRows expression = counts;
  normalize_log(expression, 1e4);
  std::vector<std::int32_t> spots = {3999, 0,    1, 2000,
                                     2001, 1999, 17};  // alone, near, far, out of order
  for (int i = 300; i < 1500; i += 3) spots.push_back(1800 - i);

  const PreparedExpression file(path);
  const SparseRows found = file.rows(spots);

  const SparseRows expected = ExpressionInMemory(expression).rows(spots);
  EXPECT_EQ(found.n_rows, static_cast<int>(spots.size()));
  EXPECT_EQ(found.n_cols, 97);
  EXPECT_EQ(found.row_start, expected.row_start);
  EXPECT_EQ(found.column, expected.column);
  EXPECT_EQ(found.value, expected.value);
  EXPECT_TRUE(std::ranges::equal(file.row_start(), expression.row_start));
  world.barrier();
  if (world.rank() == 0) std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace stamarker::test
