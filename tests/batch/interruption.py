"""Interrupts runs at random moments in every way there is, resumes them, and compares the bits.

    interruption.py [--moments N] [--seed S]

Each moment takes the next kind of interruption in turn and a random time of the run; the run is resumed
on a random number of ranks (where ranks share six tiles, on 1, 2 or 3), is perhaps interrupted once more,
and must end with the result of a run that nobody interrupted. At every stop all files of the run directory
are read.
"""
import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import time

from runs import INTERRUPTED, Section, check_files, expect, expect_same_result, send

# Models side by side, and tiles shared by all ranks: each with a reference of its own.
BY_MODELS = {"name": "models", "settings": lambda _: (), "ranks": (0, 1, 2, 3)}
BY_TILES = {"name": "tiles", "ranks": (1, 3, 2),
            "settings": lambda n_ranks: ("compute.tiles=6", f"compute.tile_groups={n_ranks}", "models=2",
                                         "autoencoder.epochs=30")}

KINDS = ("SIGTERM to the ranks", "SIGUSR1 to mpirun", "SIGKILL to one rank", "full disk",
         "SIGTERM twice to the ranks", "SIGTERM to mpirun", "SIGUSR1 to the ranks", "SIGKILL to all")


class Moments:
    def __init__(self, section, chance):
        self.section, self.chance = section, chance
        self.seconds = {}  # of an uninterrupted run, by the way of working

    def reference(self, way):
        """What every interrupted run of this way must end with."""
        n_ranks = way["ranks"][-1]
        run = self.section.start(f"whole_{way['name']}", n_ranks, settings=way["settings"](n_ranks))
        run.wait_until_begun()
        run.finish()
        expect(run.code == 0, f"the reference run failed: {run.error}")
        self.seconds[way["name"]] = run.seconds - run.begun_after
        print(f"{way['name']}: {run.seconds:.2f} s, {run.begun_after:.2f} s of them before its first words", flush=True)

    def interrupt(self, kind, way, output, flags):
        """Starts the run and stops it; says how it ended, or None when it was done before."""
        n_ranks = self.chance.choice(way["ranks"])
        if "mpirun" in kind:
            n_ranks = max(n_ranks, 1)
        run = self.section.start(output, n_ranks, flags=flags, settings=way["settings"](n_ranks))
        run.wait_until_begun()
        time.sleep(self.chance.uniform(0.0, 0.9) * self.seconds[way["name"]])
        targets = [run.process.pid] if "mpirun" in kind else run.ranks()
        if kind == "SIGKILL to one rank":
            targets = self.chance.sample(targets, min(1, len(targets)))
        number = getattr(signal, kind.split()[0])
        for _ in range(2 if "twice" in kind else 1):
            for pid in targets:
                send(pid, number)
            time.sleep(0.01)
        run.finish()
        print(f"    {kind} after {run.seconds:.2f} s on {n_ranks or 'no'} ranks of mpirun: exit code {run.code}",
              flush=True)
        if run.code == 0:
            if not flags:  # the machine is less busy than when the reference ran
                self.seconds[way["name"]] = run.seconds - run.begun_after
            return None
        self.check_exit(kind, n_ranks, run)
        return run

    def check_exit(self, kind, n_ranks, run):
        """75 where the program could answer; mpirun says 1 for a SIGTERM of its own."""
        if "KILL" in kind:
            expect(run.code == 137, f"exit code {run.code}: {run.out}{run.error}")
        elif kind == "SIGTERM to mpirun":
            expect(run.code in (1, INTERRUPTED, 143), f"exit code {run.code}: {run.out}{run.error}")
        else:
            expect(run.code == INTERRUPTED, f"exit code {run.code} on {n_ranks} ranks: {run.out}{run.error}")
            expect("--resume goes on" in run.out, f"no word of --resume: {run.out}")

    def one(self, kind, way, output):
        """One moment. True when the first run was interrupted before its end."""
        folder = self.section.folder / output
        was_interrupted = False
        if kind == "full disk":
            was_interrupted = self.fill_disk(way, output)
        else:
            for flags in ((), ("--resume",)) if self.chance.random() < 0.4 else ((),):
                was_interrupted |= self.interrupt(kind, way, output, flags) is not None
                may_leave_partial = "KILL" in kind or "mpirun" in kind
                names = check_files(folder, may_leave_partial) if folder.exists() else []
                print(f"      {len(names)} files, all readable", flush=True)
        if (folder / "models").exists():  # what a writer killed at the worst moment leaves
            (folder / "models" / "model_000.h5.partial").write_bytes(b"\x89HDF")
        n_ranks = self.chance.choice(way["ranks"])
        resumed = self.section.run(output, n_ranks, flags=("--resume",), settings=way["settings"](n_ranks))
        expect(resumed.code == 0, f"not resumed: exit code {resumed.code}: {resumed.out}{resumed.error}")
        check_files(folder, may_leave_partial=False)
        expect_same_result(self.section.folder / f"whole_{way['name']}", folder)
        print(f"    resumed on {n_ranks or 'no'} ranks of mpirun in {resumed.seconds:.2f} s: the same bits", flush=True)
        if kind == "full disk":
            subprocess.run(["umount", folder.parent], check=True)
        shutil.rmtree(folder, ignore_errors=True)
        return was_interrupted

    def fill_disk(self, way, output):
        """A run on a disk that has too little space by a random number of bytes; then the disk grows."""
        disk = self.section.folder / output.partition("/")[0]
        whole = self.section.folder / f"whole_{way['name']}"
        needed = sum(path.stat().st_size for path in whole.rglob("*") if path.is_file())
        size = int(self.chance.uniform(0.02, 0.98) * needed)
        disk.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "none", disk], check=True)
        n_ranks = self.chance.choice(way["ranks"])
        run = self.section.run(output, n_ranks, settings=way["settings"](n_ranks))
        print(f"    full disk of {size} bytes, {needed} needed: exit code {run.code}, {run.error.strip()}", flush=True)
        expect(run.code == 2, f"exit code {run.code}: {run.out}{run.error}")
        expect(run.error.startswith("stamarker: error: no space left writing ") and run.error.count("\n") == 1,
               f"not one line on the full disk: {run.error}")
        if (disk / "run").exists():
            check_files(disk / "run", may_leave_partial=False)
        subprocess.run(["mount", "-o", f"remount,size={10 * needed}", disk], check=True)
        return True


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--moments", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    may_mount = os.environ.get("STM_OWN_MOUNTS") == "yes"
    if os.geteuid() == 0 and not may_mount and shutil.which("unshare"):
        # Mounts of this test are nobody else's, and end with it.
        os.environ["STM_OWN_MOUNTS"] = "yes"
        os.execvp("unshare", ["unshare", "--mount", sys.executable, *sys.argv])
    kinds = [kind for kind in KINDS if may_mount or kind != "full disk"]
    if not may_mount:
        print("SKIPPED full disk: needs root and unshare")

    chance = random.Random(arguments.seed)
    n_interrupted = 0
    with Section() as section:
        moments = Moments(section, chance)
        for way in (BY_MODELS, BY_TILES):
            moments.reference(way)
        for attempt in range(3 * arguments.moments):
            if n_interrupted == arguments.moments:
                break
            k = n_interrupted  # a run that ended before its moment is tried again
            kind, way = kinds[k % len(kinds)], (BY_MODELS, BY_TILES)[(k + k // len(kinds)) % 2]
            print(f"moment {k}: {kind}, by {way['name']}", flush=True)
            n_interrupted += moments.one(kind, way, 
                                         f"disk_{k}/run" if kind == "full disk" else f"run_{attempt}")
    expect(n_interrupted == arguments.moments, f"only {n_interrupted} runs were interrupted before their end")
    print(f"{n_interrupted} runs were interrupted before their end; all ended with the same bits")


if __name__ == "__main__":
    main()
