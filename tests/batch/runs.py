"""What the tests of batch life share: a small section, its reference result, and what a run may leave."""
import hashlib
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import h5py
import numpy as np

# ctest says which; by hand it is the build of the checkout.
PROGRAM = os.environ.get("STM_PROGRAM", str(pathlib.Path(__file__).resolve().parents[2] / "build/release/stamarker"))
MPIRUN = os.environ.get("STM_MPIRUN", "mpirun --quiet --oversubscribe --bind-to none"
                        + (" --allow-run-as-root" if os.geteuid() == 0 else "")).split()
INTERRUPTED = 75  # the program's exit code: --resume goes on
LONGEST_S = 240   # of any one command

CONFIG = """\
input: {path: section.h5ad}
output: run
domains: 3
models: 4
prepare: {min_cells: 5, n_top_genes: 100}
autoencoder: {hidden_dims: [32, 8], epochs: EPOCHS}
clustering: {n_init: 2}
classifier: {epochs: 150}
compute: {threads: 1}
saliency: {write: true}
"""

# Waiting threads and ranks give their core away: tests share a machine.
ENVIRONMENT = {**os.environ, "OMP_WAIT_POLICY": "passive", "OMPI_MCA_mpi_yield_when_idle": "1"}


def skip(reason: str) -> None:
    print(f"SKIPPED: {reason}", flush=True)
    sys.exit(77)


def enter_own_namespaces(test: str, needed: tuple, packages: str, purpose: str, *more: str) -> None:
    """Goes on in namespaces of network, mounts and processes (and `more`, options of unshare) that belong to
    this test alone; whatever it starts ends with them. Skips where that cannot be."""
    missing = [name for name in (*needed, "unshare", "ip") if not shutil.which(name)]
    if os.geteuid() != 0:
        skip(f"{test}: needs root, {purpose}")
    if missing:
        skip(f"{test}: no {', '.join(missing)}; apt-get install {packages} iproute2 util-linux")
    if os.environ.get("STM_OWN_NAMESPACES") == "yes":
        return
    os.environ["STM_OWN_NAMESPACES"] = "yes"
    spaces = ["unshare", "--net", *more, "--mount", "--pid", "--fork", "--mount-proc", "--kill-child"]
    if subprocess.run([*spaces, "true"], capture_output=True).returncode != 0:
        skip(f"{test}: this machine allows no namespaces")
    os.execvp("unshare", [*spaces, sys.executable, *sys.argv])  # killed with it: --kill-child


def expect(holds: bool, what: str) -> None:
    if not holds:
        raise AssertionError(what)


class Section:
    """A folder with a simulated section of 300 spots and run.yaml; deleted at the end."""

    def __init__(self, epochs: int = 800):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="stamarker_batch_"))
        subprocess.run([PROGRAM, "simulate", "section.h5ad", "--n-spots", "300", "--n-genes", "150",
                        "--n-domains", "3", "--svgs-per-domain", "20", "--n-gradient-genes", "20",
                        "--seed", "3"], cwd=self.folder, check=True, stdout=subprocess.DEVNULL)
        (self.folder / "run.yaml").write_text(CONFIG.replace("EPOCHS", str(epochs)))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.folder, ignore_errors=True)

    def command(self, output, n_ranks=0, flags=(), settings=(), mpirun=None):
        """The command line of a run; n_ranks 0: without mpirun."""
        words = [*(mpirun or MPIRUN), "-n", str(n_ranks)] if n_ranks else []
        words += [PROGRAM, "run", "run.yaml", "--set", f"output={output}"]
        for setting in settings:
            words += ["--set", setting]
        return [*words, *flags]

    def start(self, *arguments, **options) -> "Running":
        return Running(self.folder, self.command(*arguments, **options))

    def run(self, *arguments, **options) -> "Running":
        running = self.start(*arguments, **options)
        running.finish()
        return running


class Running:
    """A command that was started; its output goes to files in `folder`."""
    count = 0

    def __init__(self, folder, words):
        Running.count += 1
        self.out_file, self.error_file = (folder / f"{name}_{Running.count}.txt" for name in ("out", "error"))
        with open(self.out_file, "wb") as out, open(self.error_file, "wb") as error:
            self.process = subprocess.Popen(words, cwd=folder, stdin=subprocess.DEVNULL, stdout=out,
                                            stderr=error, env=ENVIRONMENT)
        self.begin = time.monotonic()

    def wait_until_begun(self) -> None:
        """Until its first words: before them only MPI is there, whose launcher may hang over a dead rank."""
        while "profile " not in self.out and self.process.poll() is None:
            time.sleep(0.01)
        self.begun_after = time.monotonic() - self.begin

    def finish(self) -> int:
        try:
            self.process.wait(LONGEST_S)
        except subprocess.TimeoutExpired:
            for rank in self.ranks():
                send(rank, signal.SIGKILL)
            self.process.kill()
            raise AssertionError(f"no end after {LONGEST_S} s: {self.out}{self.error}") from None
        self.seconds = time.monotonic() - self.begin
        return self.code

    @property
    def code(self) -> int:
        """As a shell tells it: 128 + signal for a killed process."""
        code = self.process.returncode
        return 128 - code if code < 0 else code

    @property
    def out(self) -> str:
        return self.out_file.read_text()

    @property
    def error(self) -> str:
        return self.error_file.read_text()

    def ranks(self) -> list[int]:
        """The processes of the program: this one, or mpirun's children."""
        return [pid for pid in (self.process.pid, *children(self.process.pid)) if is_program(pid)]


def children(pid: int) -> list[int]:
    found = []
    for task in pathlib.Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            found += [int(word) for word in task.read_text().split()]
        except OSError:  # it has ended
            pass
    return sorted(found)


def is_program(pid: int) -> bool:
    try:
        return os.path.samefile(f"/proc/{pid}/exe", PROGRAM)
    except OSError:
        return False


def send(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


def contents(path) -> dict:
    """Every dataset and attribute of an HDF5 file, all of it read, by path; of numbers only their checksum."""
    found = {}

    def add(name, item):
        for key, value in item.attrs.items():
            found[f"{name}@{key}"] = np.asarray(value).tolist()
        if isinstance(item, h5py.Dataset):
            values = item[()]
            plain = not isinstance(values, np.ndarray) or values.dtype.hasobject
            found[name] = (str(item.dtype), item.shape,
                           np.asarray(values).tolist() if plain else hashlib.sha256(values.data).hexdigest())

    with h5py.File(path, "r") as file:
        add("/", file)
        file.visititems(add)
    return found


def comparable(path) -> dict:
    """The contents of a result but for run times and provenance, in which equal runs may differ."""
    return {name: value for name, value in contents(path).items()
            if not name.startswith(("uns/stamarker/run_times", "uns/stamarker/provenance"))}


def expect_same_result(expected: pathlib.Path, found: pathlib.Path, but_for: tuple = ()) -> None:
    """Two run directories hold the same bits, but for the datasets named."""
    one, other = comparable(expected / "result.h5ad"), comparable(found / "result.h5ad")
    expect(len(one) > 100, f"only {len(one)} items in {expected}")
    expect(one.keys() == other.keys(), f"items of one result only: {one.keys() ^ other.keys()}")
    different = [name for name in one if name not in but_for and repr(one[name]) != repr(other[name])]
    expect(not different, f"{found} differs from {expected} in {different}")
    expect((expected / "svgs.tsv").read_bytes() == (found / "svgs.tsv").read_bytes(), "svgs.tsv differs")


def check_files(run: pathlib.Path, may_leave_partial: bool) -> list[str]:
    """Reads all that a run left; returns the names. A killed one may leave `.partial` and run.lock."""
    names = sorted(str(path.relative_to(run)) for path in run.rglob("*") if path.is_file())
    for name in names:
        path = run / name
        if name.endswith(".partial"):
            expect(may_leave_partial, f"{name} was left behind")
        elif path.suffix in (".h5", ".h5ad"):
            try:
                found = contents(path)
            except Exception as error:  # whatever h5py says, the file is the finding
                raise AssertionError(f"{name} cannot be read: {error}") from error
            expect(len(found) > 1, f"{name} is empty")
        elif name == "svgs.tsv":
            lines = path.read_text().splitlines(keepends=True)
            expect(all(line.count("\t") == 6 and line.endswith("\n") for line in lines), "svgs.tsv is cut short")
        elif name == "config.resolved.yaml":
            text = path.read_text()
            expect("embeddings:" in text and text.endswith("\n"), f"{name} is cut short")
        else:
            expect(name == "run.log" or (name == "run.lock" and may_leave_partial),
                   f"{name} does not belong in a run directory")
    return names
