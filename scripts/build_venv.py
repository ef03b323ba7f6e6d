"""The Python of scripts/make-venv, for scripts that need packages."""
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
VENV = ROOT / "build/venv"


def enter() -> None:
    """Starts this program anew in build/venv, made when it is missing. Call it once the arguments are known to be right."""
    if VENV.exists() and os.path.samefile(sys.prefix, VENV):
        return
    subprocess.run([ROOT / "scripts/make-venv"], check=True)
    python = str(VENV / "bin/python")
    os.execv(python, [python, *sys.argv])
