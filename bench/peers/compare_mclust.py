#!/usr/bin/env python3
"""Our mixture (ten starts) and R's mclust (one start a run) on the same points, by turns.

  bench/peers/compare_mclust.py [--sizes 4000 25000] [--turns 5] [--build build/release]

Prints the CPU time of one start of each, the ratio of the medians, and the best
log-likelihoods. Both have one thread. R comes from Debian's r-base-core and r-cran-mclust.
"""
import argparse
import json
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile

from processes import with_threads

ROOT = pathlib.Path(__file__).resolve().parents[2]
N_STARTS = 10


def output_of(*command):
    found = subprocess.run([str(part) for part in command], env=with_threads(1), check=True,
                           stdout=subprocess.PIPE, text=True)
    return json.loads(found.stdout.splitlines()[-1]) if found.stdout else None


def compare(program, n_points, n_turns, folder):
    points = pathlib.Path(folder) / f"points_{n_points}.f32"
    output_of(program, "make", points, n_points)
    ours, theirs = [], []
    for turn in range(n_turns):
        ours.append(output_of(program, "fit", points, N_STARTS))
        theirs.append(output_of("Rscript", ROOT / "bench/peers/mclust_time.R", points, turn))
    median = {name: statistics.median(run["cpu_s"] for run in runs)
              for name, runs in (("ours", ours), ("mclust", theirs))}
    best = {name: max(run["log_likelihood"] for run in runs)
            for name, runs in (("ours", ours), ("mclust", theirs))}
    record = {"spots": n_points, "turns": n_turns, "ours": median["ours"], "peer": median["mclust"], "best": best}
    print(f"{n_points} x 30: a start takes {median['ours']:.3f} s, mclust's {median['mclust']:.3f} s, "
          f"ratio {median['mclust'] / median['ours']:.1f}; best log-likelihood {best['ours']:.1f}, "
          f"mclust's {best['mclust']:.1f} of {n_turns}", flush=True)
    return record


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[4000, 25000])
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--json", type=pathlib.Path, help="file for the numbers")
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build/release")
    arguments = parser.parse_args()
    program = arguments.build / "bench/mixture_time"
    if not program.exists():
        sys.exit(f"compare_mclust: no {program} (cmake --build --preset release)")
    if shutil.which("Rscript") is None:
        sys.exit("compare_mclust: no Rscript (apt-get install r-base-core r-cran-mclust)")
    with tempfile.TemporaryDirectory() as folder:
        records = [compare(program, n_points, arguments.turns, folder) for n_points in arguments.sizes]
    if arguments.json:
        arguments.json.write_text(json.dumps(records, indent=1) + "\n")


if __name__ == "__main__":
    main()
