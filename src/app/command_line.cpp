#include "app/command_line.hpp"

#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <iostream>
#include <map>
#include <string_view>

#include "app/commands/compare.hpp"
#include "app/commands/info.hpp"
#include "app/commands/simulate_command.hpp"
#include "app/config/config.hpp"
#include "app/run/pipeline.hpp"
#include "app/version/version.hpp"
#include "base/text.hpp"
#include "io/input_formats.hpp"

namespace stamarker {
namespace {

constexpr int usage_error = 2;

/// Options of the commands that compute, as CLI11 fills them in.
struct PipelineArguments {
  std::vector<std::string> files, settings;
  bool resume = false, overwrite = false, dry_run = false;

  PipelineRequest request(StageRange stages) const {
    const Existing existing = overwrite ? (resume ? Existing::replace : Existing::overwrite)
                                        : (resume ? Existing::resume : Existing::refuse);
    return {.config_files = files,
            .settings = settings,
            .stages = stages,
            .existing = existing,
            .is_dry_run = dry_run};
  }
};

void add_pipeline_options(CLI::App& command, PipelineArguments& arguments) {
  command.add_option("CONFIG", arguments.files, "YAML file; several are taken together")
      ->required();
  command
      .add_option(
          "--set", arguments.settings,
          "key=value, a dotted key over the file's; a text is everything behind the first =; "
          "may be given again and again")
      ->allow_extra_args(false)
      ->type_name("KEY=VALUE");
  command.add_flag("--resume", arguments.resume,
                   "continue an unfinished run; what is there already is kept");
  command.add_flag("--overwrite", arguments.overwrite,
                   "replace what the output holds; with --resume only what does not fit");
  command.add_flag(
      "--dry-run", arguments.dry_run,
      "check the configuration against the input's header, say what would be done and how "
      "much memory it takes, write nothing");
}

const char* description_of(Stage stage) {
  switch (stage) {
    case Stage::prepare:
      return "read the input, select genes, normalise, find neighbours";
    case Stage::train:
      return "train the auto-encoders";
    case Stage::cluster:
      return "cluster each model's embedding";
    case Stage::consensus:
      return "join the clusterings into domains";
    case Stage::classify:
      return "train a classifier from each embedding to the domains";
    case Stage::saliency:
      return "propagate the classifiers' scores back to the genes";
    case Stage::svgs:
      return "select the domains' genes and write result.h5ad";
  }
  return "";
}

constexpr const char* program_footer = R"(
Examples:
  stamarker run configs/visium.yaml --set input.path=section.h5ad --set output=runs/section --set domains=7
  mpirun -n 4 stamarker run config.yaml
  stamarker simulate section.h5ad && stamarker info section.h5ad
  stamarker config > config.yaml

Exit codes: 0 well; 2 input, configuration or command line will not do; 75 interrupted, --resume goes on.
`stamarker COMMAND --help` says more of a command.)";

constexpr const char* run_footer = R"(
Examples:
  stamarker run config.yaml
  stamarker run config.yaml --set domains=5 --set autoencoder.epochs=500 --set output=runs/five
  stamarker run config.yaml --dry-run
  mpirun -n 4 stamarker run config.yaml --resume

The output is a folder: result.h5ad, svgs.tsv, config.resolved.yaml, run.log and the files of the stages.
SIGINT (Ctrl-C), SIGTERM, SIGUSR1 and SIGHUP end a run after the running epoch, with everything saved and exit code 75;
a second SIGINT ends it at once. Under mpirun send SIGUSR1: to the others mpirun answers by killing its ranks a second
later.)";

std::string stage_footer(Stage stage) {
  return fmt::format(R"(
Example:
  stamarker {0} config.yaml

Works on the run directory `output` and needs the stages before it. To change an option of this stage:
  stamarker {0} config.yaml --set key=value --overwrite
which replaces the results of this stage and of those that follow.)",
                     name_of(stage));
}

constexpr const char* config_footer = R"(
Examples:
  stamarker config > config.yaml
  stamarker config --profile reference)";

constexpr const char* info_footer = R"(
Examples:
  stamarker info section.h5ad
  stamarker info runs/section
  stamarker info runs/section/result.h5ad)";

constexpr const char* compare_footer = R"(
Spots without a value in the column or in obs/stamarker are left out.

Examples:
  stamarker compare runs/section/result.h5ad --truth ground_truth
  stamarker compare runs/quickstart/result.h5ad --truth domain --genes svg_of)";

void print_comparison(const std::string& file, const std::string& annotation,
                      const std::string& genes) {
  const Comparison found = compare(read_compared(file, annotation, genes));
  const bool has_genes = !genes.empty();
  std::size_t width = std::string_view("annotated").size();
  for (const DomainMatch& match : found.matches)
    width = std::max(width, readable(match.annotated).size());
  fmt::print("{:<{}}   spots   found   spots in it{}\n", "annotated", width,
             has_genes ? "   known SVGs   AUROC" : "");
  for (const DomainMatch& match : found.matches) {
    fmt::print("{:<{}} {:>7} {:>7} {:>13}", readable(match.annotated), width, match.n_spots,
               readable(match.found), match.n_shared);
    if (has_genes) fmt::print(" {:>12} {:>7.3f}", match.n_genes, match.auroc);
    fmt::print("\n");
  }
  fmt::print("adjusted Rand index over {}: {:.4f}\n", counted(found.n_annotated, "annotated spot"),
             found.adjusted_rand_index);
  if (found.n_not_annotated > 0)
    fmt::print("left out: {} without an annotation\n", counted(found.n_not_annotated, "spot"));
  if (found.n_without_domain > 0)
    fmt::print("left out: {} without a domain\n",
               counted(found.n_without_domain, "annotated spot"));
  if (has_genes) fmt::print("mean AUROC of known SVGs: {:.4f}\n", found.mean_auroc);
}

/// All commands, and what the one that was given does.
class Commands {
 public:
  explicit Commands(const Comm& world) : world_(world) {
    app_.set_version_flag("--version", fmt::format("stamarker {} ({})", version, commit));
    app_.footer(program_footer);
    app_.require_subcommand(1);
    add_pipeline_commands();
    add_other_commands();
  }

  int run(int argc, char** argv) {
    try {
      app_.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
      return answer(error);
    }
    for (const auto& [command, action] : actions_)
      if (command->parsed()) action();
    return 0;
  }

 private:
  void add_pipeline_commands() {
    CLI::App* run = app_.add_subcommand("run", "all stages, from the input to result.h5ad");
    run->footer(run_footer);
    add_pipeline_options(*run, arguments_);
    actions_[run] = [this] { run_pipeline(world_, arguments_.request({})); };
    for (const Stage stage : all_stages) {
      CLI::App* command = app_.add_subcommand(std::string(name_of(stage)),
                                              fmt::format("stage: {}", description_of(stage)));
      command->footer(stage_footer(stage));
      add_pipeline_options(*command, arguments_);
      actions_[command] = [this, stage] {
        run_pipeline(world_, arguments_.request({stage, stage}));
      };
    }
  }

  void add_other_commands() {
    CLI::App* simulate =
        app_.add_subcommand("simulate", "write a section with known domains and SVGs");
    add_simulate_options(*simulate, simulate_arguments_);
    actions_[simulate] = [this] { world_.on_root([this] { run_simulate(simulate_arguments_); }); };

    CLI::App* config =
        app_.add_subcommand("config", "print every key with its default and meaning");
    config->footer(config_footer);
    config->add_option("--profile", profile_, "tuned, full or reference");
    actions_[config] = [this] {
      world_.on_root([this] {
        const std::vector<std::string> settings{"profile=" + profile_};
        fmt::print(
            "{}", to_commented_yaml(
                      parse_config("", "", profile_.empty() ? std::vector<std::string>() : settings)
                          .config));
      });
    };

    CLI::App* info =
        app_.add_subcommand("info", "say what is in a data or result file, or how far a run is");
    info->footer(info_footer);
    info->add_option("FILE", file_, ".h5ad, 10x .h5, folder, run directory, or a file of a run")
        ->required();
    actions_[info] = [this] {
      world_.on_root([this] { fmt::print("{}", readable_lines(describe_file(file_))); });
    };

    CLI::App* comparison = app_.add_subcommand(
        "compare", "found domains and SVGs with an annotation of the same spots");
    comparison->footer(compare_footer);
    comparison->add_option("RESULT", file_, "result.h5ad")->required();
    comparison->add_option("--truth", annotation_, "column of obs")->required();
    comparison->add_option("--genes", genes_, "column of var that names a gene's annotated domain");
    actions_[comparison] = [this] {
      world_.on_root([this] {
        input::reading_input(file_, [this] { print_comparison(file_, annotation_, genes_); });
      });
    };
  }

  /// Help and version go to standard output, a mistake to standard error, on rank 0.
  int answer(const CLI::ParseError& error) const {
    if (error.get_exit_code() == 0) {
      if (world_.rank() == 0) app_.exit(error, std::cout, std::cerr);
      return 0;
    }
    if (world_.rank() == 0)
      fmt::print(stderr, "stamarker: error: {} (`stamarker --help` lists commands and options)\n",
                 readable(error.what()));
    return usage_error;
  }

  const Comm& world_;
  CLI::App app_{"Spatial domains and domain-specific spatially variable genes (STAMarker).",
                "stamarker"};
  PipelineArguments arguments_;
  SimulateArguments simulate_arguments_;
  std::string profile_, file_, annotation_, genes_;
  std::map<const CLI::App*, std::function<void()>> actions_;
};

}  // namespace

int run_command_line(const Comm& world, int argc, char** argv) {
  return Commands(world).run(argc, argv);
}

}  // namespace stamarker
