#pragma once
#include <cstdint>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "io/h5.hpp"

/// Parts of one AnnData file carried over into another.
namespace stamarker::anndata {

/// Which rows (and columns) of an element are carried over, ascending.
struct Selection {
  std::span<const std::int32_t> rows;
  std::int64_t n_rows_before = 0;  // of the whole element
  bool on_both_axes = false;       // of obsp and varp: the same selection for columns
};

/// Names of the elements of obsm, varm, obsp, varp or layers.
std::vector<std::string> element_names(hid_t file, const std::string& name);

/// Copies the selected rows of <group>/<name>: a dense array of any type, a sparse matrix, a table,
/// or a member of the compound obsm of anndata before 0.7. In today's encodings. An element of
/// another kind or size is named in `left_out`. Throws InputError if it cannot be read; what was
/// begun then is left for the caller to remove.
void copy_element(hid_t from, hid_t to, const std::string& group, const std::string& name,
                  const Selection& selection, std::vector<std::string>& left_out);

/// Copies keys of uns whole, and adds the encodings that files before anndata 0.8 lack
/// (uns_copy.cpp).
///
/// Each object of the file is visited once, so that links which lead back to a group above them end
/// there: such a link, one to nowhere, and what cannot be read is named in `left_out`. Links to
/// objects elsewhere become the objects.
class UnsCopy {
 public:
  /// `from`, `to` and `left_out` must outlive this object.
  UnsCopy(hid_t from, hid_t to, std::vector<std::string>& left_out);
  /// Throws LibraryError if `to` cannot be written.
  void copy(const std::string& key);

 private:
  using Identity = std::pair<unsigned long, haddr_t>;  // of an object: its file and address there

  void copy_object(const std::string& path, int depth);
  void copy_group(const std::string& path, int depth);
  void copy_dataset(const std::string& path);
  void leave_out(const std::string& path, const std::string& reason);

  hid_t from_, to_;
  std::vector<std::string>& left_out_;
  std::set<Identity> seen_;
};

/// Before anndata 0.7 the neighbour graphs stood in uns/neighbors: those that do in `file`.
std::vector<std::string> graphs_in_uns(hid_t file);

/// The selected rows and columns of uns/neighbors/<name> go to obsp, as anndata itself moves them,
/// unless obsp has that name. Called after UnsCopy; leaves out and throws as copy_element does.
void move_graph(hid_t from, hid_t to, const std::string& name, const Selection& pairs,
                std::vector<std::string>& left_out);

}  // namespace stamarker::anndata
