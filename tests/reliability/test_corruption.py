"""A damaged checkpoint is never taken for a whole one, and a stranger's run folder can do no harm."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import random
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from factorgraph.errors import RunError
from factorgraph.run import checkpoint
from factorgraph.run.folder import RunFolder

MUTATIONS = 2000


def _tensors(seed: int) -> dict[str, dict[str, torch.Tensor]]:
    draw = torch.Generator().manual_seed(seed)
    matrix = torch.randn(90, 144, generator=draw)
    return {
        "model": {"functions.decoder.matrix": matrix, "functions.decoder.bias": matrix[:, 0]},
        "optimizer": {"functions.decoder.matrix/exp_avg": matrix * 0.37, "functions.decoder.matrix/step": torch.tensor(7.0)},
        "state": {"particles": torch.randn(4, 3, 5, generator=draw)},
    }


def _bits(found: checkpoint.Checkpoint) -> Any:
    tensors = {
        (group, name): (each.dtype, tuple(each.shape), each.numpy().tobytes())
        for group, named in found.tensors.items()
        for name, each in named.items()
    }
    return found.step, found.names, found.spec_hash, found.versions, found.state, tensors


def _flip(data: bytes, draw: random.Random, other: bytes) -> bytes:
    at = draw.randrange(len(data))
    return data[:at] + bytes([data[at] ^ 1 << draw.randrange(8)]) + data[at + 1 :]


def _overwrite(data: bytes, draw: random.Random, other: bytes) -> bytes:
    at, length = draw.randrange(len(data)), draw.choice((1, 8, 512))
    return data[:at] + draw.randbytes(length) + data[at + length :]


def _zero(data: bytes, draw: random.Random, other: bytes) -> bytes:
    at, length = draw.randrange(len(data)), draw.choice((8, 512, 4096))
    return data[:at] + bytes(length) + data[at + length :]


def _delete(data: bytes, draw: random.Random, other: bytes) -> bytes:
    at = draw.randrange(len(data))
    return data[:at] + data[at + draw.randint(1, 64) :]


def _insert(data: bytes, draw: random.Random, other: bytes) -> bytes:
    at = draw.randrange(len(data) + 1)
    return data[:at] + draw.randbytes(draw.randint(1, 64)) + data[at:]


def _cut(data: bytes, draw: random.Random, other: bytes) -> bytes:
    return data[: draw.randrange(len(data))]


def _digit(data: bytes, draw: random.Random, other: bytes) -> bytes:
    """Another digit in the place of one: a JSON file stays valid, a number in a header changes."""
    places = [at for at, byte in enumerate(data[:4000]) if byte in b"0123456789"]
    at = draw.choice(places)
    return data[:at] + draw.choice("0123456789").encode() + data[at + 1 :]


def _exchange(data: bytes, draw: random.Random, other: bytes) -> bytes:
    return other


MUTATE: tuple[Callable[[bytes, random.Random, bytes], bytes], ...] = (
    _flip, _flip, _overwrite, _zero, _delete, _insert, _cut, _digit, _exchange,
)  # fmt: skip


def test_of_2000_mutations_of_a_checkpoint_none_is_silent(tmp_path: Path) -> None:
    draw = random.Random(37)
    older = checkpoint.save(tmp_path, 1200, _tensors(1), {"epoch": 3, "cursor": [1, 2]}, spec_hash="ab")
    newest = checkpoint.save(tmp_path, 1300, _tensors(2), {"epoch": 4, "cursor": [1, 7]}, spec_hash="ab", versions={"torch": "2"})
    whole, before = _bits(checkpoint.load_latest(tmp_path)), _bits(checkpoint.load(older))
    names = sorted(each.name for each in newest.iterdir())
    assert 80_000 < sum(each.stat().st_size for each in newest.iterdir()) < 200_000
    outcome = Counter[str]()
    for _ in range(MUTATIONS):
        name = draw.choice(names)
        original = (newest / name).read_bytes()
        (newest / name).write_bytes(draw.choice(MUTATE)(original, draw, (older / name).read_bytes()))
        found = checkpoint.load_latest(tmp_path)
        if not found.warnings:
            assert _bits(found) == whole, f"{name} was changed and nobody noticed"
            outcome["the same"] += 1
        else:
            assert _bits(found) == before
            assert [each.code for each in found.warnings] == ["FGW601"]
            told = found.warnings[0].message
            assert "step-000001300" in told and any(each in told for each in names)
            assert name in told or name == "MANIFEST.json"
            outcome["noticed"] += 1
        (newest / name).write_bytes(original)
    print(outcome)
    assert outcome["noticed"] > 0.95 * MUTATIONS, "the mutations change something"
    assert _bits(checkpoint.load_latest(tmp_path)) == whole


def test_where_no_checkpoint_is_whole_the_file_at_fault_is_named_in_each(tmp_path: Path) -> None:
    for step in (1200, 1300):
        path = checkpoint.save(tmp_path, step, _tensors(step), {})
        (path / "optimizer.safetensors").write_bytes(b"")
    with pytest.raises(RunError) as told:
        checkpoint.load_latest(tmp_path)
    assert told.value.issues[0].code == "FG603"
    assert [note.split(" has ")[0] for note in told.value.issues[0].notes] == [
        "step-000001300: optimizer.safetensors",
        "step-000001200: optimizer.safetensors",
    ]


# --- a stranger's folder -------------------------------------------------------------------------------------------------------


class _Bomb:
    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (Path("executed"),)


def _sealed(path: Path) -> None:
    """What somebody who knows the format does: a manifest that agrees with the files."""
    about = json.loads((path / "MANIFEST.json").read_text())
    about.pop("seal")
    for name, entry in about["files"].items():
        if (path / name).is_file():
            data = (path / name).read_bytes()
            entry.update(size=len(data), sha256=hashlib.sha256(data).hexdigest())
    _seal(path, about)


def _seal(path: Path, about: dict[str, Any]) -> None:
    seal = hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()
    (path / "MANIFEST.json").write_text(json.dumps({**about, "seal": seal}))


def _replaced(name: str, data: bytes) -> Callable[[Path, Path], None]:
    def act(path: Path, outside: Path) -> None:
        (path / name).write_bytes(data)
        _sealed(path)

    return act


def _linked_file(path: Path, outside: Path) -> None:
    shutil.copy(path / "model.safetensors", outside / "secret")
    (path / "model.safetensors").unlink()
    (path / "model.safetensors").symlink_to(outside / "secret")


def _linked_checkpoint(path: Path, outside: Path) -> None:
    shutil.move(path, outside / "step")
    path.symlink_to(outside / "step")


def _folder(path: Path, outside: Path) -> None:
    (path / "state.json").unlink()
    (path / "state.json").mkdir()


def _pipe(path: Path, outside: Path) -> None:
    (path / "state.json").unlink()
    os.mkfifo(path / "state.json")


def _sparse(path: Path, outside: Path) -> None:
    about = json.loads((path / "MANIFEST.json").read_text())
    about.pop("seal")
    about["files"]["model.safetensors"]["size"] = 2**42
    with (path / "model.safetensors").open("r+b") as file:
        file.truncate(2**42)
    _seal(path, about)


def _listing(change: Callable[[dict[str, Any]], None]) -> Callable[[Path, Path], None]:
    def act(path: Path, outside: Path) -> None:
        about = json.loads((path / "MANIFEST.json").read_text())
        about.pop("seal")
        change(about)
        _seal(path, about)

    return act


def _header(text: str) -> bytes:
    return len(text).to_bytes(8, "little") + text.encode()


def _entry(shape: str, offsets: str, dtype: str = "F32") -> str:
    return f'{{"a": {{"dtype": "{dtype}", "shape": {shape}, "data_offsets": {offsets}}}}}'


HOSTILE: dict[str, Callable[[Path, Path], None]] = {
    "a link instead of a file": _linked_file,
    "a link instead of a checkpoint": _linked_checkpoint,
    "a folder instead of a file": _folder,
    "a pipe that never ends": _pipe,
    "four terabytes of holes": _sparse,
    "a pickle": _replaced("model.safetensors", pickle.dumps(_Bomb())),
    "a header as long as the world": _replaced("model.safetensors", b"\xff" * 7 + b"\x7f" + b"{}"),
    "a header longer than is read": _replaced("model.safetensors", (2**25).to_bytes(8, "little") + b" " * 2**25),
    "a header of brackets": _replaced("model.safetensors", _header("[" * 100_000)),
    "numbers behind the end": _replaced("model.safetensors", _header(_entry("[4]", "[0, 16]"))),
    "a size that overflows": _replaced("model.safetensors", _header(_entry("[9223372036854775807, 9]", "[0, 0]"))),
    "a shape below zero": _replaced("model.safetensors", _header(_entry("[-1]", "[0, 0]"))),
    "a type that nobody knows": _replaced("model.safetensors", _header(_entry("[0]", "[0, 0]", "EVIL"))),
    "a bomb of brackets": _replaced("state.json", b"[" * 1_000_000),
    "a number of a million digits": _replaced("state.json", b'{"step": ' + b"9" * 1_000_000 + b"}"),
    "more JSON than is read": _replaced("state.json", b"[" + b"[]," * 2_000_000 + b"[]]"),
    "state that is a list": _replaced("state.json", b"[]"),
    "state without a state": _replaced("state.json", b'{"step": 7}'),
    "a key twice": _replaced("state.json", b'{"step": 7, "step": 7, "state": {}}'),
    "a path out of the folder": _listing(lambda about: about["files"].update({"../../secret": about["files"]["state.json"]})),
    "an absolute path": _listing(lambda about: about["files"].update({"/etc/passwd": about["files"].pop("state.json")})),
    "another step": _listing(lambda about: about.update(step=8)),
    "a step that is true": _listing(lambda about: about.update(step=True)),
    "sizes that are texts": _listing(lambda about: about["files"]["state.json"].update(size="7")),
    "a size below zero": _listing(lambda about: about["files"]["state.json"].update(size=-1)),
    "a hash that is none": _listing(lambda about: about["files"]["state.json"].update(sha256="../../x")),
    "versions that are a list": _listing(lambda about: about.update(versions=[1])),
    "a newer format": _listing(lambda about: about.update(format=99)),
    "a format that is a text": _listing(lambda about: about.update(format="1")),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_checkpoint_is_refused_with_the_one_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    (tmp_path / "outside").mkdir()
    monkeypatch.chdir(tmp_path)
    path = checkpoint.save(tmp_path / "checkpoints", 7, _tensors(7), {"epoch": 1})
    HOSTILE[kind](path, tmp_path / "outside")
    with pytest.raises(RunError, match="FG603") as told:
        checkpoint.load_latest(path.parent)
    assert len(str(told.value)) < 2000
    with pytest.raises(RunError, match="FG603"):
        checkpoint.load(path)
    assert not (tmp_path / "executed").exists()


def test_what_the_hostile_corpus_starts_from_is_accepted(tmp_path: Path) -> None:
    path = checkpoint.save(tmp_path, 7, _tensors(7), {"epoch": 1})
    _replaced("model.safetensors", (path / "optimizer.safetensors").read_bytes())(path, tmp_path)
    assert checkpoint.load_latest(tmp_path).tensors["model"].keys() == _tensors(7)["optimizer"].keys()


def _stranger(tmp_path: Path) -> RunFolder:
    run = RunFolder.create(tmp_path, "stranger")
    with run.lock():
        run.begin({"command": "train"})
        run.write("spec.yaml", "a: 1\n")
        run.metrics.append({"step": 1})
        run.save(1, _tensors(1), {})
    return run


LINKS = ("run.json", "spec.yaml", "metrics.jsonl", ".lock", "lock.json", "log.txt", "figures", "checkpoints")
NO_RUN = (b"\x80\x04N.", b"[" * 10**5, b'{"format": 1}' + b" " * 2**23, b"\xff\xfe", b"[]", b'{"format": NaN}')


@pytest.mark.parametrize("name", [*LINKS, "preprocessing.safetensors"])
def test_a_link_in_a_run_is_neither_read_nor_written_through(tmp_path: Path, name: str) -> None:
    run = _stranger(tmp_path)
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_text('{"format": 1, "private": "key"}\n')
    (outside / ".tmp-mine").write_text("not a run's")
    target = outside if name in ("figures", "checkpoints") else outside / "secret"
    if name == "checkpoints":
        shutil.rmtree(run.checkpoints)
    else:
        (run.path / name).unlink(missing_ok=True)
    (run.path / name).symlink_to(target)

    def everything() -> None:
        again = RunFolder.open(run.path)
        with again.lock():
            again.read("spec.yaml")
            again.metrics.append({"step": 2})
            again.log("went on")
            again.save(2, _tensors(2), {})
            again.write("figures/filters.png", b"picture")
            again.read_arrays("preprocessing.safetensors")

    with pytest.raises(RunError, match=r"FG608" if name != "lock.json" else r"FG60[18]"):
        everything()
    assert (outside / "secret").read_text() == '{"format": 1, "private": "key"}\n'
    assert sorted(each.name for each in outside.iterdir()) == [".tmp-mine", "secret"]


@pytest.mark.parametrize("data", NO_RUN, ids=range(len(NO_RUN)))
def test_a_run_json_that_is_none_is_refused(tmp_path: Path, data: bytes) -> None:
    run = _stranger(tmp_path)
    (run.path / "run.json").write_bytes(data)
    with pytest.raises(RunError, match="FG608"):
        RunFolder.open(run.path)


def test_a_changed_bit_in_the_preprocessing_is_noticed(tmp_path: Path) -> None:
    import numpy as np

    run = _stranger(tmp_path)
    arrays = {"whiten.matrix": np.arange(35, dtype=np.float32).reshape(5, 7), "mean": np.zeros((), np.float64)}
    with run.lock():
        path = run.write_arrays("preprocessing.safetensors", arrays)
    whole = path.read_bytes()
    found = run.read_arrays("preprocessing.safetensors")
    assert all(found[name].dtype == each.dtype and (found[name] == each).all() for name, each in arrays.items())
    for at in range(len(whole)):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1 << at % 8]) + whole[at + 1 :])
        with pytest.raises(RunError, match=r"FG608: preprocessing.safetensors"):
            run.read_arrays("preprocessing.safetensors")
    path.write_bytes(pickle.dumps(_Bomb()))
    with pytest.raises(RunError, match="FG608"):
        run.read_arrays("preprocessing.safetensors")
