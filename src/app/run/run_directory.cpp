#include "app/run/run_directory.hpp"

#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <climits>
#include <filesystem>
#include <string_view>

#include "app/run/stage_files.hpp"
#include "base/error.hpp"
#include "base/text.hpp"
#include "io/atomic_file.hpp"
#include "io/in_place_file.hpp"

namespace stamarker {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void refuse_output(const std::string& output, const std::string& why) {
  throw InputError(fmt::format("output = {} ({})", output, why));
}

/// The path itself, or the nearest above it that exists, be it a link that leads nowhere.
fs::path nearest_existing(const fs::path& path) {
  fs::path place = fs::absolute(path).lexically_normal();
  std::error_code ignored;
  while (!fs::exists(fs::symlink_status(place, ignored)) && place.has_parent_path() &&
         place != place.parent_path())
    place = place.parent_path();
  return place;
}

/// Of every name in the path, and of the path with the longest name that a run adds to it.
void check_length(const std::string& output, const fs::path& existing) {
  const fs::path whole = fs::absolute(output).lexically_normal();
  const RunDirectory directory(whole.string());
  const std::size_t n_bytes = (directory.classifier(0) + ".partial").size();
  if (n_bytes >= PATH_MAX)
    refuse_output(output,
                  fmt::format("too long: paths of the run's files would have up to {}, "
                              "{} are possible",
                              counted(static_cast<std::int64_t>(n_bytes), "byte"), PATH_MAX - 1));
  const long most = pathconf(existing.c_str(), _PC_NAME_MAX);
  for (const fs::path& name : whole)
    if (most > 0 && name.string().size() > static_cast<std::size_t>(most))
      refuse_output(
          output,
          fmt::format("a name in it has {}, the file system takes {}",
                      counted(static_cast<std::int64_t>(name.string().size()), "byte"), most));
}

/// Of a folder that is there: whether files can be made in it.
void check_folder(const std::string& output, const fs::path& folder) {
  std::error_code failure, ignored;
  const fs::file_status status = fs::status(folder, failure);
  if (!fs::exists(status) && fs::is_symlink(fs::symlink_status(folder, ignored)))
    refuse_output(output, fmt::format("{} is a symbolic link that leads nowhere: {}",
                                      folder.string(), failure.message()));
  if (!fs::is_directory(status))
    refuse_output(output, fmt::format("{} is a file; name a folder", folder.string()));
  if (access(folder.c_str(), W_OK | X_OK) != 0)
    refuse_output(output, fmt::format("cannot be written: {} of {}",
                                      std::generic_category().message(errno), folder.string()));
}

/// The paths in a folder; none where it cannot be read.
std::vector<fs::path> paths_in(const fs::path& folder) {
  std::vector<fs::path> paths;
  std::error_code failure;
  for (fs::directory_iterator at(folder, failure), end; !failure && at != end;
       at.increment(failure))
    paths.push_back(at->path());
  return paths;
}

/// Files of a stage that are told apart by a number: models/model_007.h5.
struct NumberedFiles {
  const char *folder, *start;

  bool hold(const std::string& name) const {
    const std::string_view ending = ".h5", first = start;
    if (!name.starts_with(first) || !name.ends_with(ending)) return false;
    const std::string number =
        name.substr(first.size(), name.size() - first.size() - ending.size());
    return !number.empty() && number.find_first_not_of("0123456789") == std::string::npos;
  }
};
constexpr NumberedFiles model_files{"models", "model_"}, label_files{"clusters", "model_"},
    classifier_files{"classifiers", "classifier_"}, saliency_files{"saliency", "tile_"};
constexpr std::array all_numbered_files{model_files, label_files, classifier_files, saliency_files};

/// What a file of `stage` carries, empty if nothing.
std::string fingerprint_in(const RunDirectory& directory, Stage stage, const std::string& file) {
  return stage == Stage::svgs && file == directory.result() ? fingerprint_of_result(file)
                                                            : fingerprint_of_file(file);
}

/// Whether a file of `stage` carries the stage's fingerprint. The table of SVGs carries none.
bool is_current(const RunDirectory& directory, const Fingerprints& fingerprints, Stage stage,
                const std::string& file) {
  return file == directory.svg_table() ||
         fingerprint_in(directory, stage, file) == fingerprints.of(stage);
}

bool any_file(const RunDirectory& directory, Stage stage) {
  return !directory.files_of(stage).empty();
}

/// What stands in the way and what to do: a key of the run in the directory that differs, a damaged
/// file, another version of the program, another input.
std::string refusal(const RunDirectory& directory, const Config& config,
                    const Fingerprints& fingerprints, Stage stage,
                    const std::vector<std::string>& others, bool is_before) {
  const std::string what_to_do =
      is_before ? fmt::format("run `stamarker {}` with this configuration first", name_of(stage))
                : "choose another output, or pass --overwrite to replace it";
  try {
    const Difference difference =
        first_difference(config, load_config({directory.config()}, {}).config);
    if (!difference.key.empty())
      return fmt::format("holds a run of another configuration, {} = {} there and {} here; {}",
                         difference.key, difference.theirs, difference.ours, what_to_do);
  } catch (const InputError&) {
    return "holds a run without a readable config.resolved.yaml; " + what_to_do;
  }
  const Origin theirs = origin_of_prepared(directory.prepared()), &ours = fingerprints.origin();
  if (!theirs.program.empty() && theirs.program != ours.program)
    return fmt::format(
        "holds a run of another version of the program, \"{}\" there and \"{}\" here, whose "
        "results may differ; {}",
        theirs.program, ours.program, what_to_do);
  for (const std::string& file : others)
    if (fingerprint_in(directory, stage, file).empty())
      return fmt::format(
          "{} cannot be read as a file of stamarker: close it if another program has it open, else "
          "delete it, and `stamarker {} --resume` makes it again",
          file, name_of(stage));
  if (!theirs.input_checksum.empty() && theirs.input_checksum != ours.input_checksum)
    return fmt::format("holds a run of {} as it was before its contents changed; {}",
                       config.input.path, what_to_do);
  return fmt::format("holds a run of other contents of {}, or of another version of stamarker; {}",
                     config.input.path, what_to_do);
}

/// Of a stage that a later one needs.
void check_finished(const RunDirectory& directory, const Fingerprints& fingerprints, int n_models,
                    Stage stage) {
  const StageFiles files = count_files(directory, fingerprints, n_models, stage);
  if (files.are_complete()) return;
  const std::string how_far =
      files.n_all > 1 ? fmt::format(" ({} of {} {})", files.n_done, files.n_all, files.what) : "";
  throw InputError(
      fmt::format("output = {}: stage {} is unfinished{}; run `stamarker {} --resume` first",
                  directory.path(), name_of(stage), how_far, name_of(stage)));
}

}  // namespace

std::string RunDirectory::model(int m) const {
  return fmt::format("{}/models/model_{:03}.h5", path_, m);
}
std::string RunDirectory::labels(int m) const {
  return fmt::format("{}/clusters/model_{:03}.h5", path_, m);
}
std::string RunDirectory::classifier(int m) const {
  return fmt::format("{}/classifiers/classifier_{:03}.h5", path_, m);
}
std::string RunDirectory::saliency_tile(int t) const {
  return fmt::format("{}/saliency/tile_{:04}.h5", path_, t);
}

bool RunDirectory::exists() const {
  std::error_code ignored;
  return fs::is_directory(path_, ignored);
}

std::vector<std::string> RunDirectory::files_of(Stage stage) const {
  std::vector<std::string> files;
  std::error_code ignored;
  const auto add_file = [&](const std::string& file) {
    if (fs::exists(file, ignored)) files.push_back(file);
  };
  const auto add_numbered = [&](const NumberedFiles& numbered) {
    for (const fs::path& path : paths_in(fs::path(path_) / numbered.folder))
      if (numbered.hold(path.filename().string())) files.push_back(path.string());
  };
  switch (stage) {
    case Stage::prepare:
      add_file(prepared());
      break;
    case Stage::train:
      add_numbered(model_files);
      break;
    case Stage::cluster:
      add_file(clusters());
      add_numbered(label_files);
      break;
    case Stage::consensus:
      add_file(consensus());
      break;
    case Stage::classify:
      add_numbered(classifier_files);
      break;
    case Stage::saliency:
      add_numbered(saliency_files);
      break;
    case Stage::svgs:
      add_file(svg_table());
      add_file(result());
      break;
  }
  std::ranges::sort(files);
  return files;
}

void RunDirectory::remove(Stage stage) const {
  std::error_code ignored;
  for (const std::string& file : files_of(stage)) fs::remove(file, ignored);
}

void RunDirectory::remove_partial() const {
  std::error_code ignored;
  const auto remove_those_of = [&](const fs::path& folder, auto is_own) {
    for (const fs::path& path : paths_in(folder))
      if (is_partial(path.string()) && is_own(path_of_partial(path.filename().string())))
        fs::remove(path, ignored);
  };
  remove_those_of(path_, [&](const std::string& name) {
    return std::ranges::any_of(
        std::array{prepared(), clusters(), consensus(), svg_table(), result(), config()},
        [&](const std::string& own) { return fs::path(own).filename() == name; });
  });
  for (const NumberedFiles& numbered : all_numbered_files)
    remove_those_of(fs::path(path_) / numbered.folder,
                    [&](const std::string& name) { return numbered.hold(name); });
}

void RunDirectory::create() {
  const fs::path folder = fs::absolute(path_).lexically_normal();
  std::error_code failure;
  if (folder.has_parent_path()) fs::create_directories(folder.parent_path(), failure);
  if (!failure) is_new_ = fs::create_directory(folder, failure);
  if (failure)
    throw InputError(fmt::format("output = {} (cannot be made: {})", path_, failure.message()));
}

void RunDirectory::create_folders() const {
  std::error_code failure;
  for (const NumberedFiles& numbered : all_numbered_files) {
    const fs::path folder = fs::path(path_) / numbered.folder;
    fs::create_directory(folder, failure);
    if (failure)
      throw InputError(fmt::format("{} (cannot be made: {})", folder.string(), failure.message()));
  }
}

void RunDirectory::discard_if_new() {
  std::error_code ignored;
  if (std::exchange(is_new_, false)) fs::remove_all(path_, ignored);
}

std::vector<std::string> files_of_others(const RunDirectory& directory,
                                         const Fingerprints& fingerprints, Stage stage) {
  std::vector<std::string> files = directory.files_of(stage);
  std::erase_if(files, [&](const std::string& file) {
    return is_current(directory, fingerprints, stage, file);
  });
  return files;
}

StageFiles count_files(const RunDirectory& directory, const Fingerprints& fingerprints,
                       int n_models, Stage stage) {
  const auto is_there = [&](const std::string& file) {
    std::error_code ignored;
    return fs::exists(file, ignored) && is_current(directory, fingerprints, stage, file);
  };
  const auto one = [&](const std::string& file) { return StageFiles{is_there(file) ? 1 : 0}; };
  const auto count = [](int n, const char* what, auto is_done) {
    StageFiles files{0, n, what};
    for (int k = 0; k < n; ++k) files.n_done += is_done(k) ? 1 : 0;
    return files;
  };
  switch (stage) {
    case Stage::prepare:
      return one(directory.prepared());
    case Stage::train:
      return count(n_models, "models", [&](int m) {
        return is_there(directory.model(m)) && is_complete_model(directory.model(m));
      });
    case Stage::cluster:
      return one(directory.clusters());
    case Stage::consensus:
      return one(directory.consensus());
    case Stage::classify:
      return count(n_models, "classifiers",
                   [&](int m) { return is_there(directory.classifier(m)); });
    case Stage::saliency: {
      const std::vector<std::string> tiles = directory.files_of(stage);
      if (tiles.empty() || !is_there(tiles.front())) return {};
      return count(read_n_saliency_tiles(tiles.front()), "tiles",
                   [&](int t) { return is_there(directory.saliency_tile(t)); });
    }
    case Stage::svgs:
      return one(directory.result());
  }
  throw std::logic_error("a stage without files");
}

void check_writable(const RunDirectory& directory) {
  const std::string& output = directory.path();
  const fs::path place = nearest_existing(output);
  check_length(output, place);
  check_folder(output, place);
  if (!directory.exists()) return;
  for (const NumberedFiles& numbered : all_numbered_files) {
    const fs::path folder = fs::path(output) / numbered.folder;
    std::error_code ignored;
    if (fs::exists(fs::symlink_status(folder, ignored))) check_folder(output, folder);
  }
  check_in_place(directory.lock());
  check_in_place(directory.log());
}

void check_directory(const RunDirectory& directory, const Config& config,
                     const Fingerprints& fingerprints, Existing existing, StageRange stages) {
  const bool may_replace = existing == Existing::overwrite || existing == Existing::replace;
  for (const Stage stage : all_stages) {
    const bool is_before = stage < stages.first;
    if (is_before && !any_file(directory, stage))
      throw InputError(
          fmt::format("output = {} (has no results of stage {}; run `stamarker {}` first)",
                      directory.path(), name_of(stage), name_of(stage)));
    if (may_replace && !is_before) continue;
    const auto others = files_of_others(directory, fingerprints, stage);
    if (!others.empty())
      throw InputError(
          fmt::format("output = {} ({})", directory.path(),
                      refusal(directory, config, fingerprints, stage, others, is_before)));
    if (is_before) check_finished(directory, fingerprints, config.models, stage);
  }
  std::error_code ignored;
  const bool is_unfinished =
      !fs::exists(directory.result(), ignored) &&
      std::ranges::any_of(all_stages, [&](Stage stage) { return any_file(directory, stage); });
  if (stages.is_whole_run() && existing == Existing::refuse && is_unfinished)
    throw InputError(
        fmt::format("output = {} (holds an unfinished run of this configuration; pass "
                    "--resume to continue it, or --overwrite to start again)",
                    directory.path()));
}

void clear_directory(const RunDirectory& directory, const Fingerprints& fingerprints,
                     Existing existing, StageRange stages) {
  directory.remove_partial();
  for (const Stage stage : all_stages)
    if (stage >= stages.first && (existing == Existing::overwrite ||
                                  (existing == Existing::replace &&
                                   !files_of_others(directory, fingerprints, stage).empty())))
      directory.remove(stage);
}

}  // namespace stamarker
