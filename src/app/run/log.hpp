#pragma once
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace stamarker {

/// The run's log: plain lines on standard output and, with the time, in run.log. Only one rank
/// speaks; on the others every call does nothing. Control characters and the like, which names from
/// a file may hold, are shown as base/text.hpp's `readable` has them.
class Log {
 public:
  explicit Log(bool speaks);
  ~Log();
  Log(const Log&) = delete;
  Log& operator=(const Log&) = delete;

  bool speaks() const { return content_ != nullptr; }
  /// From now on lines go to `file` as well (appended); those so far are written first.
  /// Throws InputError when it cannot be opened, or is a symbolic link.
  void open(const std::string& file);
  void close();  // of the file; later lines go to the console alone

  void info(const std::string& line);
  /// A text of several lines, names in which are readable already.
  void lines(const std::string& text);
  void file_only(const std::string& line);
  void warn(const std::string& line);  // `stamarker: warning: ...` on standard error

  /// Replaces the last progress line on a terminal; not in the file. Empty: takes it away.
  void status(const std::string& line);
  bool is_terminal() const;

 private:
  struct Content;
  std::unique_ptr<Content> content_;
};

/// Progress of one stage with the time left: an updated line on a terminal, else a plain line
/// every half minute. Steps must be equally long on average.
class Progress {
 public:
  Progress(Log& log, std::string stage, double n_steps);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  /// `done` of n_steps; `detail` is asked for only when a line is due.
  void at(double done, const std::function<std::string()>& detail);

 private:
  using Clock = std::chrono::steady_clock;
  Log& log_;
  std::string stage_;
  double n_steps_;
  double first_done_ = -1;  // where a resumed stage began
  Clock::time_point start_ = Clock::now(), last_line_ = start_, last_status_{};
};

/// "1:02:03", "2:05" or "7 s".
std::string readable_duration(double seconds);
/// "28 kB", "612 MB", "1.4 GB".
std::string readable_bytes(double bytes);

}  // namespace stamarker
