"""Runs the annotated sections in all configurations that are compared and writes docs/accuracy.md.

Runs that are finished in the work folder are not repeated: the table can be written at any time
from what is there, and says what is missing. Start it by scripts/accuracy.
"""
import argparse
import concurrent.futures
import csv
import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import sys
import time

import build_venv

ROOT = pathlib.Path(__file__).resolve().parents[1]

# In the order in which they run. All have the column obs/ground_truth.
SECTIONS = [
    "dlpfc_151673",
    "dlpfc_151675",
    "starmap_visual_cortex_BY3",
    "starmap_mpfc_BZ5",
    "her2st_A1",
    "st_mob_rep11",
    "osmfish_ssp_cortex",
]

SPLIT_WHOLE_GRAPH = ["autoencoder.tied_update=split", "autoencoder.learning_rate=1e-4"]
CONFIGURATIONS = {
    "reference, leaky_relu": ["profile=reference", "autoencoder.attention=leaky_relu"],
    "full, sigmoid": ["profile=full", "autoencoder.attention=sigmoid"],
    "full, leaky_relu, split at 1e-4": [
        "profile=full", "autoencoder.attention=leaky_relu", *SPLIT_WHOLE_GRAPH],
    "full, leaky_relu": ["profile=full", "autoencoder.attention=leaky_relu"],
    "reference, sigmoid": ["profile=reference", "autoencoder.attention=sigmoid"],
}


def short_name(configuration: str) -> str:
    """The configuration's name as a folder."""
    return configuration.replace(", ", "-").replace(" ", "_")


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/accuracy", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    beside = ROOT.parent / "shared"
    parser.add_argument("--sections", nargs="+", choices=SECTIONS, default=SECTIONS, metavar="NAME",
                        help="of: " + ", ".join(SECTIONS))
    parser.add_argument("--configs", nargs="+", type=int, metavar="NUMBER",
                        choices=range(1, len(CONFIGURATIONS) + 1),
                        default=list(range(1, len(CONFIGURATIONS) + 1)),
                        help="of: " + "; ".join(f"{i} = {name}" for i, name in
                                                enumerate(CONFIGURATIONS, start=1)))
    parser.add_argument("--shared", type=pathlib.Path,
                        default=pathlib.Path(os.environ.get("STAMARKER_SHARED", beside)),
                        help="folder with data/ and expected/ [%(default)s]")
    parser.add_argument("--program", type=pathlib.Path, default=ROOT / "build/release/stamarker")
    parser.add_argument("--work", type=pathlib.Path, default=ROOT / "build/accuracy",
                        help="folder of the runs [%(default)s]")
    parser.add_argument("--output", type=pathlib.Path, default=ROOT / "docs/accuracy.md")
    parser.add_argument("--models", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=1000, help="of the auto-encoders")
    parser.add_argument("--ranks", type=int, default=2, help="MPI ranks of a run")
    parser.add_argument("--threads", type=int, default=1, help="threads of a rank")
    parser.add_argument("--jobs", type=int, default=1, help="runs at the same time")
    parser.add_argument("--note", default="", help="a sentence for the page, such as on the machine's load")
    parser.add_argument("--table-only", action="store_true", help="run nothing, write the table")
    parser.add_argument("--fresh", action="store_true", help="repeat finished runs")
    return parser.parse_args()


def classes_of_sections(shared: pathlib.Path) -> dict[str, int]:
    """Number of annotated classes of every section, from data/INVENTORY.tsv."""
    inventory = shared / "data/INVENTORY.tsv"
    if not inventory.exists():
        sys.exit(f"accuracy: {inventory} is missing; give --shared, or set STAMARKER_SHARED, to the "
                 "folder that holds data/")
    with inventory.open(newline="") as rows:
        return {row["file"].removesuffix(".h5ad"): int(row["n_ground_truth_classes"])
                for row in csv.DictReader(rows, delimiter="\t")}


def run_one(arguments: argparse.Namespace, section: str, configuration: str, n_domains: int) -> str:
    """One run of the program, unless it is there already. A line that says what became of it."""
    folder = arguments.work / section / short_name(configuration)
    settings = [f"input.path={arguments.shared / 'data' / section}.h5ad", f"output={folder / 'run'}",
                f"models={arguments.models}", f"domains={n_domains}",
                f"autoencoder.epochs={arguments.epochs}", "clustering.method=mclust",
                *CONFIGURATIONS[configuration]]
    # ranks and threads change no bit of a result, so they make no other run
    stamp = hashlib.sha256(json.dumps(settings).encode()).hexdigest()
    record_file = folder / "record.json"
    record = json.loads(record_file.read_text()) if record_file.exists() else {}
    label = f"{section}: {configuration}"
    if record.get("stamp") == stamp and record["exit_code"] == 0 and not arguments.fresh:
        return f"{label}: there already"

    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text("{}\n")
    command = ["mpirun", "--oversubscribe", "--bind-to", "none", "-n", str(arguments.ranks),
               str(arguments.program), "run", str(folder / "config.yaml")]
    if os.geteuid() == 0:
        command.insert(1, "--allow-run-as-root")
    for setting in [*settings, f"compute.threads={arguments.threads}"]:
        command += ["--set", setting]
    start = time.monotonic()
    with (folder / "output.txt").open("w") as output:
        ended = subprocess.run(command, stdout=output, stderr=subprocess.STDOUT,
                               stdin=subprocess.DEVNULL, check=False)
    record = {"stamp": stamp, "settings": settings, "exit_code": ended.returncode,
              "seconds": time.monotonic() - start, "ranks": arguments.ranks,
              "threads": arguments.threads, "jobs": arguments.jobs}
    record_file.write_text(json.dumps(record, indent=1))
    if ended.returncode != 0:
        return f"{label}: FAILED with exit code {ended.returncode}, see {folder / 'output.txt'}"
    return f"{label}: {record['seconds']:.0f} s"


def main() -> int:
    arguments = parse_arguments()
    build_venv.enter()
    import accuracy_report  # which needs its packages

    n_classes = classes_of_sections(arguments.shared)
    names = list(CONFIGURATIONS)
    failed = False
    if not arguments.table_only:
        if not arguments.program.exists():
            sys.exit(f"accuracy: {arguments.program} is missing; run scripts/build")
        # longest first would fill several jobs best; the order is that of SECTIONS instead, so that
        # the sections that decide come first
        with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
            runs = [pool.submit(run_one, arguments, section, names[number - 1], n_classes[section])
                    for section in arguments.sections for number in arguments.configs]
            for run in concurrent.futures.as_completed(runs):
                print(run.result(), flush=True)
                failed = failed or "FAILED" in run.result()

    folders = {(section, name): arguments.work / section / short_name(name)
               for section in SECTIONS for name in CONFIGURATIONS}
    text = accuracy_report.write(folders, arguments.shared, ROOT, n_classes, arguments.note)
    arguments.output.write_text(text)
    print(f"accuracy: wrote {arguments.output}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
