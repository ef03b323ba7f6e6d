"""What the Python package sends of an AnnData, what it leaves as it is, and how it speaks of it."""

import copy
import os
import pathlib
import tempfile
import threading

import anndata
import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import stamarker
from package_runs import DOMAINS, OPTIONS, assert_same_findings, data, program, result  # noqa: F401
from support import dense


def run(data, **arguments):
    options = OPTIONS | arguments.pop("options", {})
    return stamarker.run(data, DOMAINS, **{"show": None, "options": options} | arguments)


def test_adata_stays_as_it_is(data):
    mine = data.copy()
    mine.obs["note"] = [f"note {i % 7}" for i in range(mine.n_obs)]  # of dtype object
    mine.obs["section"] = pd.Series(["b", "a"] * (mine.n_obs // 2), index=mine.obs_names, dtype=object)
    mine.obs.index.name = "section"  # as a column is named
    mine.uns["mine"] = {"a": [1, 2]}
    before = copy.deepcopy(mine)
    run(mine, options={"input.batch_key": "section"})
    pd.testing.assert_frame_equal(mine.obs, before.obs)
    assert mine.obs["note"].dtype == object
    pd.testing.assert_frame_equal(mine.var, before.var)
    np.testing.assert_array_equal(dense(mine.X), dense(before.X))
    assert mine.uns == before.uns
    assert mine.filename is None


def test_a_view_stays_a_view(data):
    view = data[10:]
    assert run(view).n_obs == data.n_obs - 10
    assert view.is_view


def test_backed_adata_keeps_its_file(data, result, tmp_path):
    path = tmp_path / "mine.h5ad"
    data.write_h5ad(path)
    backed = anndata.read_h5ad(path, backed="r")
    assert_same_findings(run(backed), result)
    assert backed.isbacked
    assert pathlib.Path(backed.filename) == path
    np.testing.assert_array_equal(dense(backed.X[:5]), dense(data.X[:5]))
    dense_path = tmp_path / "dense.h5ad"
    anndata.AnnData(dense(data.X), data.obs, data.var, obsm={"spatial": data.obsm["spatial"]}).write_h5ad(dense_path)
    assert_same_findings(run(anndata.read_h5ad(dense_path, backed="r")), result)


def test_only_what_the_method_needs_is_sent(data, result, tmp_path):
    mine = data.copy()
    mine.uns["lock"] = threading.Lock()  # which anndata cannot write
    mine.obs["mixed"] = [1, "a", None] * (mine.n_obs // 3)
    mine.obsm["mixed"] = pd.DataFrame({"a": [{}] * mine.n_obs}, index=mine.obs_names)
    mine.layers["other"] = mine.X.copy()
    assert_same_findings(run(mine, output=tmp_path / "run"), result)
    sent = anndata.read_h5ad(tmp_path / "run.input.h5ad")
    assert [list(part) for part in (sent.obs, sent.var, sent.obsm, sent.layers, sent.uns)] == [[], [], ["spatial"], [], []]


@pytest.mark.parametrize("layer", ["counts", "raw"])
def test_counts_of_a_layer_or_raw(data, result, layer):
    mine = anndata.AnnData(obs=data.obs, var=data.var, obsm={"where": pd.DataFrame(data.obsm["spatial"], data.obs_names)})
    if layer == "raw":
        mine.raw = anndata.AnnData(data.X, obs=data.obs, var=data.var)
    else:
        mine.layers[layer] = data.X
    assert_same_findings(run(mine, options={"input.layer": layer, "input.spatial_key": "where"}), result)


@pytest.mark.parametrize("sections", [["a", "b"], [1, 2], [np.int64(3), "x"]])
def test_sections_of_any_type(data, sections):
    mine = data.copy()
    mine.obs["section"] = pd.Series(sections * (mine.n_obs // 2), index=mine.obs_names, dtype=object)
    found = run(mine, options={"input": {"batch_key": "section"}})
    assert list(found.obs["section"].astype(str)) == [str(name) for name in sections] * (mine.n_obs // 2)


def refusal(data, error=ValueError, **arguments):
    with pytest.raises(error) as refused:
        run(data, **arguments)
    return str(refused.value)


def test_refusals_name_the_part_that_the_caller_has(data, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    mine = data.copy()
    mine.obsm["spatial"] = np.full((mine.n_obs, 2), np.nan)
    mine.obsm["flat"] = np.zeros((mine.n_obs, 1))
    mine.obsm["words"] = np.array([["a", "b"]] * mine.n_obs, dtype=object)
    mine.layers["half"] = mine.X * 0.5
    assert "adata.obsm['flat']" in refusal(mine, options={"input.spatial_key": "flat"})
    assert "adata.obsm['words'] does not hold numbers" in refusal(mine, options={"input.spatial_key": "words"})
    assert "adata.obsm['spatial']" in refusal(mine)
    mine.obsm["spatial"] = data.obsm["spatial"]
    assert "adata.layers['half']" in refusal(mine, options={"input.layer": "half"})
    for key, part in (("layer", "adata.layers"), ("spatial_key", "adata.obsm"), ("batch_key", "adata.obs")):
        message = refusal(mine, options={f"input.{key}": "absent"})
        assert message.startswith(f"input.{key} = absent ({part} has: ")
    assert "adata.raw is None" in refusal(mine, options={"input.layer": "raw"})
    mine.X = mine.X * 0.5
    assert "adata.X" in refusal(mine)
    twice = data.copy()
    twice.obs_names = ["same"] * twice.n_obs
    assert refusal(twice).startswith("adata.X: spot name 'same' occurs more than once")
    mine.X = None
    assert "adata.X is None" in refusal(mine)
    for wrong in ({}, {"input.layer": "half"}, {"input.spatial_key": "flat"}):
        assert str(tmp_path) not in refusal(twice if not wrong else mine, options=wrong)
    assert list(tmp_path.iterdir()) == []


def test_without_output_no_deleted_path_is_shown_or_returned(data, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    lines = []
    found = run(data, show=lines.append)
    assert any(line.startswith("input      adata: ") for line in lines)
    assert [line for line in lines if str(tmp_path) in line] == []
    assert str(tmp_path) not in str(found.uns["stamarker"])
    assert list(tmp_path.iterdir()) == []


def test_missing_paths_and_other_data(data, tmp_path):
    assert "missing.h5ad" in refusal(tmp_path / "missing.h5ad", FileNotFoundError)
    assert "missing.h5ad" in refusal(str(tmp_path / "missing.h5ad"), FileNotFoundError)
    assert "DataFrame" in refusal(data.obs, TypeError)
    assert "NoneType" in refusal(None, TypeError)


def test_none_is_the_default_of_an_option(data, result):
    nothing = {"prepare.k_cutoff": None, "input.batch_key": None, "clustering": {"n_components": None}, "svgs": None}
    assert_same_findings(run(data, options=nothing), result)


@pytest.mark.parametrize("name", ["\U0001F52C run", "µ run #1", "a: [b, c] \"c\" 'd' \\ \u2028", os.fsdecode(b"o_\xe9")])
def test_paths_of_any_letters(data, result, tmp_path, name):
    assert_same_findings(run(data, output=tmp_path / name), result)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([name, f"{name}.input.h5ad"])


def test_output_that_is_the_working_folder(data, result, tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert_same_findings(run(data, output="."), result)
    assert (tmp_path / "here/result.h5ad").exists()
    assert (tmp_path / "here.input.h5ad").exists()
    for output in ("", "/"):
        assert "output" in refusal(data, output=output)


def test_ranks_as_root_need_no_variables(data, result, monkeypatch):
    for name in [name for name in os.environ if name.startswith("OMPI_ALLOW_RUN_AS_ROOT")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("OMPI_MCA_rmaps_base_oversubscribe", "1")
    monkeypatch.setenv("OMPI_MCA_hwloc_base_binding_policy", "none")
    assert_same_findings(run(data, ranks=2), result)
