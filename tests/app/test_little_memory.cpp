#include <gmock/gmock.h>

#include "app/program.hpp"
#include "io/section_file.hpp"

namespace stamarker::test {
namespace {

namespace fs = std::filesystem;
using ::testing::AnyOf;
using ::testing::HasSubstr;

void write_input(const fs::path& path) {
  Dataset data;
  data.counts.n_rows = 20'000;
  data.counts.n_cols = 20;
  for (int i = 0; i < data.counts.n_rows; ++i) {
    for (int g = 0; g < data.counts.n_cols; ++g) {
      data.counts.column.push_back(g);
      data.counts.value.push_back(static_cast<float>(1 + (i + g) % 7));
    }
    data.counts.row_start.push_back(static_cast<std::int64_t>(data.counts.column.size()));
    data.spot_names.push_back(std::to_string(i));
    data.coordinates.values.insert(data.coordinates.values.end(), {1.0 * i, 0.0});
  }
  for (int g = 0; g < data.counts.n_cols; ++g) data.gene_names.push_back(std::to_string(g));
  data.section.assign(data.spot_names.size(), 0);
  data.section_names = {"section"};
  write_section(path.string(), data);
}

/// Whatever asks for memory first, the run ends, in one line that names the rank or is of all
/// ranks, and what it leaves is whole.
TEST(LittleMemory, OfOneRankEndsTheWritingOfAllAndLeavesNoHalf) {
  const Scratch scratch;
  write_input(scratch / "input.h5ad");
  const fs::path result = scratch / "result.h5ad";
  int n_failed = 0;
  for (const int kilobytes : {0, 128, 256, 1 << 20}) {
    SCOPED_TRACE(kilobytes);
    fs::remove(result);

    const Outcome outcome = run_with_last_rank_by(
        {"env"}, scratch.path(), {"input.h5ad", "result.h5ad", std::to_string(1024LL * kilobytes)},
        2, /*seconds=*/30);

    EXPECT_THAT(outcome.exit_code, AnyOf(0, 1, 2)) << outcome.error;
    EXPECT_EQ(fs::exists(result), outcome.exit_code == 0);
    EXPECT_FALSE(fs::exists(result.string() + ".partial"));
    if (outcome.exit_code == 0) continue;
    ++n_failed;
    EXPECT_THAT(outcome.error, HasSubstr("stamarker: error: "));
  }
  EXPECT_GT(n_failed, 0);
}

}  // namespace
}  // namespace stamarker::test
