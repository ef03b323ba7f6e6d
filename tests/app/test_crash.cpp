#include <gmock/gmock.h>

#include <csignal>
#include <string>
#include <vector>

#include "app/program.hpp"
#include "io/atomic_file.hpp"

namespace stamarker::test {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

/// Of those that AddressSanitizer leaves alone, where it is.
#ifdef __SANITIZE_ADDRESS__
constexpr int crashes[] = {SIGABRT};
#else
constexpr int crashes[] = {SIGSEGV, SIGBUS, SIGABRT};
#endif

/// What crashing_reader says and how it ends.
class Crash : public ::testing::Test {
 protected:
  void SetUp() override {
    h5::write_file((scratch_ / "section.h5ad").string(), [](hid_t /*file*/) {});
  }
  static std::vector<std::string> arguments(int signal) {
    return {"section.h5ad", std::to_string(signal)};
  }

  const std::string line_ =
      "stamarker: error: crashed while reading section.h5ad: the file is probably damaged; copy it "
      "again\n";
  Scratch scratch_;
};

TEST_F(Crash, OverAFileNamesItInOneLineAndEndsByTheSignal) {
  for (const int signal : crashes) {
    const Outcome outcome = run_program(scratch_.path(), arguments(signal));

    EXPECT_EQ(outcome.exit_code, 128 + signal);
    EXPECT_EQ(outcome.error, line_);
  }
}

TEST_F(Crash, OfOneRankNamesTheFileAndEndsTheOthersAtOnce) {
  constexpr int most_seconds = 60;
  for (const int signal : crashes) {
    const Outcome outcome =
        run_with_last_rank_by({"env"}, scratch_.path(), arguments(signal), 2, most_seconds);

    EXPECT_EQ(outcome.exit_code, 128 + signal);
    EXPECT_THAT(outcome.error, HasSubstr(line_));
    EXPECT_THAT(outcome.error, Not(HasSubstr("Process received signal")));  // Open MPI's handler
  }
}

}  // namespace
}  // namespace stamarker::test
