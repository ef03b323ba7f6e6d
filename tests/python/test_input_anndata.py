"""Files of today's anndata, whole and damaged."""

import shutil
import struct

import h5py
import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from support import PROGRAMS, assert_same_frame, dense, dump, refusal, run, section


def assert_same(mine, theirs, matrix=None):
    np.testing.assert_array_equal(dense(mine.X), dense(theirs.X if matrix is None else matrix))
    np.testing.assert_array_equal(mine.obsm["spatial"], np.asarray(theirs.obsm["spatial"], dtype=float))
    assert_same_frame(mine.obs, theirs.obs)
    assert_same_frame(mine.var, theirs.var)


@pytest.mark.parametrize("kind", [np.asarray, scipy.sparse.csr_matrix, scipy.sparse.csc_matrix])
@pytest.mark.parametrize("number", ["float32", "float64", "int64", "uint16", "int8", "float16"])
def test_reads_x_of_every_layout_and_number_type(tmp_path, kind, number):
    if kind is not np.asarray and number == "float16":
        pytest.skip("scipy has no sparse float16")
    data = section()
    data.X = kind(dense(data.X).astype(number))
    data.write_h5ad(tmp_path / "in.h5ad")

    mine, left_out = dump(tmp_path / "in.h5ad", tmp_path)

    assert_same(mine, data)
    assert left_out == []


def test_reads_compressed_chunks_and_a_named_index(tmp_path):
    data = section()
    data.obs.index.name = "barcode"
    data.write_h5ad(tmp_path / "in.h5ad", compression="gzip")

    mine, _ = dump(tmp_path / "in.h5ad", tmp_path)

    assert_same(mine, data)
    assert mine.obs.index.name == "barcode"


def test_reads_a_layer_and_raw(tmp_path):
    data = section()
    data.layers["counts"] = data.X * 3
    whole = data.copy()
    whole.X = whole.X * 5
    data = data[:, 2:9].copy()
    data.raw = whole
    data.write_h5ad(tmp_path / "in.h5ad")

    layer, _ = dump(tmp_path / "in.h5ad", tmp_path, "counts")
    raw, _ = dump(tmp_path / "in.h5ad", tmp_path, "raw")

    assert_same(layer, data, matrix=data.layers["counts"])
    np.testing.assert_array_equal(dense(raw.X), dense(whole.X))
    assert_same_frame(raw.var, whole.var)


@pytest.mark.parametrize(
    "places",
    [
        lambda n: np.arange(2 * n, dtype=np.int64).reshape(n, 2),
        lambda n: np.arange(3 * n, dtype=np.float32).reshape(n, 3),
        lambda n: np.asfortranarray(np.arange(2 * n, dtype=np.float64).reshape(n, 2)),
    ],
)
def test_reads_coordinates_of_two_and_three_dimensions(tmp_path, places):
    data = section()
    data.obsm["where"] = places(data.n_obs)
    data.write_h5ad(tmp_path / "in.h5ad")

    mine, _ = dump(tmp_path / "in.h5ad", tmp_path, "X", "where")

    np.testing.assert_array_equal(mine.obsm["spatial"], data.obsm["where"])


def test_reads_coordinates_from_a_table(tmp_path):
    data = section()
    places = pd.DataFrame({"x": np.arange(data.n_obs), "y": np.arange(data.n_obs) * 0.5}, index=data.obs_names)
    data.obsm["spatial"] = places
    data.write_h5ad(tmp_path / "in.h5ad")

    mine, _ = dump(tmp_path / "in.h5ad", tmp_path)

    np.testing.assert_array_equal(mine.obsm["spatial"], places.to_numpy())


@pytest.mark.parametrize("column, names", [
    ("kind", ["c", "a", "b"]), ("grade", ["1", "2", "3"]), ("slice", ["2", "10"]), ("batch", ["p", "q"])])
def test_names_sections_in_the_order_of_categories_or_values(tmp_path, column, names):
    data = section()
    data.obs["slice"] = np.where(np.arange(data.n_obs) % 2, 10, 2)
    data.obs["batch"] = np.where(np.arange(data.n_obs) % 3, "q", "p")
    data.write_h5ad(tmp_path / "in.h5ad")

    mine, _ = dump(tmp_path / "in.h5ad", tmp_path, "X", "spatial", column)

    assert list(mine.obs["section"].cat.categories) == names
    assert list(mine.obs["section"]) == [str(value) for value in data.obs[column]]


def test_sorts_indices_sums_duplicates_and_drops_zeros(tmp_path):
    data = section(3, 4)
    data.write_h5ad(tmp_path / "in.h5ad")
    with h5py.File(tmp_path / "in.h5ad", "r+") as file:
        for name, values in {"data": [1, 2, 3, 4, 0, 5, -5], "indices": [3, 0, 3, 1, 2, 2, 2],
                             "indptr": [0, 3, 3, 7]}.items():
            del file["X"][name]
            file["X"][name] = np.array(values)

    mine, _ = dump(tmp_path / "in.h5ad", tmp_path)

    np.testing.assert_array_equal(dense(mine.X), [[2, 0, 0, 4], [0, 0, 0, 0], [0, 4, 0, 0]])
    assert mine.X.nnz == 3


def test_reads_text_as_recent_pandas_has_it_stored(tmp_path):
    """Index, columns and categories as nullable-string-array."""
    data = section()
    data.write_h5ad(tmp_path / "in.h5ad")
    with h5py.File(tmp_path / "in.h5ad", "r+") as file:
        for path in ("obs/_index", "obs/note", "obs/kind/categories"):
            values = file[path][()]
            del file[path]
            group = file.create_group(path)
            group.attrs["encoding-type"], group.attrs["encoding-version"] = "nullable-string-array", "0.1.0"
            group["values"], group["mask"] = values, np.zeros(len(values), dtype=bool)
            group["values"].attrs["encoding-type"] = "string-array"
            group["values"].attrs["encoding-version"] = "0.2.0"
            group["mask"].attrs["encoding-type"], group["mask"].attrs["encoding-version"] = "array", "0.2.0"

    mine, left_out = dump(tmp_path / "in.h5ad", tmp_path)

    assert left_out == []
    assert list(mine.obs_names) == list(data.obs_names)
    assert list(mine.obs["note"]) == list(data.obs["note"])
    assert list(mine.obs["kind"]) == list(data.obs["kind"])


def test_reads_an_index_that_is_a_column_too(tmp_path):
    data = section()
    data.obs["name"] = list(data.obs_names)
    data.obs.index.name = "name"
    data.write_h5ad(tmp_path / "in.h5ad")

    mine, _ = dump(tmp_path / "in.h5ad", tmp_path)

    assert_same(mine, data)
    assert mine.obs.index.name == "name"


def test_names_columns_that_a_frame_cannot_hold(tmp_path):
    data = section()
    data.write_h5ad(tmp_path / "in.h5ad")
    with h5py.File(tmp_path / "in.h5ad", "r+") as file:
        file["obs/pair"] = np.zeros((data.n_obs, 2))
        file["obs"].attrs["column-order"] = [*file["obs"].attrs["column-order"], "pair"]

    mine, left_out = dump(tmp_path / "in.h5ad", tmp_path)

    assert left_out == ["obs/pair"]
    assert_same_frame(mine.obs, data.obs)


def damaged(change):
    return lambda file: change(file)


def set_x(name, value):
    def change(file):
        values = file["X"][name][()]
        values[5] = value
        file["X"][name][...] = values
    return change


def rename(old, new):
    return lambda file: file.move(old, new)


def drop_attribute(path, name):
    def change(file):
        del file[path].attrs[name]
    return change


def replace(path, value):
    def change(file):
        del file[path]
        file[path] = value
    return change


@pytest.mark.parametrize("change, says", [
    (rename("obsm/spatial", "obsm/X_pca"), ["obsm/spatial", "X_pca", "input.spatial_key"]),
    (rename("X", "Y"), ["no X"]),
    (rename("var", "genes"), ["neither AnnData"]),
    (drop_attribute("X", "encoding-type"), ["not a sparse matrix"]),
    (drop_attribute("X", "shape"), ["attribute shape"]),
    (drop_attribute("obs", "_index"), None),
    (rename("obs/_index", "obs/other"), ["obs has no index"]),
    (set_x("indices", -1), ["index -1 of 17"]),
    (set_x("indices", 17), ["index 17 of 17"]),
    (set_x("indptr", 2**31 - 1), ["indptr does not ascend"]),
    (replace("X/indptr", np.arange(5)), ["indptr has 5 entries, 32 expected"]),
    (replace("X/data", np.ones(3)), ["3 values"]),
    (replace("X/data", ["a", "b"]), ["X/data does not hold numbers"]),
    (rename("X/indices", "X/other"), ["no dataset X/indices"]),
    (replace("X", np.ones((31, 16))), ["16 columns", "var has 17"]),
    (replace("X", np.ones((30, 17))), ["30 rows", "obs has 31"]),
    (replace("X", np.ones(31)), ["1 dimensions"]),
    (replace("obsm/spatial", np.ones((31, 4))), ["shape (31, 4)", "2 or 3 coordinates"]),
    (replace("obsm/spatial", np.ones((30, 2))), ["shape (30, 2)", "31 spots"]),
    (replace("obsm/spatial", np.ones(31)), ["shape (31)"]),
    (replace("obs/kind/codes", np.full(31, 9, dtype=np.int8)), ["obs/kind", "code 9 of 4"]),
    (replace("obs/flag", np.ones(30)), ["obs/flag has 30 rows"]),
])
def test_refuses_a_damaged_file_in_one_line(tmp_path, change, says):
    path = tmp_path / "in.h5ad"
    section().write_h5ad(path)
    with h5py.File(path, "r+") as file:
        change(file)

    if says is None:  # an index named as usual needs no attribute
        dump(path, tmp_path)
        return
    message = refusal(path, tmp_path)

    assert str(path) in message
    for part in says:
        assert part in message


def constant(data):
    data.X = np.full(data.shape, 3.0, dtype=np.float32)


def densify(data):
    data.X = dense(data.X)


@pytest.mark.parametrize("change", [None, densify, constant])
def test_reads_what_is_compressed_by_lzf(tmp_path, change):
    path = tmp_path / "in.h5ad"
    data = section(3000)
    if change is not None:
        change(data)
    data.write_h5ad(path, compression="lzf")
    with h5py.File(path) as file:
        x = file["X"] if change is not None else file["X/data"]
        assert x.compression == "lzf" and x.id.get_storage_size() < x.nbytes

    mine, _ = dump(path, tmp_path)

    assert_same(mine, data)


def test_names_what_is_damaged_of_chunks_compressed_by_lzf(tmp_path):
    path = tmp_path / "in.h5ad"
    section(3000).write_h5ad(path, compression="lzf")
    with h5py.File(path) as file:
        chunk = file["X/data"].id.get_chunk_info(0)
    content = bytearray(path.read_bytes())
    content[chunk.byte_offset] = 0xFF  # a reference to before the beginning
    path.write_bytes(content)

    message = refusal(path, tmp_path)

    assert "in.h5ad: X/data" in message and "damaged" in message


def test_names_a_filter_that_hdf5_has_not(tmp_path):
    path = tmp_path / "in.h5ad"
    for change in (lambda d: d, densify):
        data = section()
        change(data)
        data.write_h5ad(path, compression="lzf")
        # The filter's number, 32000, and how long its name is; now that of an unknown one.
        path.write_bytes(path.read_bytes().replace(b"\x00\x7d\x08\x00", b"\xff\x7e\x08\x00"))

        message = refusal(path, tmp_path)

        assert "in.h5ad" in message and "filter lzf" in message and 'compression="gzip"' in message
        assert "HDF5_PLUGIN_PATH" in message and "damaged" not in message
    data.write_h5ad(path, compression="gzip")
    dump(path, tmp_path)


def test_refuses_wrong_options_and_says_what_there_is(tmp_path):
    path = tmp_path / "in.h5ad"
    data = section()
    data.layers["raw_counts"] = data.X
    data.write_h5ad(path)

    assert "raw_counts" in refusal(path, tmp_path, "counts")
    assert "no raw" in refusal(path, tmp_path, "raw")
    assert "kind" in refusal(path, tmp_path, "X", "spatial", "sample")
    assert "spot 0 µ has no value" in refusal(path, tmp_path, "X", "spatial", "holes")


def test_refuses_files_that_are_not_there_or_not_hdf5(tmp_path):
    (tmp_path / "text.h5ad").write_text("not HDF5")
    (tmp_path / "empty").mkdir()

    assert "does not exist" in refusal(tmp_path / "none.h5ad", tmp_path)
    assert "not an HDF5 file" in refusal(tmp_path / "text.h5ad", tmp_path)
    assert "matrix.mtx" in refusal(tmp_path / "empty", tmp_path)


@pytest.mark.parametrize("compression", [None, "gzip"])
def test_refuses_a_file_truncated_anywhere(tmp_path, compression):
    section(200, 100).write_h5ad(tmp_path / "whole.h5ad", compression=compression)
    size = (tmp_path / "whole.h5ad").stat().st_size
    for share in (0.001, 0.1, 0.3, 0.6, 0.9, 0.999):
        shutil.copy(tmp_path / "whole.h5ad", tmp_path / "cut.h5ad")
        with open(tmp_path / "cut.h5ad", "r+b") as file:
            file.truncate(int(size * share))
        message = refusal(tmp_path / "cut.h5ad", tmp_path)
        assert "cut.h5ad" in message


def test_refuses_a_file_with_holes_in_its_chunks(tmp_path):
    """Bytes of compressed chunks are overwritten: the size is right, the contents are not."""
    path = tmp_path / "in.h5ad"
    section(300, 200).write_h5ad(path, compression="gzip")
    with h5py.File(path) as file:
        chunk = file["X/data"].id.get_chunk_info(0)
    with open(path, "r+b") as file:
        file.seek(chunk.byte_offset)
        file.write(b"\xff" * chunk.size)

    assert "X/data cannot be read" in refusal(path, tmp_path)


def prepare(tmp_path, name, ranks):
    """Runs the program's first stage on `name`.h5ad; its end and what prepared.h5 holds."""
    config = tmp_path / f"{name}.yaml"
    config.write_text(f"input: {{path: {tmp_path / name}.h5ad}}\noutput: {tmp_path / name}\ndomains: 3\n"
                      "prepare: {min_cells: 50, n_top_genes: 100}\ncompute: {threads: 3}\n")
    done = run(PROGRAMS.parent / "stamarker", "prepare", config, "--overwrite", ranks=ranks)
    contents = {}
    if done.returncode == 0:
        with h5py.File(tmp_path / name / "prepared.h5") as file:
            file.visititems(lambda path, what: contents.update({path: what[()].tobytes()})
                            if isinstance(what, h5py.Dataset) and not what.dtype.hasobject else None)
    return done, contents


def rewrite(path, name, **how):
    with h5py.File(path, "r+") as file:
        values = file[name][()]
        del file[name]
        file.create_dataset(name, data=values, **how)


def counts_of_many_blocks():
    data = section(3000, 400)
    data.obsm["spatial"] = np.random.default_rng(1).random((3000, 2)) * 3000
    return data


def test_prepares_the_same_bits_from_compressed_counts(tmp_path):
    data = counts_of_many_blocks()
    data.write_h5ad(tmp_path / "plain.h5ad")
    data.write_h5ad(tmp_path / "gzip.h5ad", compression="gzip")
    shutil.copy(tmp_path / "plain.h5ad", tmp_path / "shuffled.h5ad")
    rewrite(tmp_path / "shuffled.h5ad", "X/data", compression="gzip", shuffle=True, chunks=(1000,))
    rewrite(tmp_path / "shuffled.h5ad", "X/indices", compression="gzip", shuffle=True, maxshape=(None,), chunks=(1 << 20,))
    data.X = dense(data.X)
    data.write_h5ad(tmp_path / "dense.h5ad", compression="gzip")

    done, expected = prepare(tmp_path, "plain", 1)
    assert done.returncode == 0, done.stderr
    assert len(expected["counts/data"]) > 100_000

    for name in ("gzip", "shuffled", "dense"):
        for ranks in (1, 2):
            done, contents = prepare(tmp_path, name, ranks)
            assert done.returncode == 0, done.stderr
            assert contents == expected, (name, ranks)


def test_names_a_damaged_chunk_of_any_rank(tmp_path):
    path = tmp_path / "in.h5ad"
    counts_of_many_blocks().write_h5ad(path, compression="gzip")
    with h5py.File(path) as file:
        data = file["X/data"].id
        chunk = data.get_chunk_info(data.get_num_chunks() - 2)
    with open(path, "r+b") as file:
        file.seek(chunk.byte_offset + 100)
        file.write(b"\xff" * 50)

    for ranks in (1, 2):
        done, _ = prepare(tmp_path, "in", ranks)
        assert done.returncode == 2
        message = f"{path}: X/data cannot be read (the chunk at {chunk.chunk_offset[0]}, 0 does not inflate)"
        assert done.stderr.count("\n") == 1 and message in done.stderr, done.stderr
        assert not (tmp_path / "in" / "prepared.h5").exists()


@pytest.mark.parametrize("part", ["indptr", "indices", "data"])
@pytest.mark.parametrize("kind", [scipy.sparse.csr_matrix, scipy.sparse.csc_matrix])
def test_refuses_lists_of_a_sparse_matrix_of_two_dimensions(tmp_path, part, kind):
    data = section()
    data.X = kind(dense(data.X))
    data.write_h5ad(tmp_path / "in.h5ad")
    with h5py.File(tmp_path / "in.h5ad", "r+") as file:
        values = file["X"][part][()]
        del file["X"][part]
        file["X"][part] = np.repeat(values[:, None], 100, axis=1)

    message = refusal(tmp_path / "in.h5ad", tmp_path)

    assert f"in.h5ad: X/{part} has the shape {len(values)} x 100, expected is" in message


@pytest.mark.parametrize("path", ["obsm/spatial", "obs/amount", "obs/kind/codes", "obs/_index", "var/_index"])
def test_refuses_elements_that_say_they_are_longer_than_any_file(tmp_path, path):
    data = section()
    data.obs["amount"] = np.arange(data.n_obs)
    data.write_h5ad(tmp_path / "in.h5ad")
    with h5py.File(tmp_path / "in.h5ad", "r+") as file:
        shape, kind = file[path].shape, file[path].dtype
        del file[path]
        file.create_dataset(path, shape=(2**33, *shape[1:]), dtype=kind, chunks=(64, *shape[1:]))

    message = refusal(tmp_path / "in.h5ad", tmp_path)

    assert "in.h5ad: " in message and path in message
    assert "8589934592" in message or "by its header" in message


def test_refuses_values_of_half_a_gigabyte_each(tmp_path):
    section().write_h5ad(tmp_path / "in.h5ad")
    with h5py.File(tmp_path / "in.h5ad", "r+") as file:
        n_rows = len(file["obs/note"])
        del file["obs/note"]
        file.create_dataset("obs/note", shape=(n_rows,), dtype=f"S{2**29}", chunks=(1,))

    assert "obs/note has values of 536870912 bytes each" in refusal(tmp_path / "in.h5ad", tmp_path)


@pytest.mark.parametrize("times, says", [(2, "cannot be read (filter returned failure"), (0.5, "chunks of another size")])
def test_refuses_chunks_of_lzf_that_give_other_sizes_than_they_are_set_for(tmp_path, times, says):
    data = section()
    data.X = dense(data.X)
    data.write_h5ad(tmp_path / "in.h5ad", compression="lzf")
    with h5py.File(tmp_path / "in.h5ad") as file:
        made, n_bytes = file["X"].id.get_create_plist(), int(np.prod(file["X"].chunks)) * 4
        settings = next(made.get_filter(k)[2] for k in range(made.get_nfilters()) if made.get_filter(k)[0] == 32000)
    assert settings[2] == n_bytes
    stored = (tmp_path / "in.h5ad").read_bytes()
    now = struct.pack("<III", *settings[:2], int(n_bytes * times))
    assert stored.count(struct.pack("<III", *settings)) == 1
    (tmp_path / "in.h5ad").write_bytes(stored.replace(struct.pack("<III", *settings), now))

    message = refusal(tmp_path / "in.h5ad", tmp_path)

    assert "in.h5ad: X" in message and says in message
