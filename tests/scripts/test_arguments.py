"""Every script says how it is used when asked (--help, exit code 0) or called wrongly (exit code 2), and starts nothing."""
import concurrent.futures
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
RUNNER = pathlib.Path(__file__).with_name("without_packages.py")
WORKERS = ("apt-get", "cmake", "ninja", "mpirun", "srun", "ctest", "clang-format", "clang-tidy", "make", "dpkg", "git", "curl",
           "unshare", "pip", "pip3", "tar", "ldd")  # what a script would start


def scripts():
    """Programs of the repository in any language; those of scripts/slurm are jobs, which sbatch starts."""
    for folder in (".ci", "scripts", "tests", "bench", "findings"):
        for path in sorted((ROOT / folder).rglob("*")):
            if path.is_file() and path.suffix in ("", ".py", ".sh") and "slurm" != path.parent.name and path != RUNNER:
                text = path.read_text()
                if text.startswith("#!") or re.search(r"^if __name__ == ", text, re.MULTILINE):
                    yield path


def command(script):
    first = script.read_text().partition("\n")[0]
    if script.suffix == ".py" or "python" in first:
        return [sys.executable, str(RUNNER), str(script)]
    return [str(script)]


class Arguments(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.started = self.folder / "started"
        for name in WORKERS:
            worker = self.folder / "bin" / name
            worker.parent.mkdir(exist_ok=True)
            worker.write_text(f'#!/bin/sh\necho "{name} $*" >> {self.started}\nexit 97\n')
            worker.chmod(0o755)
        self.environment = os.environ | {"PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}"}

    def call(self, script, argument):
        return subprocess.run([*command(script), argument], env=self.environment, cwd=self.folder, capture_output=True,
                              text=True, timeout=60)

    def expect(self, argument, code):
        found = list(scripts())
        self.assertGreater(len(found), 30)
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            for script, done in zip(found, pool.map(lambda script: self.call(script, argument), found)):
                with self.subTest(script=str(script.relative_to(ROOT))):
                    self.assertEqual(done.returncode, code, done.stdout + done.stderr)
                    text = done.stdout if code == 0 else done.stderr
                    self.assertIn(script.stem if script.suffix == ".sh" else script.name.removesuffix(".py"), text)
        self.assertEqual(self.started.read_text() if self.started.exists() else "", "")
        self.assertEqual(sorted(path.name for path in self.folder.iterdir()), ["bin"])

    def test_help_is_answered(self):
        self.expect("--help", 0)

    def test_an_unknown_argument_is_refused(self):
        self.expect("--nonsense", 2)


class Packages(unittest.TestCase):
    def test_only_one_script_installs_packages(self):
        """Of the system by install-dependencies, of Python by the two make-venv in folders of their own."""
        installs = {re.compile(r"^[^#\"']*\bapt-get (update|install)", re.MULTILINE): {"scripts/install-dependencies"},
                    re.compile(r"^[^#']*\bpip install", re.MULTILINE): {"scripts/make-venv", "bench/peers/make-venv"}}
        for pattern, allowed in installs.items():
            found = {str(path.relative_to(ROOT)) for path in scripts() if ROOT / "findings" not in path.parents
                     and path != pathlib.Path(__file__) and pattern.search(path.read_text())}
            self.assertEqual(found, allowed)


class Benchmarks(unittest.TestCase):
    def test_benchmarks_build_in_a_folder_without_tests(self):
        """scripts/bench on what scripts/build leaves, with a cmake that configures elsewhere and looks targets up."""
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            cmake, build = folder / "cmake", folder / "build"
            cmake.write_text(f"""#!/bin/bash
if [[ $1 == --build ]]; then
  shift 4
  for target in "$@"; do ninja -C {build} -t query "$target" || exit 3; done > {folder}/query 2>&1
  exit 97
fi
exec {shutil.which("cmake")} -S {ROOT} -B {build} -G Ninja "${{@:3}}"
""")
            cmake.chmod(0o755)
            subprocess.run([cmake, "--preset", "release", "-DBUILD_TESTING=OFF"], check=True, capture_output=True)
            done = subprocess.run([ROOT / "scripts/bench", "operations"], capture_output=True, text=True,
                                  env=os.environ | {"PATH": f"{folder}:{os.environ['PATH']}"})
            self.assertEqual(done.returncode, 97, done.stderr + (folder / "query").read_text())
            self.assertIn("BUILD_TESTING:BOOL=OFF", (build / "CMakeCache.txt").read_text())


if __name__ == "__main__":
    unittest.main()
