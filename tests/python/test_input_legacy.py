"""Files of older versions of anndata, written by hand as those versions laid them out."""

import anndata
import h5py
import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from support import assert_same_frame, dense, dump, run, section

TEXT = h5py.string_dtype()
CATEGORIES = ["x", "y", "z"]


def plain_section():
    """What old files could hold: numbers, text and categories."""
    data = section()
    data.obs_names = [f"spot {i}" for i in range(data.n_obs)]  # numpy's fixed-length text is ASCII
    data.obs = pd.DataFrame({
        "kind": pd.Categorical.from_codes(np.arange(data.n_obs) % 3, CATEGORIES),
        "holes": pd.Categorical.from_codes(np.arange(data.n_obs) % 3 - 1, ["p", "q"]),
        "single": pd.Categorical(["only"] * data.n_obs),
        "amount": np.arange(data.n_obs) * 0.5,
        "number": np.arange(data.n_obs),
        "flag": np.arange(data.n_obs) % 2 == 0,
        "note": [f"note {i}" for i in range(data.n_obs)],
    }, index=data.obs_names)
    data.var = pd.DataFrame({"gene_ids": [f"ENSG{g}" for g in range(data.n_vars)]}, index=data.var_names)
    return data


def write_sparse_of_h5sparse(parent, name, matrix):
    group = parent.create_group(name)
    group.attrs["h5sparse_format"] = matrix.format
    group.attrs["h5sparse_shape"] = np.array(matrix.shape)
    for part in ("data", "indices", "indptr"):
        group[part] = getattr(matrix, part)


def table(frame, uns, fixed):
    """A frame as anndata before 0.7 stored it: one compound dataset, categories in uns."""
    text = f"S{max(len(str(value).encode()) for value in [*frame.index, *frame.get('note', []), 'ENSG00'])}"
    columns = {"index": (np.array([name.encode() for name in frame.index]), text if fixed else TEXT)}
    for name, column in frame.items():
        if isinstance(column.dtype, pd.CategoricalDtype):
            codes = column.cat.codes.to_numpy()
            columns[name] = (codes, codes.dtype)
            categories = np.array([c.encode() for c in column.cat.categories])
            uns[name + "_categories"] = categories[0].decode() if len(categories) == 1 else categories
        elif column.dtype == object:
            columns[name] = (np.array([value.encode() for value in column]), text if fixed else TEXT)
        else:
            columns[name] = (column.to_numpy(), column.dtype)
    rows = np.empty(len(frame), dtype=[(name, kind) for name, (_, kind) in columns.items()])
    for name, (values, _) in columns.items():
        rows[name] = values
    return rows


def write_before_0_7(path, data, fixed=True, sparse=True):
    with h5py.File(path, "w") as file:
        if sparse:
            write_sparse_of_h5sparse(file, "X", data.X)
        else:
            file["X"] = dense(data.X)
        uns = file.create_group("uns")
        uns["answer"] = np.array([42])
        uns["title"] = np.array([b"a title"])
        uns["names"] = np.array([b"n", b"m"])
        uns.create_group("inner")["values"] = np.arange(3.0)
        write_sparse_of_h5sparse(uns, "graph", scipy.sparse.eye(5, format="csr"))
        n = data.n_obs
        neighbors = scipy.sparse.csr_matrix(np.arange(n * n).reshape(n, n) % 5)
        write_sparse_of_h5sparse(uns, "neighbors/connectivities", neighbors)
        uns["neighbors/params/n_neighbors"] = 15
        file["obs"] = table(data.obs, uns, fixed)
        file["var"] = table(data.var, uns, fixed)
        obsm = np.empty(data.n_obs, dtype=[("spatial", "f8", (2,)), ("X_pca", "f4", (3,)), ("one", "i4")])
        obsm["spatial"] = data.obsm["spatial"]
        obsm["X_pca"] = np.arange(3 * data.n_obs).reshape(-1, 3)
        obsm["one"] = np.arange(data.n_obs)
        file["obsm"] = obsm
        write_sparse_of_h5sparse(file, "raw.X", scipy.sparse.csr_matrix(data.X * 2))
        file["raw.var"] = table(data.var, uns, fixed)


def write_0_7(path, data):
    """Groups of datasets, categories in __categories with references, no encoding of arrays."""
    with h5py.File(path, "w") as file:
        x = file.create_group("X")
        x.attrs["encoding-type"], x.attrs["encoding-version"] = "csr_matrix", "0.1.0"
        x.attrs["shape"] = data.X.shape
        for part in ("data", "indices", "indptr"):
            x[part] = getattr(data.X, part)
        for name, frame in (("obs", data.obs), ("var", data.var)):
            group = file.create_group(name)
            group.attrs["encoding-type"], group.attrs["encoding-version"] = "dataframe", "0.1.0"
            group.attrs["_index"] = "_index"
            group.attrs["column-order"] = list(frame.columns)
            group["_index"] = np.array(frame.index, dtype=TEXT)
            for column, values in frame.items():
                if isinstance(values.dtype, pd.CategoricalDtype):
                    group[column] = values.cat.codes.to_numpy()
                    categories = group.create_dataset(f"__categories/{column}",
                                                      data=np.array(values.cat.categories, dtype=TEXT))
                    categories.attrs["ordered"] = values.cat.ordered
                    group[column].attrs["categories"] = categories.ref
                else:
                    group[column] = np.array(values, dtype=TEXT) if values.dtype == object else values.to_numpy()
        file["obsm/spatial"] = data.obsm["spatial"]
        file["uns/text"] = "some text"
        file["uns/inner/values"] = np.arange(3)


def assert_same(mine, theirs):
    np.testing.assert_array_equal(dense(mine.X), dense(theirs.X))
    np.testing.assert_array_equal(mine.obsm["spatial"], theirs.obsm["spatial"])
    assert_same_frame(mine.obs, theirs.obs)
    assert_same_frame(mine.var, theirs.var)


WRITERS = {
    "0.6 fixed text": lambda path, data: write_before_0_7(path, data),
    "0.6 variable text": lambda path, data: write_before_0_7(path, data, fixed=False),
    "0.6 dense": lambda path, data: write_before_0_7(path, data, sparse=False),
    "0.7": write_0_7,
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("writer", WRITERS)
def test_reads_what_anndata_reads(tmp_path, writer):
    data = plain_section()
    WRITERS[writer](tmp_path / "old.h5ad", data)

    mine, left_out = dump(tmp_path / "old.h5ad", tmp_path)

    assert left_out == []
    assert_same(mine, data)
    theirs = anndata.read_h5ad(tmp_path / "old.h5ad")  # the files by hand are what anndata takes them for
    np.testing.assert_array_equal(dense(theirs.X), dense(data.X))
    theirs.obs.index.name = None  # 0.6 named every index `index`
    assert_same_frame(theirs.obs, data.obs)


def test_reads_raw_beside_x(tmp_path):
    data = plain_section()
    write_before_0_7(tmp_path / "old.h5ad", data)

    mine, _ = dump(tmp_path / "old.h5ad", tmp_path, "raw")

    np.testing.assert_array_equal(dense(mine.X), 2 * dense(data.X))


@pytest.mark.parametrize("writer", WRITERS)
def test_results_of_old_input_are_of_today(tmp_path, writer):
    """No warning of old encodings when the result is read."""
    data = plain_section()
    WRITERS[writer](tmp_path / "old.h5ad", data)

    done = run("write_sample_result", tmp_path / "old.h5ad", tmp_path / "result.h5ad")

    with h5py.File(tmp_path / "old.h5ad") as file:  # raw stays behind, of any input
        left_out = "left out: raw\n" if any(name.startswith("raw") for name in file) else ""
    assert done.returncode == 0 and done.stdout == left_out, done.stdout
    with pytest.warns() as caught:
        result = anndata.read_h5ad(tmp_path / "result.h5ad")
        import warnings
        warnings.warn("at least one")
    old = [w for w in caught if "encoding" in str(w.message) and "title" not in str(w.message)]
    assert not old, [str(w.message) for w in old]
    kept = np.arange(data.n_obs) % 3 != 2
    assert_same_frame(result.obs, data.obs[kept], list(data.obs))
    np.testing.assert_array_equal(result.obsm["spatial"], data.obsm["spatial"][kept])
    if writer == "0.7":
        assert result.uns["text"] == "some text"
        return
    np.testing.assert_array_equal(result.obsm["X_pca"], np.arange(3 * data.n_obs).reshape(-1, 3)[kept])
    np.testing.assert_array_equal(result.obsm["one"].ravel(), np.arange(data.n_obs)[kept])
    n = data.n_obs
    neighbors = np.arange(n * n).reshape(n, n) % 5
    np.testing.assert_array_equal(dense(result.obsp["connectivities"]), neighbors[kept][:, kept])
    assert result.uns["neighbors"] == {"params": {"n_neighbors": 15}}
    assert result.uns["title"] == "a title"
    assert list(result.uns["names"]) == ["n", "m"]
    assert result.uns["graph"].shape == (5, 5)
    np.testing.assert_array_equal(result.uns["inner"]["values"], np.arange(3.0))
    assert not any(key.endswith("_categories") for key in result.uns)
