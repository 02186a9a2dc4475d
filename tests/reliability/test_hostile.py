"""What a stranger hands over is data: nothing in a spec, an array or a picture runs, connects or writes.

Each is given to the commands in a process of its own whose interpreter reports every attempt to unpickle, to connect, to start a
program or to write a file outside of the working folder.
"""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

WATCH = """
import os, sys
trespasses = []
FORBIDDEN = ("pickle.find_class", "socket.connect", "socket.getaddrinfo", "os.system", "os.exec", "subprocess.Popen")
here = os.getcwd()

def watch(event, arguments):
    if event in FORBIDDEN:
        trespasses.append(f"{event} {arguments!r:.80}")
    if event == "open" and isinstance(arguments[0], str) and isinstance(arguments[1], str) and set(arguments[1]) & set("wax+"):
        place = os.path.abspath(arguments[0])
        if not place.startswith((here, "/dev/", "/proc/")) and "__pycache__" not in place and ".cache" not in place:
            trespasses.append(f"writes {place}")

from factorgraph.__main__ import main
import factorgraph.spec.load, factorgraph.graph.resolve, factorgraph.compile
sys.argv = ["factorgraph", *{words!r}]
sys.addaudithook(watch)
status = 0
try:
    main()
except SystemExit as end:
    status = end.code
print("status", status, *trespasses, sep="\\n", file=sys.stderr)
"""


class Bomb:
    def __reduce__(self):
        return os.system, ("touch exploded",)


def tried(folder: Path, *words: str) -> tuple[int, list[str], str]:
    """Exit status, trespasses, and all that was said: standard output first."""
    setting = {**os.environ, "HOME": str(folder), "OMP_NUM_THREADS": "1"}
    code = WATCH.replace("{words!r}", repr(words))
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, env=setting, capture_output=True, text=True, check=False)
    _, found, rest = done.stderr.rpartition("status\n")
    assert found, done.stderr
    status, *trespasses = rest.splitlines()
    return int(status), trespasses, done.stdout + done.stderr


HEAD = "factorgraph: 1\nvariables:\n  Y: {kind: observed, shape: [2]}\n  Z: {kind: latent, shape: [2]}\nfactors:\n"
TAGS = [
    '!!python/object/apply:os.system ["touch exploded"]',
    '!!python/object/new:subprocess.Popen [["touch", "exploded"]]',
    "!!python/name:os.system",
    '!!python/module:os ""',
    "!<tag:yaml.org,2002:python/object/apply:os.system> [touch exploded]",
]
EXPRESSIONS = [
    "__import__('os').system('touch exploded')",
    "().__class__.__bases__[0].__subclasses__()",
    "Y.__class__(Z)",
    "(lambda: Y)()",
    "[Y for Y in Z]",
    "f'{Y}'",
    "Y if Z else Y",
    "open('exploded', 'w')",
    "Y ** 9999999999",
    "exec('import os')",
]
CORPUS = {
    **{f"tag {k}": f"factorgraph: 1\ntitle: {tag}\n" for k, tag in enumerate(TAGS)},
    **{f"expression {k}": f'{HEAD}  fit: {{type: l1, of: "{text}"}}\n' for k, text in enumerate(EXPRESSIONS)},
    "type as module": f"{HEAD}  fit: {{type: os.system, of: Z}}\n",
    "type as path": f'{HEAD}  fit: {{type: "../../l1", of: Z}}\n',
    "type with target": f"{HEAD}  fit: {{_target_: os.system, type: l1, of: Z}}\n",
    "fragment outside": 'factorgraph: 1\nuse: {first: {file: "/etc/passwd"}}\n',
    "fragment above": 'factorgraph: 1\nuse: {first: {file: "../../../../etc/passwd"}}\n',
    "names of a shell": f'{HEAD}  "$(touch exploded)": {{type: l1, of: Z}}\n',
}


def test_hostile_specs_are_mistakes_and_nothing_more(tmp_path):
    names = [f"{number}.yaml" for number in range(len(CORPUS))]
    for name, text in zip(names, CORPUS.values(), strict=True):
        (tmp_path / name).write_text(text)
    status, trespasses, said = tried(tmp_path, "validate", "--json", *names)
    assert status == 2, said
    assert trespasses == []
    assert sorted(each.name for each in tmp_path.iterdir()) == sorted(names)
    assert "root:" not in said
    found = json.loads(said[: said.rindex("]") + 1])
    wrong = {Path(each["file"]).name for each in found if each["severity"] == "error"}
    assert [title for title, name in zip(CORPUS, names, strict=True) if name not in wrong] == []


@pytest.mark.parametrize("name", ["objects.npy", "objects.npz", "bomb.npy", "bomb.pkl"])
def test_arrays_that_hold_programs_are_refused(name, tmp_path):
    path = tmp_path / name
    if name.startswith("bomb"):
        path.write_bytes(pickle.dumps(Bomb()))
    elif name.endswith("npz"):
        np.savez(path, array=np.array([Bomb()], dtype=object))
    else:
        np.save(path, np.array([Bomb()], dtype=object))
    lines = [
        "factorgraph: 1",
        "variables: {Y: {kind: observed, shape: [2]}, Z: {kind: latent, shape: [3]}}",
        "functions: {decoder: {type: linear, bias: false, unit_norm: columns}}",
        "factors: {fit: {type: squared_distance, between: [Y, decoder(Z)]}, few: {type: l1, of: Z}}",
        "inference: {best: {method: argmin, of: Z}}",
        "learning: {fit: {loss: energy, steps: 1}}",
        f"data: {{source: arrays, file: {name}, bind: {{Y: array}}}}",
    ]
    (tmp_path / "spec.yaml").write_text("\n".join(lines) + "\n")
    status, trespasses, said = tried(tmp_path, "train", "spec.yaml")
    assert status in (1, 2), said
    assert "mistake of factorgraph itself" not in said
    assert trespasses == []
    assert not (tmp_path / "exploded").exists()


def test_the_watch_sees_a_trespass(tmp_path):
    """That nothing was seen above means something."""
    act = "os.system('true'); open(os.path.join(os.path.dirname(here), 'elsewhere'), 'w').close()"
    code = WATCH.replace("    main()\n", f"    {act}\n").replace("{words!r}", "[]")
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "os.system" in done.stderr and "writes " in done.stderr
