#include <gmock/gmock.h>

#include "app/program.hpp"
#include "io/section_file.hpp"
#include "support/plain_section.hpp"

namespace stamarker::test {
namespace {

namespace fs = std::filesystem;
using ::testing::AnyOf;
using ::testing::HasSubstr;

/// Whatever asks for memory first, the run ends, in one line that names the rank or is of all
/// ranks, and what it leaves is whole.
TEST(LittleMemory, OfOneRankEndsTheWritingOfAllAndLeavesNoHalf) {
  const Scratch scratch;
  write_section((scratch / "input.h5ad").string(), plain_section(20'000, 20, 1));
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
