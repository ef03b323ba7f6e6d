#pragma once
#include "app/run/run_context.hpp"

/// The stages of a run, one function each, in one file each. All are collective; each reads the
/// files of the stages before it and writes its own (stage_files.hpp), leaving out what is there
/// with the right fingerprint. They throw InputError on all ranks alike, and Interrupted.
namespace stamarker {

/// Reads and prepares the input, checks it against the configuration, changes nothing. This rank
/// alone. `warnings`: what the user should know of it.
PreparedData prepare_input(const Config& config, Log& log);
void write_prepare_stage(RunContext& run);

void train_stage(RunContext& run);
void cluster_stage(RunContext& run);
void consensus_stage(RunContext& run);
void classify_stage(RunContext& run);
void saliency_stage(RunContext& run);
/// Writes svgs.tsv and result.h5ad and prints the closing summary.
void svgs_stage(RunContext& run);

}  // namespace stamarker
