"""Starts the program, shows its log, turns its exit codes into exceptions."""

import collections
import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile

import anndata

INPUT_REFUSED = 2  # exit codes of the program, docs/parallel.md
INTERRUPTED = 75


class Interrupted(RuntimeError):
    """The run was asked to end and has saved what it had; `resume=True` goes on from there."""


def run(data, domains, *, output=None, ranks=1, launcher=None, options=None, resume=False,
        overwrite=False, show=print):
    """Runs the whole method and returns its result, spots x selected genes.

    data       AnnData with raw counts in X, or the path of a file or folder that the program reads
    domains    number of spatial domains to find
    output     run directory, kept, and beside it OUTPUT.input.h5ad if data is an AnnData; without it all is
               temporary but the result that is returned
    ranks      MPI ranks, started by `mpirun`; one of them trains a share of the models
    launcher   what starts the ranks instead, for example ["srun", "-n", "8"]; `ranks` is then not used
    options    keys of `stamarker config`, for example {"models": 10, "input.layer": "counts"}
    resume     go on with the unfinished run in `output`; an AnnData is then that of OUTPUT.input.h5ad
    overwrite  replace what `output` holds
    show       is called with each line of the log; None for silence

    Raises ValueError with the program's own line when data or options will not do, Interrupted when
    the run was ended from outside, RuntimeError for any other failure, FileNotFoundError without a
    program. An interrupt from the keyboard lets the ranks save first.
    """
    if resume and output is None:
        raise ValueError("resume=True needs the output of the run to go on with")
    command = [*_launch(ranks, launcher), _program(), "run"]
    with tempfile.TemporaryDirectory(prefix="stamarker-") as scratch:
        scratch = pathlib.Path(scratch)
        where = scratch / "run" if output is None else pathlib.Path(output)
        config = scratch / "config.yaml"
        settings = dict(options or {})
        settings |= {"input.path": str(_as_file(data, where, resume)), "output": str(where), "domains": domains}
        config.write_text(json.dumps(_nested(settings)))  # JSON is YAML
        command += [str(config), *["--resume"] * resume, *["--overwrite"] * overwrite]
        _call(command, show or (lambda line: None))
        return anndata.read_h5ad(where / "result.h5ad")


def _program():
    found = os.environ.get("STAMARKER") or shutil.which("stamarker")
    if found is None or not pathlib.Path(found).is_file():
        raise FileNotFoundError(f"no program {found or 'stamarker in the PATH'}; build it (scripts/build) and set "
                                "the environment variable STAMARKER to its path")
    return found


def _launch(ranks, launcher):
    if launcher is not None:
        return list(launcher)
    return [] if ranks == 1 else ["mpirun", "-n", str(ranks)]


def _as_file(data, where, resume):
    if not isinstance(data, anndata.AnnData):
        return pathlib.Path(data)
    path = where.with_name(where.name + ".input.h5ad")
    if not (resume and path.exists()):
        path.parent.mkdir(parents=True, exist_ok=True)
        data.write_h5ad(path)
    return path


def _nested(settings):
    """{"a.b": 1} as {"a": {"b": 1}}."""
    tree = {}
    for key, value in settings.items():
        *sections, name = key.split(".")
        place = tree
        for section in sections:
            place = place.setdefault(section, {})
        place[name] = value
    return tree


def _call(command, show):
    # A session of its own: an interrupt from the keyboard reaches the ranks through us alone.
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                               start_new_session=True)
    last = collections.deque(maxlen=20)

    def follow():
        for line in process.stdout:
            line = line.rstrip("\n")
            last.append(line)
            show(line)
        return process.wait()

    try:
        code = follow()
    except BaseException:
        process.send_signal(signal.SIGUSR1)  # mpirun and srun pass this one on
        follow()
        raise
    if code == 0:
        return
    errors = [line for line in last if line.startswith("stamarker: error:")]
    if code == INPUT_REFUSED and errors:
        raise ValueError(errors[0].removeprefix("stamarker: error:").strip())
    if code == INTERRUPTED:
        raise Interrupted("the run was interrupted and has saved what it had; resume=True goes on")
    raise RuntimeError(f"{' '.join(command)} ended with {code}:\n" + "\n".join(last))
