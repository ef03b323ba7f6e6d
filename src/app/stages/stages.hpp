#pragma once
#include "app/run/run_context.hpp"

/// The stages of a run, one function each, in one file each. All are collective; each reads the
/// files of the stages before it and writes its own (stage_files.hpp), leaving out what is there
/// with the right fingerprint. They throw InputError on all ranks alike, and Interrupted.
namespace stamarker {

/// Reads and prepares the input, checks it against the configuration, and leaves it in
/// run.prepared; changes nothing else.
void prepare_input(RunContext& run);
/// Rules between the configuration and the number of spots, so that no hour of training comes
/// before them. `which` spots, for messages: "of the input". Throws InputError.
void check_against_spots(const Config& config, std::int64_t n_spots, const std::string& which);
/// Writes what prepare_input left, if it was called.
void write_prepare_stage(RunContext& run);

void train_stage(RunContext& run);
void cluster_stage(RunContext& run);
void consensus_stage(RunContext& run);
void classify_stage(RunContext& run);
void saliency_stage(RunContext& run);
/// Writes svgs.tsv and result.h5ad and prints the closing summary.
void svgs_stage(RunContext& run);

}  // namespace stamarker
