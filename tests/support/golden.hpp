#pragma once
#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "io/h5.hpp"

namespace stamarker::test {

/// The folder with golden vectors and real sections: $STAMARKER_SHARED, or `shared` beside the
/// project. It is not part of the project; tests that need it skip without it.
std::filesystem::path shared_folder();

}  // namespace stamarker::test

/// Ends the test as SKIPPED, naming the missing file.
#define STM_NEEDS_SHARED(relative)                                               \
  if (!std::filesystem::exists(stamarker::test::shared_folder() / (relative)))   \
  GTEST_SKIP() << "SKIPPED: " << (stamarker::test::shared_folder() / (relative)) \
               << " is missing; set STAMARKER_SHARED to the folder that holds golden/ and data/"
