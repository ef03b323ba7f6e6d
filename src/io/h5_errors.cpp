#include "io/h5_errors.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <array>

namespace stamarker::h5 {

namespace {

bool holds(const std::string& text, const char* part) {
  return text.find(part) != std::string::npos;
}

/// HDF5 stores a version with each kind of message and refuses those that it does not know.
bool is_of_newer_format(const std::string& reason) {
  return holds(reason, "version") || holds(reason, "unknown message");
}

}  // namespace

std::string innermost_description() {
  std::string description;
  const auto take_first = [](unsigned n, const H5E_error2_t* error, void* text) -> herr_t {
    if (n == 0 && error->desc != nullptr) *static_cast<std::string*>(text) = error->desc;
    return 0;
  };
  H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, take_first, &description);
  std::replace(description.begin(), description.end(), '\n', ' ');
  return description.empty() ? "call failed" : description;
}

std::string innermost_reason() {
  std::string reason = innermost_description();
  const std::string mark = "error message = '";
  if (const std::size_t found = reason.find(mark); found != std::string::npos) {
    reason = reason.substr(found + mark.size());
    reason = reason.substr(0, reason.find('\''));
  }
  return reason.empty() ? "call failed" : reason;
}

std::string advice_for(const std::string& reason) {
  if (!is_of_newer_format(reason)) return "the file is damaged or truncated; copy it again";
  unsigned major = 0, minor = 0, release = 0;
  H5get_libversion(&major, &minor, &release);
  return fmt::format(
      "written in a newer HDF5 format than HDF5 {}.{}.{} of this program reads, or damaged; write "
      "the file again with libver=\"earliest\", the default of anndata and h5py, or build with a "
      "newer HDF5 (docs/development.md)",
      major, minor, release);
}

std::string open_failure(const std::string& path) {
  const std::string description = innermost_description();
  if (holds(description, "unable to lock"))
    return fmt::format(
        "{} is locked by another program, or its file system has no locks ({}); set "
        "HDF5_USE_FILE_LOCKING=FALSE in the environment",
        path, innermost_reason());
  if (holds(description, "already open"))
    return fmt::format(
        "{} is open for writing in another program, or was when that was killed; "
        "close it there, or remove the mark by `h5clear -s {}`",
        path, path);
  return fmt::format("{} cannot be opened ({}): {}", path, description, advice_for(description));
}

std::string filter_name(H5Z_filter_t filter, const std::string& in_file) {
  struct Known {
    H5Z_filter_t number;
    const char* name;
  };
  // https://github.com/HDFGroup/hdf5_plugins/blob/master/docs/RegisteredFilterPlugins.md
  constexpr std::array known{Known{H5Z_FILTER_SZIP, "szip"},
                             Known{305, "lzo"},
                             Known{307, "bzip2"},
                             Known{32000, "lzf"},
                             Known{32001, "blosc"},
                             Known{32003, "snappy"},
                             Known{32004, "lz4"},
                             Known{32008, "bitshuffle"},
                             Known{32013, "zfp"},
                             Known{32015, "zstd"},
                             Known{32017, "sz"},
                             Known{32024, "sz3"},
                             Known{32026, "blosc2"}};
  const auto* found = std::find_if(known.begin(), known.end(),
                                   [&](const Known& each) { return each.number == filter; });
  const std::string name = found != known.end() ? found->name : in_file;
  return name.empty() ? fmt::format("number {}", filter) : fmt::format("{} ({})", name, filter);
}

}  // namespace stamarker::h5
