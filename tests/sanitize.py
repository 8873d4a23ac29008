"""The compiled module under sanitizers: `python tests/sanitize.py address,undefined thread`.

Each is built in build/sanitize, beside links to the rest of the package, and runs the tests of the
compiled module. Leaks of the interpreter are its own, so the tests count ours. The thread sanitizer
knows the interpreter's lock by what that calls in libpthread, and looks at our code alone.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
OPTIONS = {
    "ASAN_OPTIONS": "detect_leaks=0:detect_stack_use_after_return=1",
    "UBSAN_OPTIONS": "print_stacktrace=1",
    "TSAN_OPTIONS": "ignore_noninstrumented_modules=1 halt_on_error=1 exitcode=66",
    "PYTHONMALLOC": "malloc",
    "PYTHONDONTWRITEBYTECODE": "1",
}
RUNTIMES = {"address,undefined": "libasan.so", "thread": "libtsan.so"}
LOADED = "import assay._native as n; assert 'sanitize' in n.__file__, n.__file__"


def build(sanitizers: str, folder: Path, environment: dict[str, str]) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    command = f"setup.py -q build_ext --build-lib {folder} --build-temp {folder}/objects"
    subprocess.run([sys.executable, *command.split()], cwd=ROOT, env=environment, check=True)
    for file in (ROOT / "src" / "assay").iterdir():
        if not file.name.startswith(("_native.cpython", "__pycache__")):
            (folder / "assay" / file.name).symlink_to(file)


def run(sanitizers: str) -> int:
    folder = ROOT / "build" / "sanitize" / sanitizers.replace(",", "-")
    environment = os.environ | OPTIONS
    environment |= {"ASSAY_SANITIZE": sanitizers, "ASSAY_REQUIRE_NATIVE": "1"}
    build(sanitizers, folder, environment)
    names = (RUNTIMES[sanitizers], "libstdc++.so.6")  # the second first needed by the first
    found = [
        subprocess.check_output([os.environ.get("CXX", "g++"), f"-print-file-name={n}"], text=True)
        for n in names
    ]
    environment |= {"LD_PRELOAD": " ".join(map(str.strip, found)), "PYTHONPATH": str(folder)}
    subprocess.run([sys.executable, "-c", LOADED], cwd=ROOT, env=environment, check=True)
    tests = [str(path) for path in sorted((ROOT / "tests").glob("test_native*.py"))]
    tests += [str(ROOT / "tests" / name) for name in ("test_ops_probe.py", "test_ops_scopes.py")]
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "--capture=sys",
        "-p",
        "no:cacheprovider",
        "-k",
        "not torch",
    ]
    print(f"{sanitizers}: {RUNTIMES[sanitizers]}", flush=True)
    return subprocess.run([*command, *tests], cwd=ROOT, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(max(map(run, sys.argv[1:])))
