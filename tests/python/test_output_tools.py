"""What scanpy and scipy ask of the files that we write."""

import anndata
import h5py
import numpy as np
import pandas as pd
import scanpy as sc
from support import PROGRAMS, run, section


def sparse_groups(path):
    """Index types of each sparse matrix in a file."""
    types = {}
    with h5py.File(path) as file:
        file.visititems(lambda name, what: types.update({name: (what["indices"].dtype, what["indptr"].dtype)})
                        if str(what.attrs.get("encoding-type")).endswith("_matrix") else None)
    return types


def write_result(tmp_path, data, *options, ranks=1):
    if data is not None:
        data.write_h5ad(tmp_path / "input.h5ad")
    done = run("write_sample_result", tmp_path / "input.h5ad", tmp_path / "result.h5ad", *options, ranks=ranks)
    assert done.returncode == 0, done.stdout + done.stderr
    return tmp_path / "result.h5ad", done.stdout.splitlines()


def test_scanpy_and_scipy_work_on_a_simulated_section(tmp_path):
    path = tmp_path / "section.h5ad"
    done = run(PROGRAMS.parent / "stamarker", "simulate", path, "--n-spots", 300, "--n-genes", 400)
    assert done.returncode == 0, done.stderr
    data = anndata.read_h5ad(path)

    sc.pp.calculate_qc_metrics(data, percent_top=None, inplace=True)
    half = data[::2].X
    data.X.eliminate_zeros()

    np.testing.assert_array_equal(data.obs["total_counts"], np.asarray(data.X.sum(axis=1)).ravel())
    assert half.shape == (150, 400)
    assert sparse_groups(path) == {"X": (np.int32, np.int32)}


def test_sparse_matrices_of_a_result_have_one_index_type(tmp_path):
    data = section()
    data.obsp["graph"] = data.X @ data.X.T
    data.obsm["sparse"] = data.X.tocsc()
    data.write_h5ad(tmp_path / "input.h5ad")
    with h5py.File(tmp_path / "input.h5ad", "r+") as file:
        for name, index, offset in (("obsp/graph", "int32", "int64"), ("obsm/sparse", "int64", "int32")):
            for part, kind in (("indices", index), ("indptr", offset)):
                values = file[f"{name}/{part}"][()].astype(kind)
                del file[f"{name}/{part}"]
                file[f"{name}/{part}"] = values

    path, _ = write_result(tmp_path, None)

    types = sparse_groups(path)
    assert types == {name: (np.int32, np.int32) for name in types}
    assert {"X", "layers/counts", "obsp/graph", "obsm/sparse", "obsp/spatial_distances"} <= set(types)


def test_log1p_of_a_result_names_its_base(tmp_path):
    path, _ = write_result(tmp_path, section())

    result = anndata.read_h5ad(path)

    assert np.log(result.uns["log1p"]["base"]) == 1  # scanpy 1.9 asks for it, all take it as a number
    sc.tl.rank_genes_groups(result, "stamarker", method="t-test")


def test_a_result_holds_more_columns_than_a_header_has_room_for(tmp_path):
    data = section()
    data.write_h5ad(tmp_path / "input.h5ad")
    names = [f"column_{k}" for k in range(4500)]
    with h5py.File(tmp_path / "input.h5ad", "r+") as file:
        file.move("var", "old")
        table = file.create_group("var", track_order=True)
        for key, value in file["old"].attrs.items():
            table.attrs[key] = value
        table.attrs["column-order"] = ["weight", *names]
        for name in ("_index", "weight"):
            table[name] = file[f"old/{name}"]
        for name in names:
            table[name] = file["old/weight"]

    path, left_out = write_result(tmp_path, None, ranks=2)

    assert left_out == []
    with h5py.File(path) as file:
        columns = list(file["var"].attrs["column-order"])
        last = file["var/column_4499"][()]
    assert columns[:4501] == ["weight", *names] and "means" in columns
    np.testing.assert_array_equal(last, data.var["weight"].to_numpy()[1::2])


def test_names_reach_terminal_and_log_escaped_and_the_table_of_svgs_quoted(tmp_path):
    data = section(200, 40)
    rng = np.random.default_rng(3)
    side = np.arange(200) < 100
    data.X = rng.poisson(np.where(side[:, None] == (np.arange(40) < 20), 8, 1)).astype(np.float32)
    names = ["tab\tname", "line\nend", 'a "quoted" name', "\x1b[31mred", "a\u202eb"]
    names += [f"gene{g}" for g in range(35)]
    data.var_names = names
    data.obsm["spatial"] = np.stack([np.arange(200) // 10, np.arange(200) % 10], axis=1) * 1.0
    data.write_h5ad(tmp_path / "in.h5ad")
    (tmp_path / "run.yaml").write_text(
        f"input: {{path: {tmp_path}/in.h5ad}}\noutput: {tmp_path}/run\ndomains: 2\nmodels: 2\n"
        "prepare: {n_top_genes: 40, min_cells: 0}\nautoencoder: {epochs: 30}\nclassifier: {epochs: 30}\n"
        "svgs: {alpha: 0}\ncompute: {threads: 1}\n")  # about half of the genes, those of odd names among them

    done = run(PROGRAMS.parent / "stamarker", "run", tmp_path / "run.yaml")

    assert done.returncode == 0, done.stderr
    for text in (done.stdout, done.stderr, (tmp_path / "run" / "run.log").read_text()):
        assert not set(text) & {"\x1b", "\t", "\u202e"} and "line\nend" not in text
    table = pd.read_csv(tmp_path / "run" / "svgs.tsv", sep="\t")
    assert set(table["gene"]) <= set(names) and set(table["gene"]) & set(names[:5])
