#include "app/run/log.hpp"

#include <fcntl.h>
#include <fmt/core.h>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <mutex>
#include <sstream>
#include <string_view>

#include "base/error.hpp"
#include "base/text.hpp"
#include "io/in_place_file.hpp"

namespace stamarker {

namespace {

/// Open MPI gives ranks a pseudo-terminal as standard output even when mpirun's own is a file or a
/// pipe; there what mpirun, the parent, writes to decides.
bool writes_to_terminal() {
  if (isatty(STDOUT_FILENO) != 1) return false;
  if (std::getenv("OMPI_COMM_WORLD_SIZE") == nullptr) return true;
  std::error_code failure;
  const std::string target =
      std::filesystem::read_symlink(fmt::format("/proc/{}/fd/1", getppid()), failure).string();
  return !failure && (target.starts_with("/dev/pts/") || target.starts_with("/dev/tty"));
}

/// Appends each line to an open file, which it closes at the end. A line that cannot be written is
/// lost: a full disk is met by the stages.
class AppendingSink : public spdlog::sinks::base_sink<std::mutex> {
 public:
  explicit AppendingSink(int file) : file_(file) {}
  ~AppendingSink() override { ::close(file_); }
  AppendingSink(const AppendingSink&) = delete;
  AppendingSink& operator=(const AppendingSink&) = delete;

 private:
  void sink_it_(const spdlog::details::log_msg& message) override {
    spdlog::memory_buf_t line;
    formatter_->format(message, line);
    std::string_view rest(line.data(), line.size());
    while (!rest.empty()) {
      const ssize_t n = ::write(file_, rest.data(), rest.size());
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) return;
      rest.remove_prefix(static_cast<std::size_t>(n));
    }
  }
  void flush_() override {}

  int file_;
};

}  // namespace

struct Log::Content {
  spdlog::logger console{"console", std::make_shared<spdlog::sinks::stdout_sink_mt>()};
  std::unique_ptr<spdlog::logger> file;
  std::vector<std::string> early;  // lines from before there was a file
  bool is_terminal = writes_to_terminal();
  bool has_status = false;

  /// Every line of a text gets its own time.
  void to_file(const std::string& text) {
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
      if (file)
        file->info(line);
      else
        early.push_back(line);
    }
  }
};

Log::Log(bool speaks) {
  if (!speaks) return;
  content_ = std::make_unique<Content>();
  content_->console.set_pattern("%v");
  content_->console.flush_on(spdlog::level::info);
}
Log::~Log() { status(""); }

void Log::open(const std::string& file) {
  if (!speaks()) return;
  const int opened = open_in_place(file, O_WRONLY | O_APPEND);
  if (opened < 0)
    throw InputError(
        fmt::format("{} (cannot be written: {})", file, std::generic_category().message(errno)));
  content_->file =
      std::make_unique<spdlog::logger>("file", std::make_shared<AppendingSink>(opened));
  content_->file->set_pattern("%Y-%m-%d %H:%M:%S  %v");
  for (const std::string& line : std::exchange(content_->early, {})) content_->file->info(line);
}

void Log::close() {
  if (speaks()) content_->file.reset();
}

void Log::info(const std::string& line) { lines(readable(line)); }

void Log::lines(const std::string& text) {
  if (!speaks()) return;
  const std::string shown = readable_lines(text);
  status("");
  content_->console.info(shown);
  content_->to_file(shown);
}

void Log::file_only(const std::string& line) {
  if (speaks()) content_->to_file(readable(line));
}

void Log::warn(const std::string& line) {
  if (!speaks()) return;
  status("");
  const std::string shown = readable(line);
  std::fprintf(stderr, "stamarker: warning: %s\n", shown.c_str());
  content_->to_file("warning: " + shown);
}

void Log::status(const std::string& line) {
  if (!speaks() || !content_->is_terminal || (line.empty() && !content_->has_status)) return;
  std::fprintf(stdout, "\r\033[K%s", readable(line).c_str());  // to the line's start, clear it
  std::fflush(stdout);
  content_->has_status = !line.empty();
}

bool Log::is_terminal() const { return speaks() && content_->is_terminal; }

Progress::Progress(Log& log, std::string stage, double n_steps)
    : log_(log), stage_(std::move(stage)), n_steps_(n_steps) {}
Progress::~Progress() { log_.status(""); }

void Progress::at(double done, const std::function<std::string()>& detail) {
  constexpr std::chrono::milliseconds redraw{200};
  constexpr std::chrono::seconds between_lines{30};
  if (!log_.speaks()) return;
  const Clock::time_point now = Clock::now();
  if (first_done_ < 0) {
    first_done_ = done;
    start_ = now;
  }
  const bool line_is_due = now - last_line_ >= between_lines;
  const bool status_is_due = log_.is_terminal() && now - last_status_ >= redraw;
  if (!line_is_due && !status_is_due) return;
  const double elapsed = std::chrono::duration<double>(now - start_).count();
  const double share = (done - first_done_) / std::max(1.0, n_steps_ - first_done_);
  const std::string left =
      share > 0 ? ", " + readable_duration(elapsed * (1 - share) / share) + " left" : "";
  const std::string line = fmt::format("  {} {:3.0f} %, {}{}", stage_,
                                       100 * done / std::max(1.0, n_steps_), detail(), left);
  if (line_is_due) {
    last_line_ = now;
    if (log_.is_terminal())
      log_.file_only(line);
    else
      log_.info(line);
  }
  if (status_is_due) {
    last_status_ = now;
    log_.status(line);
  }
}

std::string readable_duration(double seconds) {
  const long whole = std::lround(seconds);
  if (seconds < 10) return fmt::format("{:.1f} s", seconds);
  if (whole < 60) return fmt::format("{} s", whole);
  if (whole < 3600) return fmt::format("{}:{:02}", whole / 60, whole % 60);
  return fmt::format("{}:{:02}:{:02}", whole / 3600, whole / 60 % 60, whole % 60);
}

std::string readable_bytes(double bytes) {
  if (bytes >= 1e9) return fmt::format("{:.1f} GB", bytes / 1e9);
  if (bytes < 1e6) return fmt::format("{:.0f} kB", bytes / 1e3);
  return fmt::format("{:.0f} MB", bytes / 1e6);
}

}  // namespace stamarker
