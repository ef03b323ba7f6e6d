#pragma once
#include <string>

#include "io/h5.hpp"

namespace stamarker {

/// What is in a data set, a result or a file of a run, in lines. This rank alone. Throws
/// InputError: missing, nothing we can read.
std::string describe_file(const std::string& path);

/// What the result warns of, a line each under a heading; empty where it warns of nothing.
std::string warnings_text(hid_t file);

}  // namespace stamarker
