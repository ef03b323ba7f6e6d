"""How scripts/slurm/run.bash starts a run, passes signals on and queues the job anew; no Slurm is needed."""
import argparse
import os
import pathlib
import subprocess
import tempfile

from runs import INTERRUPTED, expect

ROOT = pathlib.Path(__file__).resolve().parents[2]

# $1: a command of run_or_requeue before which the job gets the signal that announces the time limit; "-" for none.
JOB = """\
source scripts/slurm/run.bash
scontrol() { echo "scontrol $*"; }
before=$1
shift
set -o functrace
trap '[[ $BASH_COMMAND != "$before"* ]] || kill -USR1 $$' DEBUG
run_or_requeue "$@"
"""


def job(launcher, before="-"):
    """Exit code and the lines that a job prints whose launcher is this script of bash."""
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "launcher")
        path.write_text(f"#!/bin/bash\n{launcher}\n")
        path.chmod(0o755)
        done = subprocess.run(["bash", "-c", JOB, "job", before, "stamarker", "run"], cwd=ROOT, capture_output=True,
                              text=True, timeout=60, env={**os.environ, "STAMARKER_LAUNCH": str(path), "SLURM_JOB_ID": "7"})
    expect(done.stderr == "", done.stderr)
    return done.returncode, done.stdout.splitlines()


def expect_job(found, code, lines):
    expect(found == (code, lines), f"{found}, not {(code, lines)}")


def main():
    argparse.ArgumentParser(description=__doc__).parse_args()
    requeued = ["out of time: asking the run to save", "saved; job 7 goes on from the queue", "scontrol requeue 7"]
    expect_job(job('echo "$@, kill on bad exit: $SLURM_KILL_BAD_EXIT"'), 0, ["stamarker run, kill on bad exit: 1"])
    saves = "trap 'exit 75' USR1; kill -USR1 $PPID; while :; do sleep 0.05; done"
    expect_job(job(saves), INTERRUPTED, requeued)
    fails = "trap 'exit 3' USR1; kill -USR1 $PPID; while :; do sleep 0.05; done"
    expect_job(job(fails), 3, requeued[:1])
    expect_job(job("echo started", before="export OMP_NUM_THREADS"), INTERRUPTED, requeued)
    expect_job(job("exit 75"), INTERRUPTED, [])  # whoever ended it decides


if __name__ == "__main__":
    main()
