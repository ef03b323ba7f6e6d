#!/usr/bin/env python3
"""Starts the program on damaged and altered inputs and stage files, and looks at how it ends.

Each case is made from --seed and its number: a valid input of some kind, or a valid run directory, in which one file
has been changed in its structure (ranks, lengths, types, sizes, links, encodings, members, attributes, chunks), in its
text or in its bytes. A case passes where the program

- ends with 0, and after a change that cannot change the result with the result of the file as it was;
- ends with 2 and one line that names the file, or after other changes a key of the configuration;
- ends by a signal inside libhdf5, which is reported and counted.

Anything else is a fault: another exit code, a crash, more than --seconds of CPU time or four times that in all, more
than 2 GB of memory. With --record, what has been done is left out when the same command is given again.

  tests/fuzz/run --cases 300 --program build/release/stamarker
  tests/fuzz/run --cases 20000 --program build/debug/stamarker --jobs 2 --record build/fuzz.tsv
  tests/fuzz/run --case 1234 --keep /tmp/case           # one case again, whose folder stays
"""

import argparse
import collections
import concurrent.futures
import dataclasses
import multiprocessing
import os
import pathlib
import re
import resource
import shutil
import sys
import tempfile
import time
from random import Random

import h5py
import hdf5_changes
import inputs
import numpy as np
import started
import text_changes

# The file that is changed, in the folder that is copied, and the commands that read it.
STAGE_KINDS = {
    "prepared": ("csr", "run/prepared.h5", ["train", "consensus", "saliency", "svgs"]),
    "models": ("csr", "run/models/model_001.h5", ["train --resume", "cluster", "consensus", "classify", "saliency", "svgs"]),
    "labels": ("halfway", "run/clusters/model_000.h5", ["cluster --resume"]),
    "clusters": ("csr", "run/clusters.h5", ["consensus", "svgs"]),
    "consensus": ("csr", "run/consensus.h5", ["classify", "saliency", "svgs"]),
    "classifiers": ("csr", "run/classifiers/classifier_000.h5", ["saliency", "svgs"]),
    "saliency": ("csr", "run/saliency/tile_0000.h5", ["svgs"]),
    "result": ("csr", "run/result.h5ad", ["compare", "info", "run --resume"]),
}
MOST_BYTES_HERE = 2 * 2**30
NOT_OF_THE_RESULT = ("uns/stamarker/run_times", "uns/stamarker/provenance")
OF_THE_INPUT = re.compile(r"run/prepared\.h5:|run/result\.h5ad:(X/|layers/counts|obs/stamarker/|varm/stamarker_score)")


@dataclasses.dataclass
class Verdict:
    number: int
    kind: str
    change: str
    command: str
    outcome: str
    is_fault: bool
    says: str

    def line(self):
        says = " ".join(self.says.encode("ascii", "backslashreplace").decode().split())
        return "\t".join([str(self.number), self.kind, self.change.split(" ")[0], self.outcome, str(int(self.is_fault)),
                          self.change.encode("unicode_escape").decode(), self.command, says[:1000]])


def contents_of(run, changed=None):
    """Every dataset of the files of a run but `changed`, by file and path; those that differ between equal runs left out."""
    found = {}
    for path in sorted(run.rglob("*.h5*")):
        if path == changed:
            continue
        with h5py.File(path) as file:
            def add(name, node, name_of_file=f"run/{path.relative_to(run)}"):
                if isinstance(node, h5py.Dataset) and not name.startswith(NOT_OF_THE_RESULT):
                    found[f"{name_of_file}:{name}"] = node[()]
            file.visititems(add)
    return found


def are_equal(a, b):
    a, b = np.asarray(a), np.asarray(b)
    if a.shape != b.shape or a.dtype != b.dtype:
        return False
    return a.tolist() == b.tolist() if a.dtype.hasobject else a.tobytes() == b.tobytes()


class Cases:
    def __init__(self, options, folder):
        self.options, self.valid = options, folder
        self.is_sanitized = started.is_sanitized(options.program)
        self.contents = {}

    def start(self, folder, words, expected=None):
        ended = started.start(self.options.program, folder, words, self.options.seconds, not self.is_sanitized)
        if expected is not None and ended.code != expected:
            raise SystemExit(f"fuzz: {' '.join(words)} of a valid input ended with {ended.code}: {ended.error}{ended.out}")
        return ended

    def prepare(self):
        inputs.write_inputs(self.valid)
        inputs.write_runs(self.valid, lambda folder, words, expected=0: self.start(folder, words, expected))

    def valid_contents(self, kind):
        if kind not in self.contents:
            self.contents[kind] = contents_of(self.valid / kind / "run")
        return self.contents[kind]

    def make(self, number, folder):
        """Copies valid files to `folder` and changes one of them."""
        random = Random(f"{self.options.seed}/{number}")
        kind = random.choice([*inputs.KINDS, *STAGE_KINDS])
        if kind in inputs.KINDS:
            source, name = kind, inputs.KINDS[kind][0]
            command = random.choice(["run"] * 5 + ["prepare", "run --dry-run", "info"])
            shutil.copytree(self.valid / source, folder, ignore=shutil.ignore_patterns("run", "std*.txt"))
            files = [path for path in folder.rglob("*") if path.is_file() and path.name != "config.yaml"]
            changed = random.choice(sorted(files))
        else:
            source, name, commands = STAGE_KINDS[kind]
            command = random.choice([*commands, "info"])
            shutil.copytree(self.valid / source, folder)
            changed = folder / name
        words = command.split() + ["config.yaml"]
        if command == "info":
            words = ["info", name]
        elif command == "compare":
            words = ["compare", name, "--truth", "section"]
        elif kind in STAGE_KINDS and "--resume" not in command:
            words += ["--overwrite"]
        if random.random() < 0.35:
            change, is_same = text_changes.flip_bytes(changed, random)
        elif h5py.is_hdf5(changed):
            try:
                change, is_same = hdf5_changes.change(changed, random)
            except (OSError, ValueError):  # HDF5 refuses to write it; what is written so far is changed, too
                change, is_same = "half a change", False
        else:
            change, is_same = text_changes.change(changed, random)
        return kind, source, change, is_same, changed, words

    def run(self, number):
        with tempfile.TemporaryDirectory(prefix="fuzz") as scratch:
            folder = pathlib.Path(self.options.keep or scratch) / str(number)
            kind, source, change, is_same, changed, words = self.make(number, folder)
            ended = self.start(folder, words)
            if ended.is_crash and not self.is_sanitized:
                again = folder.with_name(f"{number} again")
                self.make(number, again)
                ended.stack = started.stack_of_crash(self.options.program, again, words, self.options.seconds)
            outcome, is_fault, says = self.judge(ended, folder, kind, source, is_same, changed)
            return Verdict(number, kind, change, " ".join(words), outcome, is_fault, says)

    def judge(self, ended, folder, kind, source, is_same, changed):
        """Outcome, whether it is a fault, and what was said."""
        last = (ended.error.strip().splitlines() or [""])[-1]
        if ended.is_timeout:
            return "hang", True, " | ".join(started.frames_of(ended.stack)[:8])
        if "rss limit exhausted" in ended.error or ended.bytes > started.MOST_BYTES:
            return "memory", True, f"{ended.bytes >> 20} MB {last}"
        if ended.is_crash:
            stack = ended.stack or ended.error
            says = " | ".join(started.frames_of(stack)[:8]) or ended.error[-500:]
            if started.is_fault_of_hdf5(stack):
                return "crash inside libhdf5", False, says
            return "crash", True, f"{ended.code}: {says}"
        if ended.code == 2:
            return self.judge_refusal(ended, folder, kind, is_same, changed)
        if ended.code == 0:
            return self.judge_result(folder, kind, source, is_same, changed)
        return f"exit {ended.code}", True, ended.error[-600:]

    def judge_refusal(self, ended, folder, kind, is_same, changed):
        lines = [line for line in ended.error.splitlines() if line]
        errors = [line for line in lines if line.startswith("stamarker: error: ")]
        if len(errors) != 1 or lines[-1] != errors[0]:
            return "not one line", True, ended.error
        names = {changed.name}
        if kind in inputs.KINDS:
            names |= {path.name for path in changed.parent.rglob("*")} | {inputs.KINDS[kind][0]}
        if any(name in errors[0] for name in names):
            return "refused", False, errors[0]
        if kind in inputs.KINDS and not is_same and re.search(r"[a-z]\w*(\.\w+)* = ", errors[0]):
            return "refused by a key", False, errors[0]
        return "file not named", True, errors[0]

    def judge_result(self, folder, kind, source, is_same, changed):
        if not is_same:
            return "accepted", False, ""
        # The changed file itself is not read: it may say that it holds more than there is memory.
        mine, valid = contents_of(folder / "run", changed), self.valid_contents(source)
        for name, value in valid.items():
            if kind in inputs.KINDS and not OF_THE_INPUT.match(name):
                continue
            if name in mine and not are_equal(value, mine[name]):
                return "wrong result", True, name
        return "the same result", False, ""


def options_of(arguments):
    parser = argparse.ArgumentParser(prog="tests/fuzz/run", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    root = pathlib.Path(__file__).parents[2]
    parser.add_argument("--program", default=root / "build/release/stamarker", type=lambda path: pathlib.Path(path).resolve())
    parser.add_argument("--cases", type=int, default=300, help="numbers 0 .. CASES - 1, or from --first on")
    parser.add_argument("--first", type=int, default=0, help="number of the first case")
    parser.add_argument("--case", type=int, help="this case alone")
    parser.add_argument("--seed", default="0", help="of all cases")
    parser.add_argument("--jobs", type=int, default=2, help="cases at a time")
    parser.add_argument("--seconds", type=int, default=30, help="most CPU time of a case")
    parser.add_argument("--record", type=pathlib.Path, help="table of the cases done, which are not done again")
    parser.add_argument("--keep", type=pathlib.Path, help="folder in which the cases' files stay")
    return parser.parse_args(arguments)


def numbers_of(options):
    if options.case is not None:
        return [options.case]
    done = set()
    if options.record and options.record.exists():
        done = {int(line.split("\t")[0]) for line in options.record.read_text().splitlines()}
    return [k for k in range(options.first, options.first + options.cases) if k not in done]


def run_case(cases, number):
    """In a process of its own, so that whatever happens there does not end the others."""
    here, there = multiprocessing.Pipe(duplex=False)

    def work():
        hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
        resource.setrlimit(resource.RLIMIT_DATA, (MOST_BYTES_HERE, hard))  # of this script; start() sets the program's own
        try:
            there.send(cases.run(number))
        except Exception as error:
            there.send(error)

    process = multiprocessing.get_context("fork").Process(target=work)
    process.start()
    there.close()
    try:
        found = here.recv()
    except EOFError as error:
        found = error
    process.join()
    if isinstance(found, Verdict):
        return found
    return Verdict(number, "-", "-", "-", "error of the harness", True, f"{process.exitcode} {type(found).__name__} {found}")


def report(verdicts, seconds):
    outcomes = sorted({verdict.outcome for verdict in verdicts})
    kinds = sorted({verdict.kind for verdict in verdicts})
    count = collections.Counter((verdict.kind, verdict.outcome) for verdict in verdicts)
    print(f"{'kind':<12}" + "".join(f"{outcome:>22}" for outcome in outcomes))
    for kind in kinds:
        print(f"{kind:<12}" + "".join(f"{count[kind, outcome]:>22}" for outcome in outcomes))
    total = collections.Counter(verdict.outcome for verdict in verdicts)
    print(f"{'all':<12}" + "".join(f"{total[outcome]:>22}" for outcome in outcomes))
    faults = sum(verdict.is_fault for verdict in verdicts)
    print(f"{len(verdicts)} cases in {seconds:.0f} s, {faults} faults")


def main():
    options = options_of(sys.argv[1:])
    began, verdicts = time.monotonic(), []
    with tempfile.TemporaryDirectory(prefix="fuzz") as folder:
        cases = Cases(options, pathlib.Path(folder))
        cases.prepare()
        with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
            waiting = [pool.submit(run_case, cases, number) for number in numbers_of(options)]
            for future in concurrent.futures.as_completed(waiting):
                verdict = future.result()
                verdicts.append(verdict)
                if options.record:
                    with open(options.record, "a") as record:
                        record.write(verdict.line() + "\n")
                if verdict.is_fault or options.case is not None:
                    print(verdict.line().replace("\t", "  "), flush=True)
    report(verdicts, time.monotonic() - began)
    return any(verdict.is_fault for verdict in verdicts)


if __name__ == "__main__":
    os.umask(0o022)
    sys.exit(main())
