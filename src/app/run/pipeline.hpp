#pragma once
#include <string>
#include <vector>

#include "app/run/run_directory.hpp"
#include "comm/comm.hpp"

namespace stamarker {

/// What the user asked for.
struct PipelineRequest {
  std::vector<std::string> config_files;
  std::vector<std::string> settings;  // "key=value", over the files
  StageRange stages;
  Existing existing = Existing::refuse;
  bool is_dry_run = false;  // say what would be done, write nothing
};

/// Runs the stages in order. Collective. Throws InputError on all ranks alike, and Interrupted.
void run_pipeline(const Comm& world, const PipelineRequest& request);

}  // namespace stamarker
