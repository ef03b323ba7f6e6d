#pragma once
#include <string>

namespace stamarker {

/// Whether the folder is the output of a run: it holds config.resolved.yaml.
bool is_run_directory(const std::string& path);

/// What is in a run directory: input, options, how far each stage is, what its files take, and the
/// files of other runs or damaged ones. The input is not read. Throws InputError: a
/// config.resolved.yaml that cannot be read.
std::string describe_run(const std::string& path);

}  // namespace stamarker
