#pragma once
#include <functional>

#include "comm/comm.hpp"

namespace stamarker {

/// Runs `work` and returns the exit code of the program, which work returns or an exception
/// becomes; rank 0 prints the error. An InputError is thrown by all ranks together; one of this
/// rank alone, as any other exception, ends the job at once, in one line that names the rank.
/// Collective.
int exit_code_of(const Comm& world, const std::function<int()>& work);

}  // namespace stamarker
