#include <gtest/gtest.h>

#include <csignal>
#include <memory>

#include "base/crash_report.hpp"

namespace stamarker::test {
namespace {

/// Of those that AddressSanitizer leaves alone, where it is.
#ifdef __SANITIZE_ADDRESS__
constexpr int crashes[] = {SIGABRT};
#else
constexpr int crashes[] = {SIGSEGV, SIGBUS, SIGFPE, SIGABRT};
#endif

TEST(CrashReport, NamesTheFileThatIsOpenAndWasOpenedLast) {
  report_crashes();
  const FileBeingRead input("section.h5ad");
  auto closed = std::make_unique<FileBeingRead>("closed.h5");
  const FileBeingRead positions("positions.csv");
  closed.reset();
  { const FileBeingRead prepared("prepared.h5"); }

  for (const int signal : crashes)
    EXPECT_EXIT(raise(signal), ::testing::KilledBySignal(signal),
                "^stamarker: error: crashed while reading positions.csv: the file is probably "
                "damaged; copy it again\n$");
}

TEST(CrashReport, IsSilentWhileNoFileIsOpen) {
  report_crashes();
  { const FileBeingRead input("section.h5ad"); }

  for (const int signal : crashes)
    EXPECT_EXIT(raise(signal), ::testing::KilledBySignal(signal), "^$");
}

}  // namespace
}  // namespace stamarker::test
