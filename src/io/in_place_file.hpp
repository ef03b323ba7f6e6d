#pragma once
#include <string>

namespace stamarker {

/// Throws InputError when something else than a file or a folder is at `path`: a symbolic link,
/// whose target would be overwritten, a pipe or a device.
void check_in_place(const std::string& path);

/// Opens a file that is written in place, not by AtomicFile, and makes it if it is missing; never
/// through a symbolic link. `flags` of open(2). Returns the descriptor, or -1 with errno. Throws
/// InputError as check_in_place.
int open_in_place(const std::string& path, int flags);

}  // namespace stamarker
