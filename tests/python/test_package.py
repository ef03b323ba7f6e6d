"""The Python package of python/: a run from an AnnData, its failures, and what `annotate` adds."""

import pathlib
import tempfile

import anndata
import numpy as np
import pandas as pd
import pytest
import scanpy
import stamarker
from package_runs import DOMAINS, OPTIONS, PROGRAM, assert_same_findings, data, program, result  # noqa: F401
from support import MPIRUN, dense, run


def test_result_is_that_of_the_command_line(data, result, tmp_path):
    data.write_h5ad(tmp_path / "section.h5ad")
    options = [f"--set={key}={value}" for key, value in OPTIONS.items()]
    (tmp_path / "empty.yaml").write_text(f"domains: {DOMAINS}\n")
    done = run(PROGRAM, "run", tmp_path / "empty.yaml", f"--set=input.path={tmp_path / 'section.h5ad'}",
               f"--set=output={tmp_path / 'run'}", *options)
    assert done.returncode == 0, done.stderr
    assert_same_findings(result, anndata.read_h5ad(tmp_path / "run/result.h5ad"))
    assert result.obs["stamarker"].nunique() == DOMAINS


def test_ranks_and_kept_output(data, result, tmp_path):
    lines = []
    mine = stamarker.run(data, DOMAINS, output=tmp_path / "runs/kept", launcher=[*MPIRUN, "-n", "2"],
                         options=OPTIONS, show=lines.append)
    assert_same_findings(mine, result)
    assert any("2 ranks" in line for line in lines)
    assert (tmp_path / "runs/kept/svgs.tsv").exists()
    assert (tmp_path / "runs/kept.input.h5ad").exists()


def test_interrupted_and_resumed(data, result, tmp_path):
    def stop(line):
        if line.startswith("graph"):
            raise KeyboardInterrupt

    options = OPTIONS | {"autoencoder.epochs": 12}
    with pytest.raises(KeyboardInterrupt):
        stamarker.run(data, DOMAINS, output=tmp_path / "run", options=options, show=stop)
    assert not (tmp_path / "run/result.h5ad").exists()
    with pytest.raises(ValueError, match="resume=True"):
        stamarker.run(data, DOMAINS, output=tmp_path / "run", options=options, show=None)
    mine = stamarker.run(data, DOMAINS, output=tmp_path / "run", options=options, show=None, resume=True)
    assert_same_findings(mine, result)


def test_a_refused_run_leaves_the_input_of_another(data, result, tmp_path):
    output, kept = tmp_path / "run", tmp_path / "run.input.h5ad"

    def stop(line):
        if line.startswith("graph"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stamarker.run(data, DOMAINS, output=output, options=OPTIONS, show=stop)
    before = kept.read_bytes()
    for resume in (False, True):
        with pytest.raises(ValueError, match="other data"):
            stamarker.run(data[:200].copy(), DOMAINS, output=output, options=OPTIONS, show=None, resume=resume)
    assert kept.read_bytes() == before
    assert_same_findings(stamarker.run(data, DOMAINS, output=output, options=OPTIONS, show=None, resume=True), result)
    with pytest.raises(ValueError, match="other data"):
        stamarker.run(data[:200].copy(), DOMAINS, output=output, options=OPTIONS, show=None)
    less = stamarker.run(data[:200].copy(), DOMAINS, output=output, options=OPTIONS, show=None, overwrite=True)
    assert less.n_obs == 200
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run", "run.input.h5ad"]


def test_resume_without_a_run_takes_the_data_given(data, tmp_path):
    wrong = data.copy()
    wrong.X = wrong.X * 1.5
    for _ in range(2):
        with pytest.raises(ValueError, match="count"):
            stamarker.run(wrong, DOMAINS, output=tmp_path / "run", options=OPTIONS, show=None, resume=True)
    assert stamarker.run(data, DOMAINS, output=tmp_path / "run", options=OPTIONS, show=None, resume=True).n_obs == 300


def test_options_are_taken_together_and_left_alone(data, result):
    options = {"prepare": {"n_top_genes": np.int64(60)}, "prepare.min_cells": 10} | {
        key: value for key, value in OPTIONS.items() if not key.startswith("prepare")}
    before = {key: dict(value) if isinstance(value, dict) else value for key, value in options.items()}
    assert_same_findings(stamarker.run(data, np.int64(DOMAINS), options=options, show=None), result)
    assert options == before
    for wrong in ({"domains": 3}, {"output": "x"}, {"input": {"path": "x"}}, {"input.path": "x"}):
        with pytest.raises(ValueError, match="argument"):
            stamarker.run(data, DOMAINS, options=wrong, show=None)
    for wrong in ({"prepare": 5, "prepare.min_cells": 3}, {"prepare": {"min_cells": 5}, "prepare.min_cells": 3}):
        with pytest.raises(ValueError, match="twice"):
            stamarker.run(data, DOMAINS, options=wrong, show=None)
    with pytest.raises(ValueError, match="ranks = 0"):
        stamarker.run(data, DOMAINS, ranks=0)


def test_a_show_that_fails_ends_the_run_and_leaves_nothing(data, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with pytest.raises(ZeroDivisionError):
        stamarker.run(data, DOMAINS, options=OPTIONS, show=lambda line: 1 / 0)
    assert list(tmp_path.iterdir()) == []


def test_annotate_takes_names_that_are_numbers(data):
    numbered = data.copy()
    numbered.obs.index = pd.RangeIndex(numbered.n_obs)
    numbered.var.index = pd.RangeIndex(numbered.n_vars)
    result = stamarker.run(numbered, DOMAINS, options=OPTIONS, show=None)
    stamarker.annotate(numbered, result)
    assert list(numbered.obs["stamarker"]) == list(result.obs["stamarker"])


def test_refusals_are_the_programs_own(data, tmp_path, monkeypatch):
    with pytest.raises(ValueError, match="models") as refused:
        stamarker.run(data, DOMAINS, options={"models": 0}, show=None)
    assert "stamarker: error" not in str(refused.value)
    with pytest.raises(ValueError, match="output"):
        stamarker.run(data, DOMAINS, resume=True)
    with pytest.raises(RuntimeError, match="ended with 1"):
        stamarker.run(data, DOMAINS, launcher=["false"], show=None)
    monkeypatch.setenv("STAMARKER", str(tmp_path / "nothing"))
    with pytest.raises(FileNotFoundError, match="nothing"):
        stamarker.run(data, DOMAINS)


def test_interrupted_from_outside(data, tmp_path):
    script = tmp_path / "ends-with-75"
    script.write_text("#!/bin/sh\nexit 75\n")
    script.chmod(0o755)
    with pytest.raises(stamarker.Interrupted, match="resume=True"):
        stamarker.run(data, DOMAINS, launcher=[script], show=None)


def test_annotate_matches_names(data, result):
    order = np.random.default_rng(0).permutation(data.n_obs)
    whole = data[order].copy()
    part = result[5:].copy()
    stamarker.annotate(whole, part)
    assert whole.shape == data.shape
    found = whole[part.obs_names]
    assert list(found.obs["stamarker"]) == list(part.obs["stamarker"])
    np.testing.assert_array_equal(found.obsm["X_stamarker"], part.obsm["X_stamarker"])
    left_out = whole[~whole.obs_names.isin(part.obs_names)]
    assert left_out.n_obs == 5
    assert left_out.obs["stamarker"].isna().all()
    assert np.isnan(left_out.obsm["X_stamarker"]).all()
    svgs = whole.var_names[whole.var["stamarker_svg_0"]]
    assert set(svgs) == set(part.var_names[part.var["stamarker_svg_0"]])
    others = ~whole.var_names.isin(part.var_names)
    assert np.isnan(whole.varm["stamarker_score"][others]).all()
    np.testing.assert_array_equal(whole[:, part.var_names].varm["stamarker_score"], part.varm["stamarker_score"])
    assert "stamarker" in whole.uns
    np.testing.assert_array_equal(dense(whole.X), dense(data[order].X))


def test_annotate_keeps_rank_genes_groups_of_the_user(data, result):
    mine = data.copy()
    mine.uns["rank_genes_groups"] = {"params": {"groupby": "domain"}}
    stamarker.annotate(mine, result)
    assert mine.uns["rank_genes_groups"] == {"params": {"groupby": "domain"}}
    ranked = scanpy.get.rank_genes_groups_df(mine, group="0", key="stamarker_rank_genes_groups")
    pd.testing.assert_frame_equal(ranked, scanpy.get.rank_genes_groups_df(result, group="0"))
    assert mine.uns["stamarker_rank_genes_groups"]["params"]["groupby"] == "stamarker"
    mine.uns["stamarker_rank_genes_groups"]["params"]["groupby"] = "mine"  # a copy
    assert result.uns["rank_genes_groups"]["params"]["groupby"] == "stamarker"


def all_keys(data):
    return {f"{part}/{key}" for part in ("obs", "obsm", "var", "varm", "uns", "layers", "obsp") for key in getattr(data, part)}


def test_annotate_again_removes_what_the_earlier_call_left(data, result):
    mine = data.copy()
    before = all_keys(mine)
    two = stamarker.run(data, 2, options=OPTIONS, show=None)
    stamarker.annotate(mine, result, key_added="three")
    kept = all_keys(mine)
    stamarker.annotate(mine, result)
    assert "stamarker_svg_2" in mine.var
    stamarker.annotate(mine, two)
    assert mine.varm["stamarker_score"].shape == (data.n_vars, 2)
    added = all_keys(mine) - kept
    assert added == {"obs/stamarker", "obsm/X_stamarker", "obsm/stamarker_labels", "var/stamarker_svg_0",
                     "var/stamarker_svg_1", "varm/stamarker_score", "varm/stamarker_score_deviation",
                     "varm/stamarker_stability", "uns/stamarker", "uns/stamarker_rank_genes_groups"}
    assert kept - before == {key.replace("stamarker", "three") for key in added} | {"var/three_svg_2"}
    assert list(mine.obs["three"]) == list(result.obs["stamarker"])


def test_annotate_copies_every_key_of_the_program(data, result):
    mine = data.copy()
    stamarker.annotate(mine, result)
    assert {key for key in all_keys(result) if "stamarker" in key} <= all_keys(mine)


def test_annotate_refuses_keys_from_elsewhere(data, result):
    mine = data.copy()
    mine.obs["leiden"] = mine.obs["domain"]
    mine.obsm["X_pca"] = mine.obsm["spatial"]
    before = all_keys(mine)
    for key, taken in (("leiden", r"obs\['leiden'\]"), ("pca", r"obsm\['X_pca'\]")):
        with pytest.raises(ValueError, match=taken):
            stamarker.annotate(mine, result, key_added=key)
    assert all_keys(mine) == before


def test_annotate_refuses_another_section(data, result):
    other = data.copy()
    other.obs_names = [f"other {name}" for name in other.obs_names]
    with pytest.raises(ValueError, match="another section"):
        stamarker.annotate(other, result)
    other.obs_names = ["same"] * other.n_obs
    with pytest.raises(ValueError, match="not unique"):
        stamarker.annotate(other, result)


def test_package_and_program_have_one_version():
    project = pathlib.Path(stamarker.__file__).parents[1] / "pyproject.toml"
    version = next(line for line in project.read_text().splitlines() if line.startswith("version"))
    assert run(PROGRAM, "--version").stdout.split()[1] == version.split('"')[1]
