#pragma once
#include <exception>

namespace stamarker {

/// The run was asked to end early and has saved what it had; exit code 75 (EX_TEMPFAIL of
/// sysexits.h: the same command, with --resume, goes on).
struct Interrupted : std::exception {
  const char* what() const noexcept override { return "interrupted; --resume continues"; }
};

/// For the beginning of main: a SIGUSR1, which would end the program, is remembered for a run that
/// watches for it. Batch systems send it to a launcher that may still be starting its ranks.
void remember_early_request();

/// For the beginning of main: what cannot be written is told by the write alone. A reader of
/// standard output that is gone (SIGPIPE) ends no run, and a limit on the size of files (SIGXFSZ)
/// is an error like a full disk. Standard streams that are closed lead to /dev/null: else the next
/// file that is opened would get their number, and with it what is printed.
void take_failures_of_writing();

/// From now on SIGTERM, SIGUSR1, SIGHUP (the terminal is gone) and SIGINT (Ctrl-C) ask the run to
/// end. Repeats of all but the last change nothing: batch systems send a signal to the launcher and
/// to its ranks, and ranks then get it twice. A second SIGINT ends the program at once. A SIGINT
/// that is ignored stays so, as in background jobs of a script, and a SIGHUP, as below nohup.
void watch_for_interruption();
bool is_interrupted();

}  // namespace stamarker
