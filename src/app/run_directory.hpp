#pragma once
#include <string>
#include <vector>

#include "app/config.hpp"
#include "app/fingerprint.hpp"

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
  std::string prepared() const { return path_ + "/prepared.h5"; }
  std::string model(int m) const;
  std::string clusters() const { return path_ + "/clusters.h5"; }
  std::string consensus() const { return path_ + "/consensus.h5"; }
  std::string classifier(int m) const;
  std::string saliency_tile(int t) const;

  bool exists() const;
  /// The files of a stage that are there, whatever configuration they come from.
  std::vector<std::string> files_of(Stage stage) const;
  /// Deletes them.
  void remove(Stage stage) const;

  /// Makes the folder and those in it; remembers whether it was new. Throws InputError: the path is
  /// a file, no permission.
  void create();
  /// Deletes the folder when create() made it: after a failure before the first stage's end.
  void discard_if_new();
  void keep() { is_new_ = false; }

 private:
  std::string path_;
  bool is_new_ = false;
};

/// What to do with what is there already.
enum class Existing {
  refuse,     // unfinished or other results: InputError
  resume,     // keep what fits the configuration, InputError for other results
  overwrite,  // delete it
  replace,    // keep what fits the configuration, delete the rest (--resume --overwrite)
};

/// Throws InputError when the directory cannot be used so: it is a file, or cannot be written, or
/// holds results of another configuration (the key that differs is named) or input, or - for a
/// whole run - unfinished results that nobody said to continue. Changes nothing.
void check_directory(const RunDirectory& directory, const Config& config,
                     const Fingerprints& fingerprints, Existing existing, bool is_whole_run);

}  // namespace stamarker
