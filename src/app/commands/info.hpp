#pragma once
#include <string>

namespace stamarker {

/// What is in a data set, a result or a file of a run, in lines. This rank alone. Throws
/// InputError: missing, nothing we can read.
std::string describe_file(const std::string& path);

}  // namespace stamarker
