#pragma once
#include <stdexcept>
#include <string>

namespace stamarker {

/// Where a check stands; filled in by a default argument. (std::source_location would do, but
/// clang-tidy 14 does not know it.)
struct Site {
  const char* file;
  int line;
  static constexpr Site current(const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
    return {file, line};
  }
};

inline std::string at(Site where) {
  return std::string(" at ") + where.file + ':' + std::to_string(where.line);
}

/// The user can repair this: a bad option, a missing file, inconsistent input. The message is one
/// line that names file, key and value and says what to do. Exit code 2.
struct InputError : std::runtime_error {
  using runtime_error::runtime_error;
};

/// A library outside this project refused: MPI, HDF5, CUDA ...
struct LibraryError : std::runtime_error {
  LibraryError(const std::string& library, const std::string& reason, Site where = Site::current())
      : runtime_error(library + ": " + reason + at(where)) {}
};

/// A rule the caller broke, hence a bug. Checked in every build; never in an inner loop.
inline void expects(bool holds, const char* rule, Site where = Site::current()) {
  if (!holds) throw std::logic_error(std::string("broken rule: ") + rule + at(where));
}

}  // namespace stamarker
