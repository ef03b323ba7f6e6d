#include "app/run/pipeline.hpp"

#include <fmt/core.h>
#include <omp.h>

#include <algorithm>
#include <chrono>

#include "app/config/config_value.hpp"
#include "app/run/host_memory.hpp"
#include "app/run/interruption.hpp"
#include "app/run/log.hpp"
#include "app/run/machine.hpp"
#include "app/run/memory_plan.hpp"
#include "app/run/run_lock.hpp"
#include "app/run/same_files.hpp"
#include "app/run/summary.hpp"
#include "app/stages/stages.hpp"
#include "app/version/version.hpp"
#include "base/error.hpp"
#include "base/text.hpp"
#include "io/atomic_file.hpp"
#include "model/saliency.hpp"

namespace stamarker {
namespace {

using StageFunction = void (*)(RunContext&);

StageFunction function_of(Stage stage) {
  switch (stage) {
    case Stage::prepare:
      return write_prepare_stage;
    case Stage::train:
      return train_stage;
    case Stage::cluster:
      return cluster_stage;
    case Stage::consensus:
      return consensus_stage;
    case Stage::classify:
      return classify_stage;
    case Stage::saliency:
      return saliency_stage;
    case Stage::svgs:
      return svgs_stage;
  }
  throw std::logic_error("a stage without a function");
}

/// Read and checked on rank 0, the same on all ranks.
Config load_on_root(const Comm& world, const PipelineRequest& request, Log& log) {
  std::string text;
  world.on_root([&] {
    const LoadedConfig loaded = load_config(request.config_files, request.settings);
    for (const std::string& warning : loaded.warnings) log.warn(warning);
    loaded.config.validate();
    text = to_yaml(loaded.config);
  });
  return parse_config(world.broadcast(text), "configuration").config;
}

/// The same on all ranks: what is asked for, else a GPU where each of them has one.
Device device_of(const Comm& world, const ComputeOptions& options, Log& log) {
  if (options.device) return *options.device;
  const std::string problem = why_missing(Device::cuda);
  if (world.max(problem.empty() ? 0 : 1) == 0) return Device::cuda;
  if (is_built_for(Device::cuda))
    log.info("device     the CPU: " + (problem.empty() ? "another rank has no GPU" : problem));
  return Device::cpu;
}

/// Whether the stage's files are all there with the right fingerprint. Collective.
bool agreed_finished(const RunContext& run, Stage stage) {
  int finished = 0;
  run.world.on_root([&] {
    const StageFiles files = count_files(run.directory, run.fingerprints, run.config.models, stage);
    finished = files.are_complete() ? 1 : 0;
  });
  return run.world.max(finished) == 1;
}

/// What `stage` reads, and what is there of it: all ranks find the same. Collective.
void expect_same_files(const RunContext& run, Stage stage) {
  std::vector<std::string> files;
  run.world.on_root([&] {
    for (const Stage each : all_stages)
      if (each <= stage && each != Stage::svgs)
        for (const std::string& file : run.directory.files_of(each)) files.push_back(file);
  });
  expect_same_stage_files(run.world, files);
}

/// Computes the stages of the request that are not there yet.
void run_stages(RunContext& run, StageRange stages) {
  using Clock = std::chrono::steady_clock;
  for (const Stage stage : all_stages) {
    if (!stages.holds(stage)) continue;
    const bool is_in_memory = stage == Stage::prepare && run.prepared.has_value();
    if (!is_in_memory && agreed_finished(run, stage)) {
      run.log.info(fmt::format("{:<10} is there already", name_of(stage)));
      continue;
    }
    const Clock::time_point start = Clock::now();
    if (stage != Stage::prepare) expect_same_files(run, stage);
    in_memory_for(run, stage, [&] { function_of(stage)(run); });
    run.world.barrier();
    const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
    if (stage == Stage::prepare && !run.seconds.empty())
      run.seconds.back().second += seconds;  // of reading and preparing, before there was a file
    else
      run.seconds.emplace_back(name_of(stage), seconds);
    run.log.file_only(fmt::format("{} took {:.2f} s", name_of(stage), run.seconds.back().second));
    if (stage != Stage::svgs) run.stop_if_interrupted();  // after the last all is done
  }
}

/// Reads and prepares the input if the first stage is to be computed.
void prepare_in_memory(RunContext& run, StageRange stages, Existing existing) {
  if (!stages.holds(Stage::prepare)) return;
  if (existing != Existing::overwrite && agreed_finished(run, Stage::prepare)) return;
  const auto start = std::chrono::steady_clock::now();
  in_memory_for(run, Stage::prepare, [&] { prepare_input(run); });
  run.seconds.emplace_back(
      name_of(Stage::prepare),
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
}

/// Of the run directory; only rank 0 has it.
using Lock = std::optional<RunLock>;

/// Locks the directory and checks it, if it is there; else checks whether it can be made.
void lock_and_check(const RunContext& run, const PipelineRequest& request, Lock& lock) {
  check_writable(run.directory);
  if (run.directory.exists())
    lock.emplace(run.directory.path(), [&](const std::string& line) { run.log.warn(line); });
  check_directory(run.directory, run.config, run.fingerprints, request.existing, request.stages);
}

void open_directory(RunContext& run, RunDirectory& directory, const PipelineRequest& request,
                    Lock& lock) {
  run.world.on_root([&] {
    directory.create();
    if (!lock) lock_and_check(run, request, lock);  // another run may have made it meanwhile
    try {
      directory.create_folders();
      clear_directory(directory, run.fingerprints, request.existing, request.stages);
      write_text_file(directory.config(), to_yaml(run.config));
      run.log.open(directory.log());
    } catch (const InputError&) {
      run.log.close();
      directory.discard_if_new();
      throw;
    }
  });
}

void describe(const RunContext& run) {
  const Config& config = run.config;
  run.log.info(fmt::format("stamarker {} ({}), {} x {}, {}", version, commit,
                           counted(run.world.size(), "rank"), counted(run.n_threads, "thread"),
                           run.backend.description()));
  run.log.info(fmt::format("profile    {}, {}, {}, seed {}", yaml::write(config.profile),
                           counted(config.models, "model"), counted(config.domains, "domain"),
                           config.seed));
  if (run.plan.n_groups > config.models)
    run.log.info(
        fmt::format("           nothing to train for {} of {}: there is work for {} "
                    "(compute.tile_groups shares a section out over ranks)",
                    run.plan.n_groups - config.models, counted(run.plan.n_groups, "model group"),
                    config.models));
}

/// What a run would do and need, on standard output. Of the input only the header is read.
void describe_dry_run(RunContext& run) {
  run.world.on_root([&] {
    const Config& config = run.config;
    check_writable(run.directory);
    const InputShape input = read_shape(config.input);
    const SectionSize size(input, config);
    const auto n_spots = static_cast<int>(size.n_spots);
    run.log.info(fmt::format("input      {}: {} x {}, {}", config.input.path,
                             counted(input.n_spots, "spot"), counted(input.n_genes, "gene"),
                             counted(input.n_entries, "entry", "entries")));
    const int n_tiles = training_tiles(config.compute, n_spots);
    const int most = (config.models + run.plan.n_groups - 1) / run.plan.n_groups;
    run.log.info(fmt::format(
        "training   {} of {}, at most {} a group, {}", counted(run.plan.n_groups, "model group"),
        counted(run.plan.n_tile_ranks, "rank"), counted(most, "model"), counted(n_tiles, "tile")));
    run.log.info(fmt::format("saliency   {} over {}", counted(saliency_tiles(n_spots), "tile"),
                             counted(run.world.size(), "rank")));
    run.log.info(
        fmt::format("memory     of a rank, if {} hold {:.0f} % of the "
                    "entries, as far as the header tells:",
                    counted(size.n_genes, "selected gene"), 100 * size.selected_share));
    const auto bytes =
        memory_plan(size, config, run.plan, run.world.size(), run.n_threads, run.base_memory);
    for (const Stage stage : all_stages)
      run.log.info(fmt::format(
          "  {:<10} {}{}", name_of(stage), readable_bytes(bytes[static_cast<std::size_t>(stage)]),
          stage == Stage::consensus ? " at most, where the models agree little" : ""));
    run.log.lines(fmt::format("\n# the configuration as it would be used\n{}", to_yaml(config)));
  });
}

void run_in_directory(RunContext& run, RunDirectory& directory, const PipelineRequest& request) {
  Lock lock;
  run.world.on_root([&] { lock_and_check(run, request, lock); });
  describe(run);
  prepare_in_memory(run, request.stages, request.existing);
  open_directory(run, directory, request, lock);
  try {
    run_stages(run, request.stages);
  } catch (const InputError&) {
    run.log.close();
    const bool has_stage = !directory.files_of(Stage::prepare).empty();
    if (run.is_root() && !has_stage) directory.discard_if_new();
    throw;
  } catch (const Interrupted&) {
    run.log.info("interrupted: everything so far is saved; the same command with --resume goes on");
    throw;
  }
  const PeakMemory memory = peak_memory(run.world);
  if (run.seconds.empty())
    run.log.info(
        fmt::format("{} is complete for this configuration: nothing to do (--overwrite "
                    "computes it anew)",
                    directory.path()));
  else
    run.log.lines(run_summary(run.seconds, memory, run.world.size(), directory,
                              request.stages.holds(Stage::svgs)));
}

}  // namespace

void run_pipeline(const Comm& world, const PipelineRequest& request) {
  Log log(world.rank() == 0);
  const Config config = load_on_root(world, request, log);
  if (!request.is_dry_run) watch_for_interruption();
  const ParallelPlan plan(world.rank(), world.size(), config.compute);
  const int n_available = available_threads(world);
  const bool is_given = config.compute.threads > 0;
  const int n_threads = is_given ? config.compute.threads : n_available;
  world.together(
      [&] { check_threads(is_given ? "compute.threads" : "OMP_NUM_THREADS", n_threads); });
  omp_set_num_threads(n_threads);
  const Device device = device_of(world, config.compute, log);
  const BackendOptions backend_options{.precision = config.compute.precision,
                                       .local_rank = world.rank_on_machine()};
  const auto make_stream = [&] { return make_backend(device, backend_options); };
  std::unique_ptr<Backend> backend;
  world.together([&] { backend = make_stream(); });
  const double base_memory = peak_memory(world).largest;
  std::string checksum;
  world.on_root([&] {
    check_against_spots(config, read_shape(config.input).n_spots, "of the input");
    if (!request.is_dry_run) checksum = input_checksum(config.input.path);
  });
  checksum = world.broadcast(checksum);
  if (!request.is_dry_run) expect_same_input(world, config.input.path);

  RunDirectory directory(config.output);
  const Fingerprints fingerprints(config, {program_of_results(), checksum});
  RunContext run{.world = world,
                 .config = config,
                 .directory = directory,
                 .fingerprints = fingerprints,
                 .log = log,
                 .backend = *backend,
                 .make_stream = make_stream,
                 .plan = plan,
                 .n_threads = n_threads,
                 .base_memory = base_memory,
                 .prepared = {},
                 .seconds = {}};
  if (request.is_dry_run) return describe_dry_run(run);
  run_in_directory(run, directory, request);
}

}  // namespace stamarker
