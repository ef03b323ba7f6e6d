#include "io/text_lines.hpp"

#include <fmt/core.h>
#include <zlib.h>

#include <charconv>

#include "base/error.hpp"

namespace stamarker::input {

TextLines::TextLines(const std::filesystem::path& path)
    : path_(path), name_(path.string()), file_(gzopen(path.c_str(), "rb")) {
  if (file_ == nullptr) throw InputError(path.string() + " cannot be opened for reading");
  gzbuffer(file_, 1U << 18);
}

TextLines::~TextLines() { gzclose(file_); }

bool TextLines::refill() {
  if (is_at_end_) return false;
  buffer_.erase(0, at_);
  at_ = 0;
  constexpr unsigned piece = 1U << 18;
  const std::size_t held = buffer_.size();
  buffer_.resize(held + piece);
  const int n = gzread(file_, buffer_.data() + held, piece);
  int status = Z_OK;
  const char* reason = gzerror(file_, &status);
  if (n < 0 || status == Z_BUF_ERROR)
    throw InputError(fmt::format("{} is damaged or truncated ({}); copy it again", path_.string(),
                                 n < 0 ? reason : "unexpected end of file"));
  buffer_.resize(held + static_cast<std::size_t>(n));
  is_at_end_ = n == 0;
  return n > 0;
}

std::optional<std::string_view> TextLines::next() {
  std::size_t end = buffer_.find('\n', at_);
  while (end == std::string::npos) {
    const std::size_t searched = buffer_.size() - at_;
    if (!refill()) break;
    end = buffer_.find('\n', at_ + searched);
  }
  if (end == std::string::npos && at_ == buffer_.size()) return std::nullopt;
  const std::size_t first = at_;
  at_ = end == std::string::npos ? buffer_.size() : end + 1;
  if (end == std::string::npos) end = buffer_.size();
  ++line_;
  std::string_view line(buffer_.data() + first, end - first);
  if (line_ == 1) {
    if (line.starts_with("\xFF\xFE") || line.starts_with("\xFE\xFF"))
      throw InputError(path_.string() + " is text in UTF-16; save it as UTF-8");
    if (line.starts_with("\xEF\xBB\xBF")) line.remove_prefix(3);  // a byte-order mark
  }
  if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
  return line;
}

std::string TextLines::place() const { return fmt::format("{}, line {}", path_.string(), line_); }

void throw_repeated(const TextLines& lines, const std::string& name, std::size_t first_line) {
  throw InputError(fmt::format("{}: '{}' stands on line {} already; remove one of the two",
                               lines.place(), name, first_line));
}

std::vector<std::string> fields_of(std::string_view line, char separator) {
  std::vector<std::string> fields(1);
  bool is_quoted = false;
  for (const char c : line) {
    if (c == '"') {
      is_quoted = !is_quoted;
    } else if (c == separator && !is_quoted) {
      fields.emplace_back();
    } else {
      fields.back() += c;
    }
  }
  return fields;
}

std::optional<double> number_of(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  double value = 0;
  const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (status != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::filesystem::path plain_or_gzip(const std::filesystem::path& folder, const std::string& name) {
  for (const char* ending : {"", ".gz"})
    if (auto path = folder / (name + ending); std::filesystem::is_regular_file(path)) return path;
  return {};
}

}  // namespace stamarker::input
