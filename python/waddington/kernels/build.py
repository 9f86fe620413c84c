"""Compiles the C sources once per machine, and keeps the result in the user's cache folder."""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
from pathlib import Path

SOURCES = Path(__file__).with_name("c")
EVERYWHERE = ("-O3", "-std=gnu11", "-fPIC", "-shared", "-fno-math-errno", "-fno-trapping-math")
WISHES = (
    ("-march=native", "-mprefer-vector-width=512", "-fopenmp"),
    ("-march=native", "-fopenmp"),
    ("-mcpu=native", "-fopenmp"),
    ("-fopenmp",),
    ("-march=native", "-fopenmp-simd"),
    ("-mcpu=native", "-fopenmp-simd"),
    (),
)
"""Flags to try, the best first; what comes after `-fopenmp` has one thread."""
SECONDS = 60


class BuildError(RuntimeError):
    """No accelerator can be had; the message says why."""


def library() -> tuple[Path, str, bool]:
    """The compiled library, its compiler, and whether it had to be compiled now.

    Raises:
        BuildError: If there is no compiler, it fails, or there is no safe place for the result.
    """
    compiler, folder = _compiler(), _folder()
    path = folder / f"kernels-{_fingerprint(compiler)}.so"
    fresh = not path.is_file()
    if fresh:
        _compile(compiler, path)
    return path, compiler, fresh


def _compiler() -> str:
    named = os.environ.get("CC", "").split()
    for name in [*named[:1], "cc", "gcc", "clang"]:
        if found := shutil.which(name):
            return found
    raise BuildError("no C compiler was found (cc, gcc, clang, or the one that CC names)")


def _folder() -> Path:
    """A folder that nobody else can write to, or the code in it would be anybody's."""
    folder = Path("~/.cache/waddington")
    try:
        base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        folder = Path(base) / "waddington"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        owner = folder.stat()
    except (OSError, RuntimeError) as error:
        raise BuildError(f"the cache folder {folder} can't be made: {error}") from None
    if hasattr(os, "getuid") and (owner.st_uid != os.getuid() or owner.st_mode & 0o022):
        raise BuildError(f"the cache folder {folder} belongs to, or can be written by, others")
    if not os.access(folder, os.W_OK):
        raise BuildError(f"the cache folder {folder} can't be written")
    return folder


def _fingerprint(compiler: str) -> str:
    """Of the sources, the compiler and the processor."""
    real = Path(compiler).resolve()
    told = real.stat()
    digest = hashlib.sha256(f"{real} {told.st_size} {told.st_mtime_ns} {processor()}".encode())
    digest.update(repr((EVERYWHERE, WISHES)).encode())
    for source in sorted(SOURCES.iterdir()):
        digest.update(source.read_bytes())
    return digest.hexdigest()[:20]


def processor() -> str:
    """Machine, vendor and instruction sets."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return f"{platform.machine()} {platform.processor()}"
    told = ("flags", "features", "model name", "vendor_id")
    first = {line.split(":")[0].strip().lower(): line for line in reversed(lines)}
    return " ".join([platform.machine(), *(first.get(k, "") for k in told)])


def _compile(compiler: str, path: Path) -> None:
    """Compile beside `path` and rename, so that nobody ever sees half a library."""
    sources = sorted(str(s) for s in SOURCES.glob("*.c"))
    handle, name = tempfile.mkstemp(suffix=".so", prefix="building-", dir=path.parent)
    os.close(handle)
    said = ""
    try:
        for wish in WISHES:
            said = _run([compiler, *EVERYWHERE, *wish, *sources, "-o", name, "-lm"])
            if not said:
                os.chmod(name, 0o700)
                os.replace(name, path)
                return
    finally:
        Path(name).unlink(missing_ok=True)
    raise BuildError(f"{compiler} could not compile the kernels: {said[-300:]}")


def _run(command: list[str]) -> str:
    """What went wrong, empty if nothing."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return "" if done.returncode == 0 else done.stderr.strip() or f"exit code {done.returncode}"
