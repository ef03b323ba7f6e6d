"""Warnings of a run: in the log, in uns of the result, and from `info`."""

import anndata
import h5py
import numpy as np
import pytest
from support import PROGRAMS, run

PROGRAM = PROGRAMS.parent / "stamarker"
STAGES = ["prepare", "train", "cluster", "consensus", "classify", "saliency", "svgs"]
DOUBTFUL = {"domains": 12, "models": 2, "prepare.min_cells": 70, "prepare.rad_cutoff": 1e-3, "prepare.k_cutoff": "none",
            "autoencoder.hidden_dims": [8, 4], "autoencoder.epochs": 12, "clustering.n_init": 1, "classifier.epochs": 2,
            "compute.threads": 1}


@pytest.fixture(scope="module")
def section(tmp_path_factory):
    """Few counts, and of two hundred spots only ten near each other."""
    path = tmp_path_factory.mktemp("section") / "section.h5ad"
    done = run(PROGRAM, "simulate", path, "--n-spots", 200, "--n-genes", 200, "--mean-counts", 60, "--n-domains", 2,
               "--svgs-per-domain", 5, "--n-gradient-genes", 5)
    assert done.returncode == 0, done.stderr
    data = anndata.read_h5ad(path)
    data.obsm["spatial"][:10] = 1e6 + 1e-5 * np.arange(20).reshape(10, 2)
    data.write_h5ad(path)
    return path


def call(command, section, output, *flags, ranks=1, **options):
    config = output.parent / "run.yaml"
    config.write_text("{}\n")
    settings = DOUBTFUL | {"input.path": section, "output": output} | options
    done = run(PROGRAM, command, config, *[f"--set={key}={value}" for key, value in settings.items()], *flags,
               ranks=ranks)
    assert done.returncode == 0, done.stdout + done.stderr
    mark = "stamarker: warning: "
    return [line.removeprefix(mark) for line in done.stderr.splitlines() if line.startswith(mark)]


def stored(output):
    record = anndata.read_h5ad(output / "result.h5ad").uns["stamarker"]
    return list(record.get("warnings", []))


def test_the_log_and_the_result_tell_what_makes_a_result_doubtful(section, tmp_path):
    logged = call("run", section, tmp_path / "run")

    assert stored(tmp_path / "run") == logged
    for part in ("genes with counts were dropped: seen in fewer than prepare.min_cells = 70 spots",
                 "section 'section': 190 of 200 spots are isolated", "the loss of 2 of 2 models has not flattened",
                 "the models agree by 0.", "domains of fewer than 10 spots: "):
        assert sum(part in line for line in logged) == 1, logged
    log = (tmp_path / "run/run.log").read_text()
    assert all("warning: " + line in log for line in logged)
    assert "dropped    " in log and " of 200 genes (prepare.min_cells = 70), 0 of 200 spots (prepare.min_counts" in log
    shown = run(PROGRAM, "info", tmp_path / "run/result.h5ad").stdout
    assert "warnings\n" + "".join(f"  {line}\n" for line in logged) in shown


def test_single_stages_and_resumed_runs_tell_the_same(section, tmp_path):
    whole = call("run", section, tmp_path / "whole")
    assert len(whole) == 5
    said = [line for stage in STAGES[:-1] for line in call(stage, section, tmp_path / "staged", ranks=2)]
    assert said == whole
    assert call("svgs", section, tmp_path / "staged") == whole
    assert stored(tmp_path / "staged") == whole
    (tmp_path / "staged/result.h5ad").unlink()
    (tmp_path / "staged/consensus.h5").unlink()

    assert sorted(call("run", section, tmp_path / "staged", "--resume")) == sorted(whole)
    assert stored(tmp_path / "staged") == whole


def test_a_sound_run_warns_of_nothing(tmp_path):
    path = tmp_path / "section.h5ad"
    done = run(PROGRAM, "simulate", path, "--n-spots", 300, "--n-genes", 150, "--n-domains", 2, "--svgs-per-domain", 30,
               "--n-gradient-genes", 10, "--mean-counts", 2000, "--fold-change", 4)
    assert done.returncode == 0, done.stderr

    logged = call("run", path, tmp_path / "run", **{
        "domains": 2, "profile": "full", "prepare.min_cells": 5, "prepare.rad_cutoff": "auto",
        "autoencoder.hidden_dims": [64, 8], "autoencoder.epochs": 300})

    assert logged == []
    with h5py.File(tmp_path / "run/result.h5ad") as file:
        assert "warnings" not in file["uns/stamarker"]
