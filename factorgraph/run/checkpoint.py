"""Checkpoints: everything that learning needs to go on, in a folder that is whole or not there.

``checkpoints/step-000001200/`` holds ``model``, ``optimizer`` and ``state.safetensors``, ``state.json`` and ``MANIFEST.json``,
which knows the size and the SHA-256 of each of them and of itself. The folder is written under a name that begins with ``.tmp-``,
forced to the disk and renamed. Loading takes the newest folder that agrees with its manifest.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from factorgraph.errors import Issue, RunError, issue
from factorgraph.run.files import (
    FILES,
    JSON_LIMIT,
    Files,
    RefusedError,
    atomic_write,
    discard,
    fsync_folder,
    json_bytes,
    make_folders,
    parse_json,
    read_bounded,
    read_json,
    reporting,
    sweep,
    temporary,
    write_new,
)
from factorgraph.run.tensors import TENSOR_LIMIT, pack, unpack

if TYPE_CHECKING:
    from torch import Tensor

FORMAT = 1
GROUPS = ("model", "optimizer", "state")
MANIFEST = "MANIFEST.json"
KEPT = 3  # checkpoints without a name that pruning leaves
_FOLDER = re.compile(r"step-(\d{9,15})(\.new)?")
_HASH = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Checkpoint:
    """One checkpoint in memory. ``warnings`` name newer ones that are damaged and were passed over."""

    step: int
    tensors: Mapping[str, Mapping[str, Tensor]]  # by group: model, optimizer, state
    state: Mapping[str, Any]
    path: Path
    names: tuple[str, ...] = ()  # a phase of no steps ends where another one did
    spec_hash: str = ""
    versions: Mapping[str, str] | None = None
    warnings: tuple[Issue, ...] = ()


# --- saving --------------------------------------------------------------------------------------------------------------------


def save(
    folder: Path,
    step: int,
    tensors: Mapping[str, Mapping[str, Tensor]],
    state: Mapping[str, Any],
    *,
    name: str | None = None,
    spec_hash: str = "",
    versions: Mapping[str, str] | None = None,
    files: Files = FILES,
) -> Path:
    """Write the checkpoint of a step; what was there before is whole whatever happens. Returns its folder.

    ``name`` marks it to be kept for ever (the end of a phase). Saving a step again replaces it, and it keeps the names that it
    had. Raises RunError FG604, FG605, FG610 with the bytes that were needed, those that were free and the checkpoint that stands.
    """
    assert set(tensors) <= set(GROUPS), f"a checkpoint has the groups {GROUPS}, not {sorted(tensors)}"
    final = folder / f"step-{step:09d}"
    names = _names_of_step(folder, step)  # saved again: by a phase of no steps, by a Ctrl-C at the end of a phase
    if name is not None and name not in names:
        names = (*names, name)
    parts = {f"{group}.safetensors": pack(tensors.get(group, {})) for group in GROUPS}
    parts["state.json"] = json_bytes({"step": step, "keep": bool(names), "names": names, "state": dict(state)})
    parts[MANIFEST] = _manifest(step, parts, spec_hash, versions or {})
    assert len(parts["state.json"]) <= JSON_LIMIT, "state.json is for a few values; what is large is a tensor"
    before = _candidates(folder)
    kept = f"kept the checkpoint of step {_step(before[0])}" if before else "no earlier checkpoint exists"
    with reporting(f"saving the checkpoint of step {step}", folder, sum(map(len, parts.values())), kept):
        make_folders(folder, files)
        half = temporary(folder, final.name)
        try:
            _write_folder(half, parts, files)
            _publish(half, final, files)
        except OSError:
            discard(half)
            raise
    atomic_write(folder / "latest", f"{final.name}\n".encode(), files, kept=f"the checkpoint of step {step} itself is whole")
    return final


def _write_folder(half: Path, parts: Mapping[str, bytes], files: Files) -> None:
    files.make_folder(half)
    for name, data in parts.items():
        write_new(half / name, data, files)
    fsync_folder(half, files)


def _publish(half: Path, final: Path, files: Files) -> None:
    """Give a complete folder its name. Where the name is taken, one of the two is there, whole, at every moment."""
    _settle(final, files)
    if not final.exists():
        files.rename(half, final)
    else:
        files.rename(half, _newer(final))
        fsync_folder(final.parent, files)
        _settle(final, files)
    fsync_folder(final.parent, files)


def _settle(final: Path, files: Files) -> None:
    """Finish a replacement: ``step-N.new`` is whole by construction and takes the place of ``step-N``."""
    newer = _newer(final)
    if not newer.exists():
        return
    if final.exists():
        _remove(final, files)
    files.rename(newer, final)


def _newer(final: Path) -> Path:
    return final.with_name(final.name + ".new")


def _remove(folder: Path, files: Files) -> None:
    """Take a checkpoint away in one rename; what a kill leaves of it is swept."""
    aside = temporary(folder.parent, f"old-{folder.name}")
    files.rename(folder, aside)
    files.remove_folder(aside)


def _manifest(step: int, parts: Mapping[str, bytes], spec_hash: str, versions: Mapping[str, str]) -> bytes:
    about: dict[str, Any] = {
        "format": FORMAT,
        "step": step,
        "spec": spec_hash,
        "versions": dict(versions),
        "files": {name: {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()} for name, data in parts.items()},
    }
    return json_bytes({**about, "seal": _seal(about)})


def _seal(about: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()


# --- loading -------------------------------------------------------------------------------------------------------------------


def load(path: Path, limit: int = TENSOR_LIMIT) -> Checkpoint:
    """Read one checkpoint, no file of which may exceed ``limit`` bytes. Raises RunError FG603 naming the file at fault."""
    try:
        return _load(path, limit)
    except _DamagedError as reason:
        raise RunError(issue("FG603", f"the checkpoint {path.name} is damaged: {reason}", notes=(str(path),))) from reason


def load_latest(folder: Path, limit: int = TENSOR_LIMIT) -> Checkpoint:
    """Read the newest checkpoint that agrees with its manifest, with a warning FGW601 for each newer one that does not.

    Raises RunError FG603 where there is none, naming for each checkpoint the file at fault.
    """
    return _first_whole(folder, _candidates(folder), limit)


def load_named(folder: Path, name: str, limit: int = TENSOR_LIMIT) -> Checkpoint | None:
    """Read the newest checkpoint that was saved under a name; ``None`` where no checkpoint has it. Raises RunError FG603."""
    found = [each for each in _candidates(folder) if name in _names_of(each)]
    return _first_whole(folder, found, limit) if found else None


def _first_whole(folder: Path, candidates: list[Path], limit: int) -> Checkpoint:
    passed: list[str] = []
    for path in candidates:
        try:
            found = _load(path, limit)
        except _DamagedError as reason:
            passed.append(f"{path.name}: {reason}")
            continue
        warnings = tuple(_passed_over(each, found) for each in passed)
        return replace(found, warnings=warnings)
    what = "no checkpoint is whole" if passed else "there is no checkpoint"
    fix = "train again; the spec of the run is in its spec.yaml"
    raise RunError(issue("FG603", f"{what} in {folder}", notes=tuple(passed), fix=fix))


def _passed_over(damage: str, taken: Checkpoint) -> Issue:
    return issue("FGW601", f"a damaged checkpoint was passed over: {damage}", notes=(f"went on from step {taken.step} instead",))


class _DamagedError(Exception):
    """Why a folder is no checkpoint: half a sentence that begins with the file's name."""


def _load(path: Path, limit: int) -> Checkpoint:
    if path.is_symlink() or not path.is_dir():
        raise _DamagedError("it is not a folder" if path.exists() else "it does not exist")
    manifest = _read_manifest(path)
    parts = {name: _read_part(path, name, manifest["files"][name], limit) for name in _names()}
    tensors = {group: _checked(f"{group}.safetensors", unpack, parts[f"{group}.safetensors"]) for group in GROUPS}
    about = _checked("state.json", parse_json, parts["state.json"])
    if not isinstance(about, dict) or about.get("step") != manifest["step"] or not isinstance(about.get("state"), dict):
        raise _DamagedError("state.json does not belong to this step")
    return Checkpoint(manifest["step"], tensors, about["state"], path, _kept_names(about), manifest["spec"], manifest["versions"])


def _read_manifest(path: Path) -> dict[str, Any]:
    """The manifest, with every field that the rest relies on checked."""
    about = _checked(MANIFEST, read_json, path / MANIFEST)
    if not isinstance(about, dict):
        raise _DamagedError(f"{MANIFEST} is not a manifest")
    if isinstance(about.get("format"), int) and about["format"] > FORMAT:
        raise _DamagedError(f"{MANIFEST} is from a newer version: its format is {about['format']}, this one reads {FORMAT}")
    rest = {key: value for key, value in about.items() if key != "seal"}
    if about.get("seal") != _seal(rest) or about.get("format") != FORMAT:
        raise _DamagedError(f"{MANIFEST} has changed since it was written")
    files, step = about.get("files"), about.get("step")
    if not isinstance(files, dict) or set(files) != _names() or not all(_is_entry(each) for each in files.values()):
        raise _DamagedError(f"{MANIFEST} does not list the files of a checkpoint")
    if type(step) is not int or step != _step(path) or not isinstance(about.get("spec"), str):
        raise _DamagedError(f"{MANIFEST} belongs to another step")
    if not isinstance(about.get("versions"), dict):
        raise _DamagedError(f"{MANIFEST} says no versions")
    return about


def _names() -> set[str]:
    return {f"{group}.safetensors" for group in GROUPS} | {"state.json"}


def _is_entry(entry: Any) -> bool:
    return (
        isinstance(entry, dict)
        and type(entry.get("size")) is int
        and isinstance(entry.get("sha256"), str)
        and _HASH.fullmatch(entry["sha256"]) is not None
    )


def _read_part(path: Path, name: str, entry: Mapping[str, Any], limit: int) -> bytes:
    if entry["size"] > (JSON_LIMIT if name == "state.json" else limit):
        raise _DamagedError(f"{name} is said to have {entry['size']} bytes, more than is read")
    data: bytes = _checked(name, read_bounded, path / name, entry["size"])
    if len(data) != entry["size"] or hashlib.sha256(data).hexdigest() != entry["sha256"]:
        raise _DamagedError(f"{name} has changed since it was written: its checksum differs")
    return data


def _checked(name: str, read: Any, *arguments: Any) -> Any:
    try:
        return read(*arguments)
    except FileNotFoundError as reason:
        raise _DamagedError(f"{name} is missing") from reason
    except RefusedError as reason:
        raise _DamagedError(f"{name} {reason}") from reason


# --- keeping -------------------------------------------------------------------------------------------------------------------


def steps(folder: Path) -> list[int]:
    """The steps that have a checkpoint, whole or not, the newest first."""
    return list(dict.fromkeys(_step(each) for each in _candidates(folder)))


def prune(folder: Path, keep: int = KEPT, files: Files = FILES) -> list[int]:
    """Remove all but the newest ``keep`` checkpoints that stand and those with a name. Returns the steps that went."""
    assert keep >= 1, "at least one checkpoint is kept"
    standing = 0
    gone: list[int] = []
    for path in _candidates(folder):
        if _names_of(path):
            continue
        if standing < keep:
            standing += _stands(path)
            continue
        with reporting("removing an old checkpoint", folder, 0, f"kept the newest {keep}"):
            _remove(path, files)
        gone.append(_step(path))
    return gone


def forget_after(folder: Path, step: int, files: Files = FILES) -> list[int]:
    """Remove the checkpoints of later steps, before learning goes on from ``step``: two futures must not mix."""
    later = [each for each in _candidates(folder) if _step(each) > step]
    for path in later:
        with reporting("removing a later checkpoint", folder, 0, f"kept the checkpoint of step {step}"):
            _remove(path, files)
    return [_step(each) for each in later]


def tidy(folder: Path, files: Files = FILES) -> int:
    """Clear up after a killed writer: what is half written goes, interrupted replacements are finished. Says how many went."""
    count = sweep(folder)
    for path in _candidates(folder):
        if path.suffix == ".new":
            with reporting("finishing a checkpoint", folder, 0, "both versions of it"):
                _settle(path.with_suffix(""), files)
    return count


def _candidates(folder: Path) -> list[Path]:
    """The checkpoint folders, the newest first; of one step, the replacement first. Links are none."""
    if folder.is_symlink() or not folder.is_dir():
        return []
    found = [each for each in folder.iterdir() if _FOLDER.fullmatch(each.name) and not each.is_symlink()]
    return sorted(found, key=lambda each: (_step(each), each.suffix), reverse=True)


def _step(path: Path) -> int:
    match = _FOLDER.fullmatch(path.name)
    return int(match[1]) if match else -1


def _stands(path: Path) -> bool:
    """Whether all files are there in the right size: what can be said without reading them."""
    try:
        files = _read_manifest(path)["files"]
        return all((path / name).lstat().st_size == entry["size"] for name, entry in files.items())
    except (_DamagedError, OSError):
        return False


def _names_of_step(folder: Path, step: int) -> tuple[str, ...]:
    """The names of a step, also where a replacement was interrupted and the step has two folders."""
    return tuple(dict.fromkeys(name for each in _candidates(folder) if _step(each) == step for name in _names_of(each)))


def _names_of(path: Path) -> tuple[str, ...]:
    try:
        return _kept_names(read_json(path / "state.json"))
    except (RefusedError, FileNotFoundError):
        return ()


def _kept_names(about: Any) -> tuple[str, ...]:
    names = about.get("names") if isinstance(about, dict) and about.get("keep") is True else None
    return tuple(each for each in names if isinstance(each, str)) if isinstance(names, list) else ()
