#pragma once
#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "app/config/config.hpp"

namespace stamarker {

/// FNV-1a with 64 bits (Fowler, Noll, Vo). Tells contents apart; no protection against forgery.
class Checksum {
 public:
  void add(std::string_view bytes);
  std::string hex() const;  // 16 digits

 private:
  std::uint64_t value_ = 14695981039346656037u;
};

/// Of the contents of all files that reading the input opens (input_files). Throws InputError:
/// missing, unreadable.
std::string input_checksum(const std::string& path);

/// Of a part of them, to be compared quickly: for each file its size and a checksum, of a file
/// above 256 MiB that of 4096 blocks of 64 KiB spread over it. Each ends with a zero.
std::string sample_of_input(const std::string& path);

/// Raise it with a change after which the same input, seed and options give other bits in any stage
/// on the same machine: another order of sums, another random number, another default inside a
/// kernel. Runs of before are then not taken for runs of now. Never lower it.
constexpr int results_version = 5;

/// The release and results_version: a release never takes over what another has computed, and
/// between releases the number tells apart.
std::string program_of_results();

/// What all results depend on, whatever the options.
struct Origin {
  std::string program;         // program_of_results()
  std::string input_checksum;  // input_checksum(config.input.path)
};

/// What the result of each stage depends on, in one word: the program, the options of the stage,
/// those of the stages before it and the input. A stage file is of use exactly when it carries the
/// same word.
class Fingerprints {
 public:
  Fingerprints() = default;
  Fingerprints(const Config& config, Origin origin);
  const std::string& of(Stage stage) const { return words_[static_cast<std::size_t>(stage)]; }
  const Origin& origin() const { return origin_; }

 private:
  Origin origin_;
  std::array<std::string, all_stages.size()> words_;
};

}  // namespace stamarker
