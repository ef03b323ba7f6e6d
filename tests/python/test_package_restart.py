"""The Python package of python/ when its process ends in the middle of a run, as the kernel of a notebook does."""

import json
import signal
import subprocess
import sys
import time

import pytest
import stamarker
from support import MPIRUN, PROGRAMS, run

PROGRAM = PROGRAMS.parent / "stamarker"
OPTIONS = {"models": 2, "autoencoder.epochs": 1000, "autoencoder.hidden_dims": [16, 8], "classifier.epochs": 5,
           "prepare.n_top_genes": 60, "prepare.min_cells": 10, "compute.threads": 1}
LONGEST_S = 60

# A kernel that is killed while the ranks train: their log has come to the line of the graph, which is followed by the
# run directory and training.
KERNEL = """\
import json, os, signal, stamarker, sys, time
data, output, launcher, options = json.loads(sys.argv[1])
def show(line):
    if line.startswith("graph"):
        while not os.path.exists(os.path.join(output, "run.log")):
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGKILL)
stamarker.run(data, 3, output=output, launcher=launcher, options=options, show=show)
"""


def wait_until(holds):
    end = time.monotonic() + LONGEST_S
    while not holds():
        assert time.monotonic() < end, f"not after {LONGEST_S} s"
        time.sleep(0.05)


@pytest.mark.parametrize("launcher", [[], [*MPIRUN, "-n", "2"]], ids=["alone", "2 ranks"])
def test_a_killed_kernel_ends_its_ranks_and_the_run_is_resumed(launcher, tmp_path, monkeypatch):
    monkeypatch.setenv("STAMARKER", str(PROGRAM))
    data, output = tmp_path / "section.h5ad", tmp_path / "run"
    done = run(PROGRAM, "simulate", data, "--n-spots", 300, "--n-genes", 400, "--n-domains", 3)
    assert done.returncode == 0, done.stderr

    kernel = subprocess.run([sys.executable, "-c", KERNEL, json.dumps([str(data), str(output), launcher, OPTIONS])],
                            timeout=LONGEST_S)

    assert kernel.returncode == -signal.SIGKILL
    wait_until(lambda: "interrupted: everything so far is saved" in (output / "run.log").read_text())
    wait_until(lambda: not (output / "run.lock").exists())
    assert not (output / "result.h5ad").exists()
    lines = []
    result = stamarker.run(data, 3, output=output, launcher=launcher, options=OPTIONS, show=lines.append, resume=True)
    assert result.n_obs == 300
    assert any(line.startswith("prepare ") and "is there already" in line for line in lines)


def test_a_launcher_that_is_missing_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("STAMARKER", str(PROGRAM))
    data = tmp_path / "section.h5ad"
    data.touch()
    with pytest.raises(FileNotFoundError, match="no-such-launcher"):
        stamarker.run(data, 3, launcher="no-such-launcher -n 2")
