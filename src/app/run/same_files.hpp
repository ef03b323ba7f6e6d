#pragma once
#include <string>
#include <vector>

#include "comm/comm.hpp"

/// Ranks may find different files under one path, where each machine has a copy of its own, of
/// which one is stale. These throw an InputError on all ranks then, naming the rank, its machine
/// and the file. All are collective.
namespace stamarker {

/// Every rank reads the input that rank 0 reads: by number and sizes of its files and their
/// contents; of a file above 256 MiB by 4096 blocks of 64 KiB spread over it.
void expect_same_input(const Comm& comm, const std::string& path);

/// Every rank finds the stage files that rank 0 finds (stage_files.hpp), by their checksums.
/// `paths` is looked at on rank 0 alone.
void expect_same_stage_files(const Comm& comm, const std::vector<std::string>& paths);

}  // namespace stamarker
