#include "base/crash_report.hpp"

#include <unistd.h>

#include <array>
#include <atomic>
#include <csignal>
#include <cstddef>

#include "base/text.hpp"

namespace stamarker {
namespace {

std::atomic<FileBeingRead*> newest = nullptr;  // the handler's only way to the open files
static_assert(std::atomic<FileBeingRead*>::is_always_lock_free, "a signal handler reads it");

constexpr std::array crashes{SIGSEGV, SIGBUS, SIGFPE, SIGABRT};
std::array<struct sigaction, crashes.size()> earlier;  // a sanitizer's own, or the default

/// Calls only what a signal handler may call; above all no memory is allocated, since the crash may
/// have come from within malloc.
extern "C" void name_the_file(int signal, siginfo_t* info, void* /*context*/) {
  if (const FileBeingRead* file = newest.load(); file != nullptr) {
    const std::string& line = file->line();
    [[maybe_unused]] const ssize_t n = write(STDERR_FILENO, line.data(), line.size());
  }
  for (std::size_t k = 0; k < crashes.size(); ++k)
    if (crashes[k] == signal) sigaction(signal, &earlier[k], nullptr);
  if (info->si_code <= 0) raise(signal);  // it was sent; a fault repeats itself
}

}  // namespace

FileBeingRead::FileBeingRead(const std::string& path)
    : line_("stamarker: error: crashed while reading " + readable(path) +
            ": the file is probably damaged; copy it again\n"),
      older_(newest.load()) {
  if (older_ != nullptr) older_->newer_ = this;
  newest = this;
}

FileBeingRead::~FileBeingRead() {
  if (older_ != nullptr) older_->newer_ = newer_;
  if (newer_ != nullptr)
    newer_->older_ = older_;
  else
    newest = older_;
}

void report_crashes() {
  // A stack of its own lets the handler run where the main thread's is used up.
  static std::array<std::byte, 1 << 14> memory;
  stack_t stack{};
  stack.ss_sp = memory.data();
  stack.ss_size = memory.size();
  sigaltstack(&stack, nullptr);
  for (std::size_t k = 0; k < crashes.size(); ++k) {
    struct sigaction action {};
    action.sa_sigaction = name_the_file;
    action.sa_flags = static_cast<int>(SA_SIGINFO | SA_ONSTACK);
    sigaction(crashes[k], &action, &earlier[k]);
  }
}

}  // namespace stamarker
