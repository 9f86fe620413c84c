"""What OpenMP's waiting costs: seconds of 20 epochs at one and two threads, idle and beside a load.

    python tests/benchmarks/threads.py

One line for each setting of GOMP_SPINCOUNT (the package's own, and the library's), number of
threads, and load (busy processes, as many as there are cores).
"""

import os
import subprocess
import sys
from multiprocessing import Process
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2] / "python"
RUN = """
import sys, time
sys.path.insert(0, sys.argv[1])
import waddington as wd
adata, recipe = wd.datasets.kang_pbmc(), wd.recipes.scvi(batch="donor")
wd.train(adata, recipe, seed=0, epochs=1, threads=int(sys.argv[2]), verbose=False)
began = time.perf_counter()
wd.train(adata, recipe, seed=0, epochs=20, threads=int(sys.argv[2]), verbose=False)
print(f"{time.perf_counter() - began:.2f}")
"""
SETTINGS = {"1000 (ours)": "1000", "300000 (the library's)": "300000"}


def spin() -> None:
    while True:
        pass


def seconds(count: str, threads: int) -> str:
    """Wall time of a run in a process of its own."""
    command = [sys.executable, "-W", "ignore", "-c", RUN, str(ROOT), str(threads)]
    environment = {**os.environ, "GOMP_SPINCOUNT": count}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def main() -> None:
    print("spincount,threads,load,seconds")
    for load in (0, os.cpu_count() or 1):
        others = [Process(target=spin, daemon=True) for _ in range(load)]
        for other in others:
            other.start()
        for name, count in SETTINGS.items():
            for threads in (1, 2):
                print(f"{name},{threads},{load},{seconds(count, threads)}", flush=True)
        for other in others:
            other.kill()


if __name__ == "__main__":
    main()
