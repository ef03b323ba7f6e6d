#pragma once
#include "app/run/run_context.hpp"

namespace stamarker {

/// Trains those models of this rank's group (run.plan) that are not trained yet, each from its last
/// checkpoint where there is one, some of them side by side, and writes their files. Ends early,
/// with everything saved, when a rank of the group is asked to end, or others have failed. `data`:
/// run.tables(). Collective over `group`, the ranks of the model group, and communicates with no
/// others. Throws InputError on all ranks of the group alike where a loss is no number, a file
/// cannot be written, or a device's memory does not suffice, with what would; where that shows
/// within an epoch of a group of several ranks, LibraryError on one of them, which must end the
/// job.
void train_models_of_group(RunContext& run, const Comm& group, const Others& others,
                           const PreparedData& data);

}  // namespace stamarker
