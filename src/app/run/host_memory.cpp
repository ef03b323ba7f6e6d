#include "app/run/host_memory.hpp"

#include <fmt/core.h>

#include <new>

#include "app/run/memory_plan.hpp"
#include "base/error.hpp"

namespace stamarker {
namespace {

/// By the header of the input, as --dry-run.
std::string predicted(const RunContext& run, Stage stage) {
  try {
    const SectionSize size(read_shape(run.config.input), run.config);
    const auto bytes =
        memory_plan(size, run.config, run.plan, run.world.size(), run.n_threads, run.base_memory);
    return ", which --dry-run predicts to take " +
           readable_bytes(bytes[static_cast<std::size_t>(stage)]) + " on a rank";
  } catch (const std::exception&) {
    return "";
  }
}

}  // namespace

void in_memory_for(const RunContext& run, Stage stage, const std::function<void()>& work) {
  try {
    work();
  } catch (const std::bad_alloc&) {
    throw LibraryError(
        "host memory",
        fmt::format("none is left in stage {}{}; start fewer ranks on a node, {}or raise the limit "
                    "(of the batch job, of ulimit)",
                    name_of(stage), predicted(run, stage),
                    stage == Stage::train ? "cut the section by a larger compute.tiles, " : ""));
  }
}

}  // namespace stamarker
