#pragma once
#include <string>
#include <vector>

#include "app/config/config.hpp"
#include "app/run/fingerprint.hpp"

namespace stamarker {

/// The folder of one run and the names of the files in it.
class RunDirectory {
 public:
  explicit RunDirectory(std::string path) : path_(std::move(path)) {}

  const std::string& path() const { return path_; }
  std::string result() const { return path_ + "/result.h5ad"; }
  std::string svg_table() const { return path_ + "/svgs.tsv"; }
  std::string config() const { return path_ + "/config.resolved.yaml"; }
  std::string log() const { return path_ + "/run.log"; }
  std::string lock() const { return path_ + "/run.lock"; }
  std::string prepared() const { return path_ + "/prepared.h5"; }
  std::string model(int m) const;
  std::string clusters() const { return path_ + "/clusters.h5"; }
  std::string consensus() const { return path_ + "/consensus.h5"; }
  std::string labels(int m) const;
  std::string classifier(int m) const;
  std::string saliency_tile(int t) const;

  bool exists() const;
  /// The files of a stage that are there, whatever configuration they come from. Files of other
  /// names are the user's, also in the folders of the stages.
  std::vector<std::string> files_of(Stage stage) const;
  /// Deletes them.
  void remove(Stage stage) const;

  /// Deletes what killed writers of this program's own files left (AtomicFile).
  void remove_partial() const;

  /// Makes the folder, unless it is there; remembers whether it was this call that made it. Throws
  /// InputError: the path is a file, no permission.
  void create();
  /// Makes the folders in it.
  void create_folders() const;
  /// Deletes the folder when create() made it: after a failure before the first stage's end.
  void discard_if_new();

 private:
  std::string path_;
  bool is_new_ = false;
};

/// What to do with what is there already.
enum class Existing {
  refuse,     // other results, and an unfinished run: InputError
  resume,     // keep what fits the configuration; other results: InputError
  overwrite,  // start from nothing
  replace,    // keep what fits the configuration, replace the rest (--resume --overwrite)
};

/// The stages that a command computes, first to last.
struct StageRange {
  Stage first = Stage::prepare, last = Stage::svgs;

  bool is_whole_run() const { return first == Stage::prepare && last == Stage::svgs; }
  bool holds(Stage stage) const { return first <= stage && stage <= last; }
};

/// How many of the files that a stage leaves are there, whole and with its fingerprint.
struct StageFiles {
  int n_done = 0, n_all = 1;
  const char* what = "files";  // models, classifiers, tiles

  bool are_complete() const { return n_done == n_all; }
};
/// Throws InputError: a file is damaged.
StageFiles count_files(const RunDirectory& directory, const Fingerprints& fingerprints,
                       int n_models, Stage stage);

/// The files of a stage that lack its fingerprint: of other options, another input or version, or
/// damaged.
std::vector<std::string> files_of_others(const RunDirectory& directory,
                                         const Fingerprints& fingerprints, Stage stage);

/// Throws InputError when a run could not write its files there: the path or a folder in it is a
/// file or a symbolic link that leads nowhere, has no permission or is too long; run.log or
/// run.lock is a symbolic link. Changes nothing.
void check_writable(const RunDirectory& directory);

/// After check_writable: throws InputError when the directory cannot be used so: it holds results
/// of another configuration (naming the key that differs) or input from the first stage on, holds
/// an unfinished run that nobody said to continue, or lacks some of what the stages before the
/// first one leave. Changes nothing.
void check_directory(const RunDirectory& directory, const Config& config,
                     const Fingerprints& fingerprints, Existing existing, StageRange stages);

/// Deletes what check_directory allowed to replace, of the first stage and all that follow, and
/// what killed writers left.
void clear_directory(const RunDirectory& directory, const Fingerprints& fingerprints,
                     Existing existing, StageRange stages);

}  // namespace stamarker
