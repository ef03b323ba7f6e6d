#include "support/golden.hpp"

#include <cstdlib>

namespace stamarker::test {

std::filesystem::path shared_folder() {
  const char* given = std::getenv("STAMARKER_SHARED");
  return given != nullptr ? given : STM_SHARED_DEFAULT;
}

}  // namespace stamarker::test
