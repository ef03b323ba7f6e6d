"""The result file, as anndata, scanpy and squidpy see it."""

import os
import warnings

import anndata
import h5py
import matplotlib
import numpy as np
import pandas as pd
import pytest
import scanpy as sc
import scipy.sparse
import squidpy as sq
from support import assert_same_frame, dense, run, section

matplotlib.use("Agg")


def input_section(n_spots=61, n_genes=23):
    data = section(n_spots, n_genes)
    rng = np.random.default_rng(1)
    data.obsm["X_pca"] = rng.random((n_spots, 5)).astype(np.float32)
    data.obsm["cube"] = rng.integers(0, 9, (n_spots, 2, 3))
    data.obsm["sparse"] = scipy.sparse.random(n_spots, 7, 0.3, "csc", rng=rng)
    data.obsm["table"] = pd.DataFrame({"u": rng.random(n_spots), "v": ["x"] * n_spots}, index=data.obs_names)
    data.varm["PCs"] = rng.random((n_genes, 5))
    data.obsp["connectivities"] = scipy.sparse.random(n_spots, n_spots, 0.2, "csr", rng=rng)
    data.obsp["dense"] = rng.random((n_spots, n_spots))
    image = rng.random((20, 20, 3))
    data.uns["spatial"] = {"library": {"images": {"hires": image, "lowres": image},
                                       "scalefactors": {"tissue_hires_scalef": 0.2, "spot_diameter_fullres": 5.0}}}
    data.uns["text"] = "µ text"
    data.uns["numbers"] = np.arange(5)
    data.uns["truth"] = True
    data.uns["nested"] = {"names": np.array(["a", "b"]), "more": {"matrix": scipy.sparse.eye(4, format="csr")}}
    data.uns["rank_genes_groups"] = {"params": {"method": "theirs"}}
    data.uns["stamarker"] = "theirs"
    data.obs["stamarker"] = "theirs"
    data.var["means"] = "theirs"
    data.var["stamarker_svg_9"] = True
    data.obsm["stamarker_embedding_9"] = np.zeros((n_spots, 2))
    return data


def write_result(tmp_path, data, *options, ranks=1, name="result.h5ad"):
    path = tmp_path / "input.h5ad"
    if not path.exists():
        data.write_h5ad(path)
    done = run("write_sample_result", path, tmp_path / name, *options, ranks=ranks)
    assert done.returncode == 0, done.stdout + done.stderr
    assert not list(tmp_path.glob("*.partial"))
    return tmp_path / name, done.stdout.splitlines()


def kept(data):
    """What the sample result keeps."""
    return data[np.arange(data.n_obs) % 3 != 2, np.arange(1, data.n_vars, 2)[:50]].copy()


def read_without_warnings(path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return anndata.read_h5ad(path)


@pytest.mark.parametrize("ranks", [1, 2, 3])
def test_holds_all_that_the_design_names(tmp_path, ranks):
    data = input_section()
    path, left_out = write_result(tmp_path, data, "saliency", ranks=ranks)
    expected = kept(data)

    result = read_without_warnings(path)

    assert left_out == []
    n, g = result.shape
    spots, genes = np.arange(n), np.arange(g)
    np.testing.assert_array_equal(dense(result.layers["counts"]), dense(expected.X))
    np.testing.assert_allclose(dense(result.X), np.log1p(dense(expected.X)), rtol=1e-6)
    assert result.X.indices.dtype == np.int32 and result.X.indptr.dtype == np.int32
    assert result.X.has_sorted_indices
    assert list(result.obs["stamarker"]) == [str(i % 3 + 1) for i in spots]
    assert list(result.obs["stamarker"].cat.categories) == ["1", "2", "3"]
    np.testing.assert_array_equal(result.obsm["stamarker_labels"], (spots[:, None] + np.arange(3)) % 4)
    embedding = (spots[:, None].astype(np.float32) + np.arange(4, dtype=np.float32) / np.float32(100))
    np.testing.assert_array_equal(result.obsm["X_stamarker"], embedding)
    for m in range(3):
        np.testing.assert_array_equal(result.obsm[f"stamarker_embedding_{m}"], embedding + np.float32(1000 * m))
    chain = scipy.sparse.diags([1, 1], [-1, 1], shape=(n, n)).toarray()
    np.testing.assert_array_equal(dense(result.obsp["spatial_connectivities"]), chain)
    np.testing.assert_array_equal(dense(result.obsp["spatial_distances"]), 1.5 * chain)
    saliency = spots[:, None].astype(np.float32) + genes.astype(np.float32) / np.float32(1000)
    np.testing.assert_array_equal(result.layers["saliency"], saliency)
    score = (7 * genes[:, None] + 13 * np.arange(3)) % 101
    np.testing.assert_array_equal(result.varm["stamarker_score"], score)
    np.testing.assert_array_equal(result.varm["stamarker_stability"], np.repeat(genes[:, None] % 2, 3, 1))
    for k in range(3):
        np.testing.assert_array_equal(result.var[f"stamarker_svg_{k + 1}"], genes % 3 == k)
    assert result.var["highly_variable"].all()
    np.testing.assert_array_equal(result.var["means"], 2 * genes + 1)
    np.testing.assert_array_equal(result.var["variances_norm"], 3 * (2 * genes + 1))
    np.testing.assert_array_equal(result.var["highly_variable_rank"], genes)


def test_tells_about_the_run(tmp_path):
    path, _ = write_result(tmp_path, input_section())

    run_record = read_without_warnings(path).uns["stamarker"]

    assert run_record["config"].startswith("seed: 0\n")
    assert run_record["losses"].shape == (3, 5)
    np.testing.assert_array_equal(run_record["held_out_accuracy"], [0.9, 0.8, 0.7])
    np.testing.assert_array_equal(run_record["confusion"], np.arange(27).reshape(3, 3, 3))
    np.testing.assert_array_equal(run_record["linkage"], [[0, 1, 0.5, 2], [2, 3, 1.5, 4]])
    assert run_record["run_times"] == {"train": 1.25, "total": 2.5}
    assert run_record["measures"] == {"radius": 1.5}
    assert run_record["provenance"]["version"] == "0.1.0"


def test_carries_over_the_inputs_own_parts(tmp_path):
    data = input_section()
    path, _ = write_result(tmp_path, data)
    expected = kept(data)

    result = read_without_warnings(path)

    obs = data.obs[np.arange(data.n_obs) % 3 != 2]  # unused categories stay, as their colours do
    assert_same_frame(result.obs, obs, [c for c in obs if c != "stamarker"])
    assert_same_frame(result.var, expected.var, ["gene_ids", "weight"])
    assert "stamarker_svg_9" not in result.var and "stamarker_embedding_9" not in result.obsm
    for key in ("spatial", "X_pca", "cube"):
        np.testing.assert_array_equal(result.obsm[key], expected.obsm[key])
        assert result.obsm[key].dtype == expected.obsm[key].dtype
    np.testing.assert_array_equal(dense(result.obsm["sparse"]), dense(expected.obsm["sparse"]))
    pd.testing.assert_frame_equal(result.obsm["table"], expected.obsm["table"])
    np.testing.assert_array_equal(result.varm["PCs"], expected.varm["PCs"])
    for key in ("connectivities", "dense"):
        np.testing.assert_array_equal(dense(result.obsp[key]), dense(expected.obsp[key]))
    np.testing.assert_array_equal(result.uns["spatial"]["library"]["images"]["hires"],
                                  data.uns["spatial"]["library"]["images"]["hires"])
    assert result.uns["spatial"]["library"]["scalefactors"]["spot_diameter_fullres"] == 5.0
    assert result.uns["text"] == "µ text" and result.uns["truth"]
    assert list(result.uns["nested"]["names"]) == ["a", "b"]
    assert result.uns["nested"]["more"]["matrix"].shape == (4, 4)
    assert result.uns["rank_genes_groups"]["params"]["method"] == "stamarker"


def test_sparse_parts_are_carried_over_whole_however_large(tmp_path):
    data = section(1500, 23)
    rng = np.random.default_rng(3)
    full = scipy.sparse.random(1500, 1500, 0.9, "csr", rng=rng)  # twice what is read at a time
    data.obsp["rows"] = full
    data.obsp["columns"] = full.tocsc()
    data.obsp["truth"] = full > 0.5
    data.obsp["empty"] = scipy.sparse.csr_matrix((1500, 1500))
    data.obsm["rows"] = full[:, :1400].astype(np.float32)
    data.obsm["columns"] = full[:, :1400].tocsc()

    path, left_out = write_result(tmp_path, data)

    assert left_out == []
    result, expected = read_without_warnings(path), kept(data)
    for group in ("obsp", "obsm"):
        for key, theirs in getattr(expected, group).items():
            if not scipy.sparse.issparse(theirs):
                continue
            ours = getattr(result, group)[key]
            assert type(ours) is type(theirs) and ours.dtype == theirs.dtype and ours.shape == theirs.shape
            assert (ours != theirs).nnz == 0


@pytest.mark.parametrize("dataset, place, value", [
    ("indices", 298, 300), ("indices", 0, -1), ("indptr", 300, 10**6), ("indptr", 1, 10**6), ("indptr", 0, -1)])
def test_a_damaged_sparse_part_is_named_and_left_out(tmp_path, dataset, place, value):
    data = section(300, 23)
    data.obsp["pairs"] = scipy.sparse.eye(300, format="csr")
    data.write_h5ad(tmp_path / "input.h5ad")
    with h5py.File(tmp_path / "input.h5ad", "r+") as file:
        file["obsp/pairs"][dataset][place] = value

    path, left_out = write_result(tmp_path, data)

    assert len(left_out) == 1 and "obsp/pairs is damaged" in left_out[0]
    assert "pairs" not in read_without_warnings(path).obsp


@pytest.mark.parametrize("dataset, shape", [("indices", (100, 3)), ("data", (1, 300)), ("indices", ())])
def test_a_sparse_part_whose_entries_are_no_list_is_left_out(tmp_path, dataset, shape):
    data = section(300, 23)
    data.obsp["pairs"] = scipy.sparse.eye(300, format="csr")
    data.write_h5ad(tmp_path / "input.h5ad")
    with h5py.File(tmp_path / "input.h5ad", "r+") as file:
        del file["obsp/pairs"][dataset]
        file["obsp/pairs"][dataset] = np.zeros(shape)

    path, left_out = write_result(tmp_path, data)

    assert len(left_out) == 1 and "obsp/pairs" in left_out[0]
    assert "pairs" not in read_without_warnings(path).obsp


@pytest.mark.parametrize("group", ["obsp", "uns/neighbors"])
def test_of_a_graph_whose_values_cannot_be_read_nothing_is_left(tmp_path, group):
    data = section(300, 23)
    graph = scipy.sparse.random(300, 300, 0.5, "csr", rng=np.random.default_rng(4))
    if group == "obsp":
        data.obsp["connectivities"] = graph
    else:  # before anndata 0.7
        data.uns["neighbors"] = {"connectivities": graph, "params": {"n_neighbors": 15}}
    data.write_h5ad(tmp_path / "input.h5ad", compression="gzip")
    with h5py.File(tmp_path / "input.h5ad", "r") as file:
        chunk = file[group]["connectivities/data"].id.get_chunk_info(0)
    with open(tmp_path / "input.h5ad", "r+b") as file:
        file.seek(chunk.byte_offset)
        file.write(b"\xff" * chunk.size)

    path, left_out = write_result(tmp_path, data)

    result = read_without_warnings(path)
    assert any("obsp/connectivities" in line for line in left_out)
    assert "connectivities" not in result.obsp
    assert group == "obsp" or result.uns["neighbors"] == {"params": {"n_neighbors": 15}}


def with_other_matrices():
    data = input_section()
    rng = np.random.default_rng(2)
    data.raw = data[:, :20].copy()
    data.layers["spliced"] = data.X.copy()
    data.varp["sparse"] = scipy.sparse.random(data.n_vars, data.n_vars, 0.2, "csr", rng=rng)
    data.varp["dense"] = rng.random((data.n_vars, data.n_vars))
    return data


@pytest.mark.parametrize(("layer", "stays"), [
    ("X", ["raw", "layers/spliced"]), ("spliced", ["X", "raw"]),
    ("raw", ["X", "layers/spliced", "var", "varm/PCs", "varp/dense", "varp/sparse"])])
def test_names_the_matrices_that_stay_behind(tmp_path, layer, stays):
    data = with_other_matrices()
    path, left_out = write_result(tmp_path, data, "none", layer)

    result = read_without_warnings(path)

    assert left_out == [f"left out: {name}" for name in stays]
    assert set(result.layers) == {"counts"} and result.raw is None
    assert set(result.varp) == (set() if layer == "raw" else {"dense", "sparse"})
    for key in result.varp:
        np.testing.assert_array_equal(dense(result.varp[key]), dense(kept(data).varp[key]))


def test_scanpy_lists_and_plots_the_ranked_genes(tmp_path):
    path, _ = write_result(tmp_path, input_section())
    result = anndata.read_h5ad(path)

    table = sc.get.rank_genes_groups_df(result, group="2")
    everything = sc.get.rank_genes_groups_df(result, group=None)

    score = pd.Series((7 * np.arange(result.n_vars) + 13) % 101, index=result.var_names)
    order = score.sort_values(ascending=False, kind="stable")
    assert list(table["names"]) == list(order.index)
    np.testing.assert_array_equal(table["scores"], order.to_numpy())
    assert table["pvals"].isna().all() and table["pvals_adj"].isna().all()
    assert set(everything["group"]) == {"1", "2", "3"} and len(everything) == 3 * result.n_vars
    sc.pl.rank_genes_groups(result, show=False)
    sc.pl.rank_genes_groups_dotplot(result, n_genes=3, dendrogram=False, show=False)
    sc.pl.rank_genes_groups_heatmap(result, n_genes=3, dendrogram=False, show=False)


def test_fold_changes_are_those_of_scanpy(tmp_path):
    path, _ = write_result(tmp_path, input_section())
    result = anndata.read_h5ad(path)
    theirs = result.copy()
    sc.tl.rank_genes_groups(theirs, "stamarker", method="t-test", use_raw=False)

    for domain in "123":
        mine = sc.get.rank_genes_groups_df(result, group=domain).set_index("names")["logfoldchanges"]
        expected = sc.get.rank_genes_groups_df(theirs, group=domain).set_index("names")["logfoldchanges"]
        np.testing.assert_allclose(mine[expected.index], expected, rtol=1e-4, atol=1e-4)


def test_scanpy_and_squidpy_plot_and_count_on_it(tmp_path):
    path, _ = write_result(tmp_path, input_section())
    result = anndata.read_h5ad(path)

    sc.pl.embedding(result, "spatial", color="stamarker", show=False)
    sc.pl.embedding(result, "X_stamarker", color=["stamarker", result.var_names[0]], show=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # sc.pl.spatial is deprecated, but in use
        sc.pl.spatial(result, color="stamarker", show=False)
    sq.pl.spatial_scatter(result, color="stamarker")
    sq.gr.nhood_enrichment(result, cluster_key="stamarker", seed=0, show_progress_bar=False)
    assert result.uns["stamarker_nhood_enrichment"]["zscore"].shape == (3, 3)
    sq.gr.interaction_matrix(result, cluster_key="stamarker")
    sq.gr.spatial_autocorr(result, mode="moran", genes=list(result.var_names[:3]))


def test_graph_is_laid_out_as_squidpys(tmp_path):
    path, _ = write_result(tmp_path, input_section())
    result = anndata.read_h5ad(path)
    theirs = result.copy()
    sq.gr.spatial_neighbors(theirs, coord_type="generic", radius=1.5)

    for key in ("spatial_connectivities", "spatial_distances"):
        assert type(result.obsp[key]) is type(theirs.obsp[key])
    mine = result.uns["spatial_neighbors"]
    assert set(mine) == set(theirs.uns["spatial_neighbors"])
    assert mine["connectivities_key"] == theirs.uns["spatial_neighbors"]["connectivities_key"]
    assert mine["params"]["radius"] == 1.5


def test_values_do_not_depend_on_the_number_of_ranks(tmp_path):
    data = input_section()
    paths = [write_result(tmp_path, data, "saliency", ranks=n, name=f"{n}.h5ad")[0] for n in (1, 2, 3, 5)]

    def contents(path):
        found = {}
        with h5py.File(path) as file:
            file.visititems(lambda name, item: found.__setitem__(
                name, (item[()].tobytes() if item.dtype.hasobject is False else repr(item[()]))
                if isinstance(item, h5py.Dataset) else dict(item.attrs.items()).keys()))
        return found

    first = contents(paths[0])
    assert len(first) > 60
    for path in paths[1:]:
        assert contents(path) == first


def test_can_be_input_again(tmp_path):
    path, _ = write_result(tmp_path, input_section())
    second = tmp_path / "second.h5ad"

    done = run("write_sample_result", path, second, "none", "counts")

    assert done.returncode == 0, done.stdout
    first, again = anndata.read_h5ad(path), anndata.read_h5ad(second)
    np.testing.assert_array_equal(dense(again.layers["counts"]), dense(kept(first).layers["counts"]))


def test_is_read_in_backed_mode_and_written_again(tmp_path):
    path, _ = write_result(tmp_path, input_section(), "saliency")

    backed = anndata.read_h5ad(path, backed="r")
    np.testing.assert_array_equal(backed[3:5].X.toarray(), anndata.read_h5ad(path)[3:5].X.toarray())
    anndata.read_h5ad(path).write_h5ad(tmp_path / "again.h5ad")


def test_a_result_of_an_atlas_opens_in_backed_mode_and_in_scanpy(tmp_path):
    """20,000 spots; STM_RESULT_SPOTS=1000000 in the environment for a million."""
    n_spots = int(os.environ.get("STM_RESULT_SPOTS", "20000")) * 3 // 2  # of which a third is dropped
    rng = np.random.default_rng(5)
    data = anndata.AnnData(scipy.sparse.random(n_spots, 40, 0.2, "csr", np.float32, rng, lambda n: rng.poisson(2, n) + 1))
    data.obs_names, data.var_names = ([f"{kind}_{i}" for i in range(n)] for kind, n in zip(("spot", "gene"), data.shape))
    data.obsm["spatial"] = rng.random((n_spots, 2)) * 1e4
    path, _ = write_result(tmp_path, data, ranks=2)
    rows = kept(data)

    backed = anndata.read_h5ad(path, backed="r")
    some = slice(len(rows) // 2, len(rows) // 2 + 100)
    np.testing.assert_allclose(dense(backed.X[some]), np.log1p(dense(rows.X[some])), rtol=1e-6)
    assert "saliency" not in backed.layers
    assert backed.obs["stamarker"].value_counts().sum() == len(rows)
    assert backed.obsm["X_stamarker"].shape[0] == backed.obsp["spatial_connectivities"].shape[0] == len(rows)
    backed.file.close()

    result = sc.read_h5ad(path)
    np.testing.assert_allclose(result.X.data, np.log1p(rows.X.data), rtol=1e-6)
    assert len(sc.get.rank_genes_groups_df(result, group="1")) == result.n_vars
    axes = sc.pl.embedding(result, "spatial", color="stamarker", show=False)
    assert len(axes.collections[0].get_offsets()) == len(rows)


def test_an_input_without_image_or_key_spatial(tmp_path):
    data = section()
    data.obsm["where"] = data.obsm["spatial"]
    del data.obsm["spatial"]
    data.write_h5ad(tmp_path / "input.h5ad")

    path, _ = write_result(tmp_path, data, "none", "X", "where")

    result = anndata.read_h5ad(path)
    np.testing.assert_array_equal(result.obsm["spatial"], result.obsm["where"])


def test_a_part_that_cannot_be_read_is_named_and_left_out(tmp_path):
    data = input_section(300, 200)
    data.write_h5ad(tmp_path / "input.h5ad", compression="gzip")
    with h5py.File(tmp_path / "input.h5ad", "r+") as file:
        chunk = file["obsm/X_pca"].id.get_chunk_info(0)
        file["obsm/pairs"] = np.zeros((299, 2))
        file["uns/gone"] = h5py.SoftLink("/nowhere")
    with open(tmp_path / "input.h5ad", "r+b") as file:
        file.seek(chunk.byte_offset)
        file.write(b"\xff" * chunk.size)

    path, left_out = write_result(tmp_path, data)

    assert len(left_out) == 3
    assert any("obsm/X_pca" in line for line in left_out)
    assert any("obsm/pairs" in line for line in left_out)
    assert any("uns/gone" in line for line in left_out)
    assert "X_pca" not in read_without_warnings(path).obsm


def test_each_object_of_uns_is_copied_once(tmp_path):
    """A group that holds itself or the root, by hard or by soft links; an object under two names; a link elsewhere."""
    data = input_section(300, 200)
    data.uns["tree"] = {"branch": {"leaf": np.arange(3)}, "title": "kept"}
    data.write_h5ad(tmp_path / "input.h5ad")
    with h5py.File(tmp_path / "input.h5ad", "r+") as file:
        branch = file["uns/tree/branch"]
        branch.attrs["note"] = ["a", "b"]
        branch["self"], branch["root"], branch["twice"] = branch, file["/"], branch["leaf"]
        branch["soft"], branch["elsewhere"] = h5py.SoftLink("/uns/tree"), h5py.SoftLink("/varm/PCs")
        branch["around"] = h5py.SoftLink("/uns/tree/branch/around")

    path, left_out = write_result(tmp_path, data)

    tree = read_without_warnings(path).uns["tree"]
    assert set(tree) == {"branch", "title"} and set(tree["branch"]) == {"leaf", "elsewhere"}
    np.testing.assert_array_equal(tree["branch"]["elsewhere"], data.varm["PCs"])
    with h5py.File(path) as file:
        assert list(file["uns/tree/branch"].attrs["note"]) == ["a", "b"]
    for name in ("self", "root", "twice", "soft", "around"):
        assert sum(f"uns/tree/branch/{name} (a link to" in line for line in left_out) == 1


def test_no_file_is_left_where_it_cannot_be_written(tmp_path):
    section().write_h5ad(tmp_path / "input.h5ad")

    for ranks in (1, 2):
        done = run("write_sample_result", tmp_path / "input.h5ad", tmp_path / "none" / "result.h5ad", ranks=ranks)
        assert "InputError: " in done.stdout and "none/result.h5ad" in done.stdout
        assert done.returncode == 2
