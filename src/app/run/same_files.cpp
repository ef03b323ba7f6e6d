#include "app/run/same_files.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <functional>
#include <sstream>

#include "app/run/fingerprint.hpp"
#include "app/run/machine.hpp"
#include "app/run/stage_files.hpp"
#include "base/error.hpp"

namespace stamarker {
namespace {

constexpr const char* advice_for_copies =
    "give all machines the same files, or a file system that they share";

std::string machine_name() {
  const std::string host = host_name();
  return host.empty() ? "an unknown machine" : host;
}

/// Texts that each end with a zero, since paths may hold line ends.
std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line, '\0');) lines.push_back(line);
  return lines;
}

/// Compares what `describe` says on each rank, in lines, with what it says on rank 0. `subject`
/// begins the message. `describe` is given what rank 0 said, nothing on rank 0.
void expect_same(const Comm& comm, const std::string& subject,
                 const std::function<std::string(const std::string& on_root)>& describe) {
  std::string ours, theirs, host;
  comm.on_root([&] {
    theirs = describe("");
    host = machine_name();
  });
  theirs = comm.broadcast(theirs);
  host = comm.broadcast(host);
  comm.together([&] {
    if (comm.rank() == 0) return;
    const std::string here = fmt::format("{}rank {} on {}", subject, comm.rank(), machine_name());
    try {
      ours = describe(theirs);
    } catch (const InputError& error) {
      throw InputError(fmt::format("{}: {}; rank 0 on {} can read it: {}", here, error.what(), host,
                                   advice_for_copies));
    }
    const std::vector<std::string> mine = lines_of(ours), roots = lines_of(theirs);
    for (std::size_t k = 0; k < std::max(mine.size(), roots.size()); ++k) {
      const std::string here_is = k < mine.size() ? mine[k] : "no more files";
      const std::string there_is = k < roots.size() ? roots[k] : "no more files";
      if (here_is != there_is)
        throw InputError(fmt::format("{} finds {}, rank 0 on {} finds {}: {}", here, here_is, host,
                                     there_is, advice_for_copies));
    }
  });
}

}  // namespace

void expect_same_input(const Comm& comm, const std::string& path) {
  if (comm.size() == 1) return;
  expect_same(comm, fmt::format("input.path = {}: ", path),
              [&](const std::string&) { return sample_of_input(path); });
}

void expect_same_stage_files(const Comm& comm, const std::vector<std::string>& paths) {
  if (comm.size() == 1) return;
  const auto line_of = [](const std::string& path) {
    return fmt::format("{:016x} in {}", identity_of_stage_file(path), path) + '\0';
  };
  expect_same(comm, "", [&](const std::string& on_root) {
    std::string text;
    if (comm.rank() == 0)
      for (const std::string& path : paths) text += line_of(path);
    for (const std::string& line : lines_of(on_root))
      text += line_of(line.substr(line.find(" in ") + 4));
    return text;
  });
}

}  // namespace stamarker
