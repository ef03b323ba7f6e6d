#pragma once
#include <hdf5.h>

#include <string>

/// What refusals of HDF5 mean for the user.
namespace stamarker::h5 {

/// What the innermost HDF5 function said about the last failure, in one line, as HDF5 words it.
std::string innermost_description();
/// The same; of an error of the system, which comes as a list of details, the message alone.
std::string innermost_reason();

/// What to do about a file of which HDF5 refuses a part for `reason`: copy it again, or write it
/// again where its format is newer than the HDF5 of this program (libver v112 or later, HDF5
/// 1.10.8).
std::string advice_for(const std::string& reason);

/// Why H5Fopen just refused the HDF5 file `path`, and what to do: locked, marked as open for
/// writing, of a newer format, or damaged.
std::string open_failure(const std::string& path);

/// A filter as the registry of the HDF Group names it, with its number: "zstd (32015)". `in_file`:
/// the name that the file gives, taken for filters that we do not know.
std::string filter_name(H5Z_filter_t filter, const std::string& in_file);

}  // namespace stamarker::h5
