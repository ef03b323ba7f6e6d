#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

namespace stamarker::test {

/// What a finished command left.
struct Outcome {
  int exit_code = 0;
  std::string out, error;

  int n_error_lines() const;
};

/// Runs the built program in `folder`. n_ranks 0: without mpirun.
Outcome run_program(const std::filesystem::path& folder, const std::vector<std::string>& arguments,
                    int n_ranks = 0);

/// Runs a script of sh in `folder`.
Outcome run_by_shell(const std::filesystem::path& folder, const std::string& script);

/// The words of a command with "--set" before each of `settings` behind them.
std::vector<std::string> with_settings(std::vector<std::string> words,
                                       const std::vector<std::string>& settings);

/// On n_ranks, the last of which alone is started through the command `by` ("env NAME=value"). A
/// run of more than `seconds` is ended, with exit code 124.
Outcome run_with_last_rank_by(const std::vector<std::string>& by,
                              const std::filesystem::path& folder,
                              const std::vector<std::string>& arguments, int n_ranks, int seconds);

/// Who gets a signal: the command (mpirun, where it is used), or the last of its ranks alone.
enum class Target { command, one_rank };
/// The same, with `signal` sent once `is_time` holds.
Outcome run_and_signal(const std::filesystem::path& folder,
                       const std::vector<std::string>& arguments, int n_ranks, int signal,
                       const std::function<bool()>& is_time, Target target = Target::command);

/// A folder of its own for each test, deleted with its contents at the end.
class Scratch {
 public:
  Scratch();
  ~Scratch();
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path operator/(const std::string& name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

/// Every dataset of an HDF5 file as bytes (texts joined), and every text attribute, by path.
std::map<std::string, std::string> contents_of(const std::filesystem::path& file);

/// contents_of a result without the two groups that may differ between equal runs: run times and
/// provenance.
std::map<std::string, std::string> comparable_contents(const std::filesystem::path& file);

/// Flips a bit of the byte at `offset`; a second call flips it back.
void flip_bit(const std::filesystem::path& file, std::int64_t offset);

/// Gives a stage file that a test has changed its checksums (io/block_checksums.hpp).
void add_checksums(const std::filesystem::path& file);

std::string read_text(const std::filesystem::path& file);
void write_text(const std::filesystem::path& file, const std::string& text);

}  // namespace stamarker::test
