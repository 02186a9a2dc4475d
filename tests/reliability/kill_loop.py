"""A warm process that forks a writer, kills it at a random moment and looks at what is left, again and again.

    python kill_loop.py FOLDER KILLS MEGABYTES SEED

Prints one JSON object: how many of the kills lost something, and what.
"""

from __future__ import annotations

import json
import mmap
import os
import random
import signal
import sys
import time
from collections import Counter
from pathlib import Path

import torch

from factorgraph.run.folder import RunFolder

NAMES = {
    "model": ("functions.decoder.matrix", "functions.encoder.matrix"),
    "optimizer": ("functions.decoder.matrix/exp_avg",),
    "state": ("particles",),
}


def tensors(serial: int, size: int) -> dict[str, dict[str, torch.Tensor]]:
    return {group: {name: torch.full((size,), serial, dtype=torch.int32) for name in names} for group, names in NAMES.items()}


def write_for_ever(path: Path, serial: int, size: int, same_step: bool, saved: mmap.mmap) -> None:
    """Save back to back: every time a new step, or the one step again and again."""
    step = serial
    with RunFolder.open(path).lock() as run:
        while True:
            serial += 1
            step += not same_step
            run.metrics.append({"step": step, "serial": serial})
            run.save(step, tensors(serial, size), {"serial": serial})
            saved[:8] = serial.to_bytes(8, "little")


def look(path: Path, at_least: int) -> tuple[int, list[str]]:
    """The serial number that a new start finds, and what is wrong."""
    wrong: list[str] = []
    with RunFolder.open(path).lock() as run:
        left = [each.name for each in path.rglob("*") if each.name.startswith(".tmp-") or each.name.endswith(".new")]
        wrong += ["leftover"] * bool(left)
        found = run.load_latest()
        rows = [row["serial"] for row in run.metrics.rows()]
        run.go_back_to(found.step)
    serials = {value for group in found.tensors.values() for tensor in group.values() for value in tensor.unique().tolist()}
    serial = found.state["serial"]
    wrong += ["mixed"] * (serials != {serial}) + ["warned"] * bool(found.warnings)
    wrong += ["older than one save"] * (serial < at_least) + ["from nowhere"] * (serial > at_least + 1)
    wrong += ["metrics lost"] * (serial not in rows)
    return serial, wrong


def time_of_a_save(run: RunFolder, size: int) -> float:
    started = time.perf_counter()
    run.save(0, tensors(0, size), {"serial": 0})
    return time.perf_counter() - started


def main(folder: str, kills: str, megabytes: str, seed: str) -> None:
    torch.set_num_threads(1)
    size = int(float(megabytes) * 1e6 / 4 / 4)  # four tensors of four bytes a number
    draw = random.Random(int(seed))
    run = RunFolder.create(Path(folder), "killed")
    with run.lock():
        run.begin({"command": "test"})
        run.write("spec.yaml", "")
        run.metrics.append({"step": 0, "serial": 0})
        one_save = min(time_of_a_save(run, size) for _ in range(3))
    serial, counted, halves = 0, Counter[str](), 0
    for kill in range(int(kills)):
        saved = mmap.mmap(-1, 8)
        saved[:8] = serial.to_bytes(8, "little")
        child = os.fork()
        if child == 0:
            write_for_ever(run.path, serial, size, kill % 2 == 1, saved)
        time.sleep(draw.uniform(0, 3 * one_save + 0.01))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        halves += any(each.name.startswith(".tmp-") or each.name.endswith(".new") for each in run.path.rglob("*"))
        serial, wrong = look(run.path, int.from_bytes(saved[:8], "little"))
        counted.update(wrong)
    found = {"kills": int(kills), "wrong": counted, "half written": halves, "saves": serial, "seconds a save": one_save}
    print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
