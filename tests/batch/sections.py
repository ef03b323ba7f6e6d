"""What scripts/slurm/sections.sbatch makes of a list of sections, task by task; no Slurm is needed."""
import argparse
import os
import pathlib
import subprocess
import tempfile

from runs import expect

ROOT = pathlib.Path(__file__).resolve().parents[2]


def task(number, lines):
    """Exit code, the options of `stamarker run`, and standard error of one task; number None: of a job without them."""
    numbered = {} if number is None else {"SLURM_ARRAY_TASK_ID": str(number)}
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "sections.txt")
        path.write_bytes(lines.encode())
        done = subprocess.run(
            ["bash", ROOT / "scripts/slurm/sections.sbatch", path, "run.yaml"], capture_output=True, text=True, timeout=60,
            env={**os.environ, "STAMARKER_HOME": str(ROOT), "STAMARKER": "stamarker", "STAMARKER_LAUNCH": "echo",
                 "OUTPUT": "runs", **numbered})
    return done.returncode, done.stdout.strip(), done.stderr


def expect_run(number, lines, options):
    code, out, error = task(number, lines)
    expect(code == 0 and error == "", f"exit code {code}: {error}")
    expect(out == f"stamarker run run.yaml {options} --resume", f"line {number} of {lines!r}: {out}")


def expect_refused(number, lines, message):
    code, out, error = task(number, lines)
    expect(code == 2 and out == "", f"line {number} of {lines!r}: exit code {code}: {out}")
    expect(error.startswith("sections.sbatch: ") and error.count("\n") == 1 and message in error, error)


def main():
    argparse.ArgumentParser(description=__doc__).parse_args()
    expect_run(1, "a/left.h5ad\nright.h5ad 5", "--set input.path=a/left.h5ad --set output=runs/left")
    expect_run(2, "a/left.h5ad\nright.h5ad 5",
               "--set input.path=right.h5ad --set output=runs/right --set domains=5")
    named = "A/outs 5 A\nB/outs/ - B\nC/outs/\n"
    expect_run(1, named, "--set input.path=A/outs --set output=runs/A --set domains=5")
    expect_run(2, named, "--set input.path=B/outs/ --set output=runs/B")
    expect_run(3, named, "--set input.path=C/outs/ --set output=runs/outs")
    windows = "\ufeffA/outs 5 A\r\nB/outs\r\n\r\nC/outs - C"
    expect_run(1, windows, "--set input.path=A/outs --set output=runs/A --set domains=5")
    expect_run(2, windows, "--set input.path=B/outs --set output=runs/outs")
    expect_run(4, windows, "--set input.path=C/outs --set output=runs/C")
    expect_refused(3, windows, "has no line 3; --array=1-3 fits it")
    expect_refused(None, windows, "is no array, and would run one section only; submit it with --array=1-3")
    for lines in ("A/outs\nB/outs", "A/outs/ 5\nB/outs 5\n", "A/outs\nB/x.h5ad - outs\n", "a/s.h5ad\n\nb/s.h5ad\n"):
        expect_refused(1, lines, "2 lines of ")
    expect_refused(3, "A/outs\nB/outs\n", "has no line 3; --array=1-2 fits it")
    expect_refused(1, "", "has no line 1")


if __name__ == "__main__":
    main()
