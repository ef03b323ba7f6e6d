#include "app/commands/describe_run.hpp"

#include <fmt/core.h>

#include <filesystem>

#include "app/commands/info.hpp"
#include "app/config/config.hpp"
#include "app/config/config_fields.hpp"
#include "app/config/config_value.hpp"
#include "app/run/log.hpp"
#include "app/run/run_directory.hpp"
#include "app/run/stage_files.hpp"
#include "base/text.hpp"
#include "io/h5.hpp"

namespace stamarker {
namespace {

namespace fs = std::filesystem;

double bytes_of(const std::vector<std::string>& files) {
  double bytes = 0;
  for (const std::string& file : files) {
    std::error_code unknown;
    const std::uintmax_t size = fs::file_size(file, unknown);
    if (!unknown) bytes += static_cast<double>(size);
  }
  return bytes;
}

/// Keys that differ from the defaults of the profile.
std::string options_text(const Config& config) {
  Config defaults;
  defaults.profile = config.profile;
  apply_profile(defaults, config.profile);
  std::string text;
  for (const Field& field : config_fields())
    if (field.write(config) != field.write(defaults) && field.key != "profile")
      text += fmt::format("  {}: {}\n", field.key, field.write(config));
  return text;
}

/// What the result warns of; nothing where it cannot be read.
std::string warnings_of(const std::string& result) {
  try {
    return warnings_text(h5::open_to_read(result));
  } catch (const InputError&) {
    return {};
  }
}

/// "complete", "2 of 3 models", "missing".
std::string progress_text(const RunDirectory& directory, const Fingerprints& fingerprints,
                          int n_models, Stage stage) {
  const StageFiles files = count_files(directory, fingerprints, n_models, stage);
  if (files.are_complete()) return "complete";
  if (files.n_done == 0) return "missing";
  return fmt::format("{} of {} {}", files.n_done, files.n_all, files.what);
}

/// How far a stage is, and what its files take.
std::string stage_text(const RunDirectory& directory, const Fingerprints& fingerprints,
                       int n_models, Stage stage) {
  const std::vector<std::string> files = directory.files_of(stage);
  std::string text = fmt::format("  {:<10} ", name_of(stage));
  try {
    text += progress_text(directory, fingerprints, n_models, stage);
    if (const auto n = std::ssize(files_of_others(directory, fingerprints, stage)); n > 0)
      text +=
          fmt::format(" ({} damaged, or of other options, input or version)", counted(n, "file"));
  } catch (const InputError& error) {
    text += readable(error.what());
  }
  if (!files.empty())
    text += fmt::format(", {} in {}", readable_bytes(bytes_of(files)),
                        counted(std::ssize(files), "file"));
  return text + "\n";
}

}  // namespace

bool is_run_directory(const std::string& path) {
  std::error_code ignored;
  return fs::is_regular_file(RunDirectory(path).config(), ignored);
}

std::string describe_run(const std::string& path) {
  const RunDirectory directory(path);
  const Config config = load_config({directory.config()}, {}).config;
  const Origin origin = origin_of_prepared(directory.prepared());
  const Fingerprints fingerprints(config, origin);
  std::string text =
      fmt::format("a run of {}\ninput      {}\nprofile    {}, {}, {}, seed {}\n",
                  origin.program.empty() ? "stamarker" : readable(origin.program),
                  readable(config.input.path), yaml::write(config.profile),
                  counted(config.models, "model"), counted(config.domains, "domain"), config.seed);
  text += "options that differ from the profile's\n" + options_text(config) + "stages\n";
  for (const Stage stage : all_stages)
    text += stage_text(directory, fingerprints, config.models, stage);
  std::error_code ignored;
  if (fs::exists(directory.result(), ignored))
    text += fmt::format("result     {}, of which `stamarker info` says more\n",
                        readable(directory.result())) +
            warnings_of(directory.result());
  if (fs::exists(directory.lock(), ignored))
    text += fmt::format("lock       {}: in use, or left by a process that was killed\n",
                        readable(directory.lock()));
  return text;
}

}  // namespace stamarker
