"""Starts the program, shows its log, turns its exit codes into exceptions."""

import collections
import operator
import os
import pathlib
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile

import anndata

from ._input import Input
from ._options import as_yaml, holds, merged, nested, section

INPUT_REFUSED = 2  # exit codes of the program, docs/parallel.md
INTERRUPTED = 75
RESULT_LINES = ("result ", "SVGs ")  # the log's last lines, which name files


class Interrupted(RuntimeError):
    """The run was asked to end and has saved what it had; `resume=True` goes on from there."""


def run(data, domains, *, output=None, ranks=1, launcher=None, options=None, resume=False,
        overwrite=False, show=print):
    """Runs the whole method and returns its result, spots x selected genes.

    data       AnnData with raw counts in X, or the path of a file or folder that the program reads. Of an AnnData,
               which stays as it is, only counts, coordinates, sections and names are sent: `annotate` adds the
               findings to it
    domains    number of spatial domains to find
    output     run directory, kept, and next to it OUTPUT.input.h5ad if data is an AnnData; without it everything but
               the returned result is temporary
    ranks      MPI ranks, started by `mpirun`, in a container also as root; one of them trains a share of the models
    launcher   what starts the ranks instead, for example "srun -n 8"; `ranks` is then not used
    options    keys of `stamarker config`, for example {"models": 10, "input.layer": "counts"}; sections may be
               dictionaries; None is a key's default
    resume     go on with the unfinished run in `output`, of the same data
    overwrite  replace what `output` holds
    show       is called with each line of the log; None for silence

    Raises ValueError with the program's own line when data or options will not do, TypeError for data of another
    type, Interrupted when the run was ended from outside, RuntimeError for any other failure, FileNotFoundError
    without the program or without the data. An interrupt from the keyboard, and the end of this process, let the ranks
    save first.
    """
    if resume and output is None:
        raise ValueError("resume=True needs the output of the run to go on with")
    if launcher is None and operator.index(ranks) < 1:
        raise ValueError(f"ranks = {ranks} (must be at least 1)")
    settings = nested(options or {})
    for key, argument in (("input.path", "data"), ("output", "output"), ("domains", "domains")):
        if holds(settings, key):
            raise ValueError(f"options name {key}, which is the argument `{argument}`")
    command = [*_launch(ranks, launcher), _program(), "run"]
    with tempfile.TemporaryDirectory(prefix="stamarker-", ignore_cleanup_errors=True) as scratch:
        scratch = pathlib.Path(scratch)
        where = scratch / "run" if output is None else _directory(output)
        sent = Input(data, section(settings, "input"), where, overwrite)
        settings = merged(settings, nested({"domains": domains}))
        config = scratch / "config.yaml"
        config.write_text(as_yaml(settings), "utf-8")
        # Paths are bytes, which YAML does not take: settings do.
        command += [str(config), "--set", f"input.path={sent.path}", "--set", f"output={where}",
                    *["--resume"] * resume, *["--overwrite"] * overwrite]

        def show_named(line):
            if show is not None and not (output is None and line.startswith(RESULT_LINES)):
                show(sent.named(line))

        try:
            _call(command, show_named)
        except Interrupted:
            if output is not None:
                raise
            raise Interrupted("the run was interrupted and kept nothing; with an output, resume=True goes on") from None
        except (RuntimeError, ValueError) as failure:
            raise type(failure)(sent.named(str(failure))) from None
        result = anndata.read_h5ad(where / "result.h5ad")
    if output is None:
        _forget(result.uns["stamarker"], scratch)
    return result


def _directory(output):
    """The run directory by an absolute path, so that it has a name; links stay as they are."""
    where = pathlib.Path(os.path.abspath(output))
    if not os.fspath(output) or not where.name:
        raise ValueError(f"output = {os.fspath(output)!r} (name a folder for the run)")
    return where


def _forget(run, scratch):
    """Takes the paths of a temporary run out of `uns/stamarker`: what they name is deleted."""
    run["provenance"]["output"] = ""
    run["config"] = re.sub(f'"{re.escape(str(scratch))}[^"]*"', '""', str(run["config"]))


def _program():
    found = os.environ.get("STAMARKER") or shutil.which("stamarker")
    if found is None or not pathlib.Path(found).is_file():
        raise FileNotFoundError(f"no program {found or 'stamarker in the PATH'}; build it (scripts/build) and set "
                                "the environment variable STAMARKER to its path")
    return found


def _launch(ranks, launcher):
    if launcher is not None:
        return shlex.split(launcher) if isinstance(launcher, str) else list(launcher)
    return [] if ranks == 1 else ["mpirun", "-n", str(ranks)]


def _environment():
    """Ours. Root in a container needs no leave of Open MPI: its mpirun would refuse with a page of text."""
    if os.geteuid() != 0:
        return dict(os.environ)
    return {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"} | os.environ


def _start(command):
    """The ranks as a process whose output, both streams, is a pipe; closing its standard input asks it to save and end.

    So does the end of our process, however it comes: else the ranks would go on unseen and hold the run directory.
    It has a session to itself: an interrupt from the keyboard reaches the ranks through us alone.
    """
    if shutil.which(command[0]) is None:
        raise FileNotFoundError(f"no program {command[0]} to start the ranks with")
    watched = [sys.executable, "-I", "-S", str(pathlib.Path(__file__).with_name("_watch.py")), *command]
    return subprocess.Popen(watched, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                            encoding="utf-8", errors="backslashreplace", env=_environment(), start_new_session=True)


def _call(command, show):
    process = _start(command)
    last = collections.deque(maxlen=20)

    def follow(with_line):
        for line in process.stdout:
            line = line.rstrip("\n")
            last.append(line)
            with_line(line)
        return process.wait()

    try:
        code = follow(show)
    except BaseException:
        process.stdin.close()
        try:
            follow(lambda line: None)
        except BaseException:  # a second interrupt: whoever sent it does not want to wait
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise
        raise
    if code == 0:
        return
    errors = [line for line in last if line.startswith("stamarker: error:")]
    if code == INPUT_REFUSED and errors:
        message = errors[0].removeprefix("stamarker: error:").strip()
        raise ValueError(message.replace("--resume", "resume=True").replace("--overwrite", "overwrite=True"))
    if code == INTERRUPTED:
        raise Interrupted("the run was interrupted and has saved what it had; resume=True goes on")
    raise RuntimeError(f"{' '.join(command)} ended with {code}:\n" + "\n".join(last))
