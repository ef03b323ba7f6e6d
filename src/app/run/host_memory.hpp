#pragma once
#include <functional>

#include "app/run/run_context.hpp"
#include "app/run/stage.hpp"

namespace stamarker {

/// Does `work`, all or a part of `stage`. Where this rank's memory runs out, throws a LibraryError
/// with what the stage is predicted to take and what needs less; as the other ranks know nothing of
/// it, that must end the job. (Of a GPU's memory: OutOfDeviceMemory.)
void in_memory_for(const RunContext& run, Stage stage, const std::function<void()>& work);

}  // namespace stamarker
