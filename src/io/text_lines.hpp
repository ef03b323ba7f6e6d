#pragma once
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/crash_report.hpp"

struct gzFile_s;

namespace stamarker::input {

/// Reads a text file line by line, whether compressed by gzip or not.
class TextLines {
 public:
  explicit TextLines(const std::filesystem::path& path);  // throws InputError: cannot be opened
  ~TextLines();
  TextLines(const TextLines&) = delete;
  TextLines& operator=(const TextLines&) = delete;

  /// The next line without its end, valid until the next call; none at the end of the file.
  /// Throws InputError if the file is damaged or truncated.
  std::optional<std::string_view> next();
  /// "<path>, line <n>", of the line returned last.
  std::string place() const;
  std::size_t line() const { return line_; }  // from 1, of the line returned last

 private:
  bool refill();

  std::filesystem::path path_;
  FileBeingRead name_;  // if the process crashes
  gzFile_s* file_ = nullptr;
  std::string buffer_;
  std::size_t at_ = 0;
  bool is_at_end_ = false;
  std::size_t line_ = 0;
};

/// The fields of a line; quotes around a field are dropped (a quoted field may hold separators).
std::vector<std::string> fields_of(std::string_view line, char separator);

/// Refuses the second line of a table that has one for each name. Throws InputError with both.
[[noreturn]] void throw_repeated(const TextLines& lines, const std::string& name,
                                 std::size_t first_line);

/// A number in the C locale. None if the text is anything else.
std::optional<double> number_of(std::string_view text);

/// Folder / name or folder / name.gz, whichever exists; empty if neither does.
std::filesystem::path plain_or_gzip(const std::filesystem::path& folder, const std::string& name);

}  // namespace stamarker::input
