"""What the tests of the Python package share: a section, options of a quick run, and its result."""

import os

import anndata
import numpy as np
import pandas as pd
import pytest
import stamarker
from support import PROGRAMS, run

PROGRAM = PROGRAMS.parent / "stamarker"
DOMAINS = 3
OPTIONS = {"models": 2, "autoencoder.epochs": 12, "autoencoder.hidden_dims": [16, 8], "classifier.epochs": 5,
           "prepare.n_top_genes": 60, "prepare.min_cells": 10, "compute.threads": 1}


@pytest.fixture(autouse=True)
def program(monkeypatch):
    monkeypatch.setenv("STAMARKER", str(PROGRAM))


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    path = tmp_path_factory.mktemp("section") / "section.h5ad"
    done = run(PROGRAM, "simulate", path, "--n-spots", 300, "--n-genes", 400, "--n-domains", DOMAINS)
    assert done.returncode == 0, done.stderr
    return anndata.read_h5ad(path)


@pytest.fixture(scope="module")
def result(data):
    os.environ["STAMARKER"] = str(PROGRAM)
    return stamarker.run(data, DOMAINS, options=OPTIONS, show=None)


def assert_same_findings(mine, theirs):
    pd.testing.assert_series_equal(mine.obs["stamarker"], theirs.obs["stamarker"])
    np.testing.assert_array_equal(mine.obsm["X_stamarker"], theirs.obsm["X_stamarker"])
    np.testing.assert_array_equal(mine.varm["stamarker_score"], theirs.varm["stamarker_score"])
