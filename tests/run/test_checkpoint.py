"""Checkpoints: what is saved comes back, the newest whole one is found, and the right ones are kept."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from factorgraph.errors import RunError
from factorgraph.run import checkpoint
from factorgraph.run.files import Files


def _tensors(value: float) -> dict[str, dict[str, torch.Tensor]]:
    return {"model": {"a": torch.full((4, 3), value)}, "optimizer": {"a/step": torch.tensor(value)}, "state": {}}


def _names(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir())


def test_all_that_is_saved_comes_back(tmp_path: Path) -> None:
    folder = tmp_path / "run" / "checkpoints"
    state = {"phase": "warm", "epoch": 3, "rate": 0.1 + 0.2, "order": [1, None, True]}
    path = checkpoint.save(folder, 1200, _tensors(0.37), state, name="warm", spec_hash="ab12", versions={"torch": "2.13.0"})
    assert path == folder / "step-000001200"
    assert _names(path) == ["MANIFEST.json", "model.safetensors", "optimizer.safetensors", "state.json", "state.safetensors"]
    assert (folder / "latest").read_text() == "step-000001200\n"
    assert json.loads((path / "state.json").read_text())["keep"] is True
    found = checkpoint.load_latest(folder)
    assert (found.step, found.names, found.spec_hash, found.versions) == (1200, ("warm",), "ab12", {"torch": "2.13.0"})
    assert found.state == state and found.path == path and found.warnings == ()
    assert torch.equal(found.tensors["model"]["a"], torch.full((4, 3), 0.37))
    assert found.tensors["optimizer"]["a/step"].shape == () and found.tensors["state"] == {}
    assert checkpoint.load(path).state == state


def test_the_newest_is_taken_by_number_and_a_damaged_one_passed_over_with_a_warning(tmp_path: Path) -> None:
    for step in (9, 1_000_000_000, 999_999_999):
        checkpoint.save(tmp_path, step, _tensors(step), {})
    assert checkpoint.load_latest(tmp_path).step == 1_000_000_000
    (tmp_path / "step-1000000000" / "state.json").unlink()
    found = checkpoint.load_latest(tmp_path)
    assert found.step == 999_999_999
    assert [each.code for each in found.warnings] == ["FGW601"]
    assert "step-1000000000: state.json is missing" in found.warnings[0].message
    with pytest.raises(RunError, match=r"FG603: the checkpoint step-1000000000 is damaged: state.json is missing"):
        checkpoint.load(tmp_path / "step-1000000000")


def test_where_there_is_none_it_is_said(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="FG603: there is no checkpoint in"):
        checkpoint.load_latest(tmp_path / "checkpoints")
    with pytest.raises(RunError, match="it does not exist"):
        checkpoint.load(tmp_path / "step-000000001")


def test_a_newer_format_is_told_from_damage(tmp_path: Path) -> None:
    path = checkpoint.save(tmp_path, 7, _tensors(7), {})
    text = (path / "MANIFEST.json").read_text()
    (path / "MANIFEST.json").write_text(text.replace('"format": 1', '"format": 2'))
    with pytest.raises(RunError, match="from a newer version: its format is 2, this one reads 1"):
        checkpoint.load(path)


def test_a_checkpoint_under_another_steps_name_is_refused(tmp_path: Path) -> None:
    path = checkpoint.save(tmp_path, 1, _tensors(1), {})
    checkpoint.save(tmp_path, 3, _tensors(3), {})
    shutil.copytree(path, tmp_path / "step-000000009")
    found = checkpoint.load_latest(tmp_path)
    assert found.step == 3
    assert "step-000000009: MANIFEST.json belongs to another step" in found.warnings[0].message


def test_a_limit_in_bytes_is_kept(tmp_path: Path) -> None:
    path = checkpoint.save(tmp_path, 7, _tensors(7), {})
    size = max(each.stat().st_size for each in path.glob("*.safetensors"))
    assert checkpoint.load(path, limit=size).step == 7
    with pytest.raises(RunError, match="more than is read"):
        checkpoint.load(path, limit=size - 1)


def test_saving_a_step_again_replaces_it_and_keeps_its_name(tmp_path: Path) -> None:
    checkpoint.save(tmp_path, 7, _tensors(1), {"serial": 1}, name="warm")
    checkpoint.save(tmp_path, 7, _tensors(2), {"serial": 2})
    assert _names(tmp_path) == ["latest", "step-000000007"]
    found = checkpoint.load_named(tmp_path, "warm")
    assert found is not None and found.state == {"serial": 2}


def test_a_step_at_which_several_phases_end_has_all_of_their_names(tmp_path: Path) -> None:
    for serial, name in enumerate(("start", "warm", None, "start")):
        checkpoint.save(tmp_path, 0, _tensors(serial), {"serial": serial}, name=name)
    for step in range(1, 6):
        checkpoint.save(tmp_path, step, _tensors(step), {})
    checkpoint.prune(tmp_path, keep=1)
    assert checkpoint.steps(tmp_path) == [5, 0]
    for name in ("start", "warm"):
        found = checkpoint.load_named(tmp_path, name)
        assert found is not None and found.names == ("start", "warm") and found.state == {"serial": 3}
    assert checkpoint.load_named(tmp_path, "joint") is None


def test_a_name_outlives_an_interrupted_replacement(tmp_path: Path) -> None:
    path = checkpoint.save(tmp_path, 7, _tensors(1), {}, name="start")
    path.rename(tmp_path / "step-000000007.new")
    checkpoint.save(tmp_path, 7, _tensors(2), {}, name="warm")
    assert checkpoint.load_latest(tmp_path).names == ("start", "warm")


@pytest.mark.parametrize("reached", [1, 2, 3])
def test_an_interrupted_replacement_is_readable_and_is_finished(tmp_path: Path, reached: int) -> None:
    """The three moments between its renames, made by hand: both are there; the old one is aside; all but the clearing is done."""
    folder, other = tmp_path / "checkpoints", tmp_path / "other"
    checkpoint.save(folder, 7, _tensors(1), {"serial": 1})
    newer = checkpoint.save(other, 7, _tensors(2), {"serial": 2})
    old = folder / "step-000000007"
    if reached >= 2:
        shutil.move(old, folder / ".tmp-old-step-000000007-1")
    shutil.copytree(newer, old if reached == 3 else folder / "step-000000007.new")
    assert checkpoint.load_latest(folder).state == {"serial": 2}
    assert checkpoint.steps(folder) == [7]
    checkpoint.tidy(folder)
    assert _names(folder) == ["latest", "step-000000007"]
    assert checkpoint.load_latest(folder).state == {"serial": 2}
    checkpoint.save(folder, 7, _tensors(3), {"serial": 3})
    assert checkpoint.load_latest(folder).state == {"serial": 3}


class _Watched(Files):
    """Notes what is on the disk for certain: nothing takes its name, and nothing old goes, before."""

    def __init__(self) -> None:
        self.paths: dict[int, Path] = {}
        self.unsafe: set[Path] = set()
        self.mistakes: list[str] = []
        self.renames = 0

    def make_folder(self, path: Path) -> None:
        super().make_folder(path)
        self.unsafe |= {path, path.parent}

    def open(self, path: Path, flags: int) -> int:
        existed = path.exists()
        if path.name.startswith(".tmp-latest") and path.parent in self.unsafe:
            self.mistakes.append("`latest` names a checkpoint whose own name is not on the disk")
        handle = super().open(path, flags)
        self.paths[handle] = path
        self.unsafe |= set() if existed else {path, path.parent}
        return handle

    def write(self, handle: int, data: memoryview | bytes) -> int:
        self.unsafe.add(self.paths[handle])
        return super().write(handle, data)

    def fsync(self, handle: int) -> None:
        super().fsync(handle)
        self.unsafe.discard(self.paths[handle])

    def rename(self, source: Path, target: Path) -> None:
        self.renames += 1
        within = [each for each in self.unsafe if each == source or source in each.parents]
        self.mistakes += [f"{each.name} was renamed before it was on the disk" for each in within]
        if target.name.startswith(".tmp-old") and source.parent in self.unsafe:
            self.mistakes.append(f"{source.name} was put away before its successor's name was on the disk")
        super().rename(source, target)
        self.unsafe.add(target.parent)


def test_nothing_takes_its_name_before_it_is_on_the_disk(tmp_path: Path) -> None:
    watched = _Watched()
    folder = tmp_path / "checkpoints"
    for step in (1, 2, 2):
        checkpoint.save(folder, step, _tensors(step), {}, files=watched)
        assert watched.unsafe == set(), "all is on the disk when saving returns"
    assert watched.mistakes == []
    assert watched.renames == 3 + 3 + 2  # one a save, one a `latest`, two more to replace


def test_the_newest_three_and_those_with_a_name_are_kept(tmp_path: Path) -> None:
    for step in range(1, 8):
        checkpoint.save(tmp_path, step, _tensors(step), {}, name="warm" if step == 2 else None)
    (tmp_path / "step-000000006" / "model.safetensors").write_bytes(b"damaged")
    assert checkpoint.prune(tmp_path) == [3, 1]
    assert checkpoint.steps(tmp_path) == [7, 6, 5, 4, 2]  # the damaged one does not count as one of three
    assert checkpoint.prune(tmp_path, keep=1) == [6, 5, 4]
    named = checkpoint.load_named(tmp_path, "warm")
    assert named is not None and named.step == 2
    assert checkpoint.load_named(tmp_path, "joint") is None


def test_later_checkpoints_are_forgotten_when_learning_goes_back(tmp_path: Path) -> None:
    for step in (1, 2, 3):
        checkpoint.save(tmp_path, step, _tensors(step), {}, name="warm" if step == 3 else None)
    assert checkpoint.forget_after(tmp_path, 1) == [3, 2]
    assert checkpoint.steps(tmp_path) == [1]
    assert checkpoint.forget_after(tmp_path, 1) == []


def test_names_that_are_no_checkpoints_are_left_alone(tmp_path: Path) -> None:
    checkpoint.save(tmp_path, 1, _tensors(1), {})
    for name in ("step-1", "step-000000009.old", "best", "step-abcdefghi"):
        (tmp_path / name).mkdir()
    (tmp_path / "step-000000005").symlink_to(tmp_path / "step-000000001")
    assert checkpoint.steps(tmp_path) == [1]
    assert checkpoint.load_latest(tmp_path).step == 1


def test_what_does_not_belong_into_a_checkpoint_is_our_mistake(tmp_path: Path) -> None:
    groups: Any = {"weights": {}}
    with pytest.raises(AssertionError, match="groups"):
        checkpoint.save(tmp_path, 1, groups, {})
    with pytest.raises(AssertionError, match="what is large is a tensor"):
        checkpoint.save(tmp_path, 1, _tensors(1), {"text": "x" * 5_000_000})
    assert not list(tmp_path.iterdir())
