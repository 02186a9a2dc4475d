"""Fragments: where their names are read, where their mistakes are told, and which files may be read at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import factorgraph as fg
from factorgraph.errors import SpecError, address
from factorgraph.graph.resolve import resolve
from factorgraph.spec import fragments
from factorgraph.spec.load import find, load, loads, specs

PART = """\
factorgraph: 1
dims: {units: 3}
variables:
  Y: {kind: observed, shape: [2]}
  Z: {kind: latent, shape: [units]}
functions: {encoder: linear}
factors: {prediction: {type: squared_distance, between: [Z, encoder(Y)], weight: 0.37}}
inference: {optimal: {method: argmin, of: Z}}
"""
USES = """\
factorgraph: 1
use:
  inner: {file: FILE}
"""


@pytest.mark.parametrize(("written", "meant"), [("fragments/rbm", "fragments/rbm.yaml"), ("part", "part.yaml"), ("other", None)])
def test_a_file_that_is_not_there_is_guessed(tmp_path: Path, written: str, meant: str | None) -> None:
    (tmp_path / "part.yaml").write_text(PART)
    (tmp_path / "spec.yaml").write_text(USES.replace("FILE", written))
    with pytest.raises(SpecError) as caught:
        load(tmp_path / "spec.yaml")
    (found,) = caught.value.issues
    assert (found.code, found.replacement) == ("FG213", meant) and ("Did you mean" in found.message) == bool(meant)


def test_a_bound_variable_that_the_fragment_infers_is_told_with_its_use_and_a_fix(tmp_path: Path) -> None:
    bound = "factorgraph: 1\nvariables: {X: {kind: observed, shape: [9], domain: binary}}\nuse:\n"
    (tmp_path / "spec.yaml").write_text(bound + "  rbm: {file: fragments/rbm.yaml, bind: {Y: X}}\n")
    with pytest.raises(SpecError) as caught:
        resolve(load(tmp_path / "spec.yaml"))
    found = next(each for each in caught.value.issues if each.code == "FG256")
    assert found.fix == "take Y out of the bind of rbm, and bind data to rbm.Y"
    assert any("spec.yaml:4" in each for each in found.notes)
    free = USES.replace("inner: {file: FILE}", "rbm: {file: fragments/rbm.yaml}")
    resolve(loads(free + "data: {source: bars_and_stripes, side: 3, bind: {rbm.Y: image}}\n"))


def test_the_address_of_a_fragments_entry_is_guessed_from_the_block_that_was_written_first(tmp_path: Path) -> None:
    (tmp_path / "part.yaml").write_text(PART)
    (tmp_path / "spec.yaml").write_text(USES.replace("FILE", "part.yaml"))
    spec = load(tmp_path / "spec.yaml")
    with pytest.raises(SpecError) as caught:
        spec.with_changes({"inference.inner.optimal.steps": 40}, "a test")
    (found,) = caught.value.issues
    assert (found.code, found.replacement) == ("FG211", "inner.inference.optimal.steps")
    assert found.replacement == address(("inference", "inner.optimal", "steps"))
    assert spec.with_changes({found.replacement: 40}, "a test").inference["inner.optimal"].first.steps == 40


def chain(home: Path, depth: int, last: str = PART) -> Path:
    """Files of which each uses the next; the outermost."""
    for number in range(depth):
        (home / f"f{number}.yaml").write_text(USES.replace("FILE", f"f{number + 1}.yaml"))
    (home / f"f{depth}.yaml").write_text(last)
    return home / "f0.yaml"


def issue_of(path: Path):
    with pytest.raises(SpecError) as caught:
        load(path)
    (found,) = caught.value.issues
    return found


@settings(max_examples=20, deadline=None)
@given(depth=st.integers(1, fragments.DEEPEST))
def test_a_mistake_is_told_with_every_place_where_its_file_is_used(tmp_path_factory: pytest.TempPathFactory, depth: int) -> None:
    home = tmp_path_factory.mktemp("chain")
    found = issue_of(chain(home, depth, PART.replace("linear", "linaer")))
    name = ".".join(["inner"] * depth)
    assert (found.place.file, found.place.line, found.place.column) == (str(home / f"f{depth}.yaml"), 6, 22)
    used = [f"used as inner in {home / f'f{number}.yaml'}:3" for number in reversed(range(depth))]
    assert [note for note in found.notes if note.startswith("used")] == used
    assert address(found.path) == f"{name}.functions.encoder"


def test_a_mistake_of_a_file_that_is_used_twice_is_told_once(tmp_path: Path) -> None:
    (tmp_path / "part.yaml").write_text(PART.replace("linear", "linaer"))
    (tmp_path / "spec.yaml").write_text("factorgraph: 1\nuse:\n  a: part.yaml\n  b: part.yaml\n")
    found = issue_of(tmp_path / "spec.yaml")
    assert found.notes == tuple(f"used as {name} in {tmp_path}/spec.yaml:{line}" for name, line in (("a", 3), ("b", 4)))


def test_fragments_lie_in_fragments_so_deep_and_no_deeper(tmp_path: Path) -> None:
    deepest = load(chain(tmp_path, fragments.DEEPEST))
    assert ".".join([*["inner"] * fragments.DEEPEST, "Z"]) in deepest.variables
    found = issue_of(chain(tmp_path, fragments.DEEPEST + 1))
    assert (found.code, found.place.file) == ("FG213", str(tmp_path / f"f{fragments.DEEPEST}.yaml"))


def test_a_circle_of_fragments_shows_the_chain(tmp_path: Path) -> None:
    found = issue_of(chain(tmp_path, 2, USES.replace("FILE", "f1.yaml")))
    assert found.place.file == str(tmp_path / "f2.yaml")
    assert found.notes[0] == "f1.yaml uses f2.yaml uses f1.yaml"
    assert [note.rpartition("/")[2] for note in found.notes[1:]] == ["f1.yaml:3", "f0.yaml:3"]


def test_a_spec_is_made_of_so_many_fragments_and_no_more(tmp_path: Path) -> None:
    ten = "factorgraph: 1\nuse:\n" + "".join(f"  a{number}: NEXT\n" for number in range(11))
    for number in range(3):
        (tmp_path / f"f{number}.yaml").write_text(ten.replace("NEXT", f"f{number + 1}.yaml"))
    (tmp_path / "f3.yaml").write_text(PART)
    with pytest.raises(SpecError) as caught:
        load(tmp_path / "f0.yaml")
    assert {each.code for each in caught.value.issues} == {"FG213"}
    assert f"at most {fragments.MOST} fragments" in caught.value.issues[0].message


@pytest.mark.parametrize("name", ["../part.yaml", "below/../../part.yaml", "/etc/passwd", "below/link.yaml", "away/part.yaml"])
def test_nothing_outside_of_the_specs_own_folder_is_read(tmp_path: Path, name: str) -> None:
    (tmp_path / "part.yaml").write_text("a: [b")
    home = tmp_path / "home"
    (home / "below").mkdir(parents=True)
    (home / "below/link.yaml").symlink_to(tmp_path / "part.yaml")
    (home / "away").symlink_to(tmp_path)
    (home / "spec.yaml").write_text(USES.replace("FILE", name))
    found = issue_of(home / "spec.yaml")
    assert (found.code, found.place.line, found.place.column) == ("FG213", 3, 17)


def test_a_fragment_of_a_fragment_is_bound_by_the_outermost_folder(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    (tmp_path / "below/a.yaml").write_text(USES.replace("FILE", "../part.yaml"))
    (tmp_path / "part.yaml").write_text(PART)
    (tmp_path / "spec.yaml").write_text(USES.replace("FILE", "below/a.yaml"))
    assert "inner.inner.Z" in load(tmp_path / "spec.yaml").variables
    (tmp_path / "below/spec.yaml").write_text(USES.replace("FILE", "a.yaml"))
    assert issue_of(tmp_path / "below/spec.yaml").code == "FG213"


def test_a_fragment_that_ships_is_found_from_any_folder_and_is_no_spec_to_train(tmp_path: Path) -> None:
    text = "use: {layer: {file: fragments/convolutional_psd_layer.yaml, bind: {Y: X}}}\n"
    (tmp_path / "spec.yaml").write_text(f"factorgraph: 1\n{text}variables: {{X: {{kind: observed, shape: [1, 16, 16]}}}}\n")
    assert "layer.predicted" in load(tmp_path / "spec.yaml").variables
    assert not any("fragments" in each.name for each in specs())
    assert find("fragments/rbm").name == "rbm.yaml"
    (tmp_path / "fragments").mkdir()
    (tmp_path / "fragments/convolutional_psd_layer.yaml").write_text(PART)
    assert "layer.predicted" not in load(tmp_path / "spec.yaml").variables  # the spec's own comes first


@pytest.mark.parametrize(("said", "column"), [("units: 2 * kind", 18), ("inference.optimal.steps: few", 32), ("unit: 3", 7)])
def test_what_with_says_is_told_where_it_is_written(tmp_path: Path, said: str, column: int) -> None:
    (tmp_path / "part.yaml").write_text(PART)
    above = tmp_path / "spec.yaml"
    above.write_text(f"factorgraph: 1\nuse:\n  inner:\n    file: part.yaml\n    with:\n      {said}\n")
    found = issue_of(above)
    assert (found.place.file, found.place.line, found.place.column) == (str(above), 6, column)
    assert found.notes == ()


def test_what_the_command_line_says_of_a_fragment_is_told_there(tmp_path: Path) -> None:
    (tmp_path / "part.yaml").write_text(PART)
    above = tmp_path / "spec.yaml"
    above.write_text(USES.replace("FILE", "part.yaml"))
    with pytest.raises(SpecError) as caught:
        load(above, ["inner.factors.prediction.weight=[1]"])
    (found,) = caught.value.issues
    assert (found.place.origin, found.place.text) == ("--set", "inner.factors.prediction.weight=[1]")


def test_a_bound_variable_is_derived(tmp_path: Path) -> None:
    (tmp_path / "part.yaml").write_text(PART)
    text = "factorgraph: 1\nuse: {a: {file: part.yaml, bind: {Y: 2 * X}}}\nvariables: {X: {kind: observed, shape: [2]}}\n"
    spec = loads(text, str(tmp_path / "spec.yaml"))
    assert str(spec.variables["a.Y"].first.is_) == "2 * X"
    assert spec.variables["a.Y"].first.kind is None
    learned = "learning: {fit: {loss: energy}}\ndata: {source: digits, bind: {a.Y: image}}\n"
    with pytest.raises(SpecError, match=r'FG441: "a.Y" is derived'):
        loads(text + learned, str(tmp_path / "spec.yaml"))
    with pytest.raises(SpecError, match=r"spec.yaml:2:42"):
        loads(text.replace("2 * X", "2 * W"), str(tmp_path / "spec.yaml"))


def test_a_fragments_name_is_no_entrys(tmp_path: Path) -> None:
    (tmp_path / "part.yaml").write_text(PART)
    text = USES.replace("FILE", "part.yaml") + "factors: {inner: {type: l1, of: inner.Z}}\n"
    with pytest.raises(SpecError, match='FG208: the name "inner" is taken: it is in use and in factors'):
        loads(text, str(tmp_path / "spec.yaml"))


TOLD = """\
use:
  a:
    file: mid.yaml                                        # spec.yaml:2
    bind:
      inner.Y: X                                          # spec.yaml:2
    with:
      inner.units: 4                                      # spec.yaml:2
      inner.inference.optimal.steps: 7                    # --set
  # a is mid.yaml:
  #   use:
  #     inner:
  #       file: part.yaml                                       # mid.yaml:3
  #       with:
  #         units: 4                                            # spec.yaml:2 (with)
  #         inference.optimal.steps: 7                          # --set (with)
  #     # inner is part.yaml:
  #     #   dims:
  #     #     units: 4                                                # spec.yaml:2 (with)
"""


def test_the_filled_spec_says_what_fragments_give_and_where_values_came_from(tmp_path: Path) -> None:
    (tmp_path / "part.yaml").write_text(PART)
    (tmp_path / "mid.yaml").write_text(USES.replace("FILE", "part.yaml"))
    use = "use: {a: {file: mid.yaml, bind: {inner.Y: X}, with: {inner.units: 4}}}\n"
    rest = "variables: {X: {kind: observed, shape: [2]}}\nvariants: {wide: {variables.X.shape: [2]}}\n"
    above = tmp_path / "spec.yaml"
    above.write_text(f"factorgraph: 1\n{use}{rest}")
    spec = load(above, ["a.inner.inference.optimal.steps=7"])
    told = spec.full(origins=True)
    assert TOLD in told
    assert "optimal: {method: argmin, of: Z, without: [], steps: 7," in spec.full()
    assert "    shape: [2]                                            # spec.yaml:4 (variant wide)\n" in spec.variant(
        "wide"
    ).full(origins=True)
    assert "--set" not in spec.full()
    assert loads(told, str(above)) == loads(spec.full(), str(above)) == spec
    assert loads(spec.to_yaml(), str(above)) == spec


def test_a_spec_in_python_uses_fragments_as_one_in_yaml_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "part.yaml").write_text(PART)
    (tmp_path / "mid.yaml").write_text(USES.replace("FILE", "part.yaml"))
    monkeypatch.chdir(tmp_path)
    b = fg.Builder("spec")
    X = b.observed("X", shape=2)
    a = b.use("a", "part.yaml", bind={"Y": X + 1}, with_={"units": 4})
    deep = b.use("deep", "mid.yaml", bind={"inner.Y": a.Y})
    near = b.factor("near", fg.factors.L1(of=a.encoder(X) - 2 * a.Z + deep.inner.encoder.transpose(deep.inner.Z)))
    b.learn("fit", train=[a, deep.inner], only=[a, near], set={"a.factors.prediction.weight": 0.5})
    text = """
factorgraph: 1
use: {a: {file: part.yaml, bind: {Y: X + 1}, with: {units: 4}}, deep: {file: mid.yaml, bind: {inner.Y: a.Y}}}
variables: {X: {kind: observed, shape: 2}}
factors: {near: {type: l1, of: a.encoder(X) - 2 * a.Z + deep.inner.encoder.transpose(deep.inner.Z)}}
learning: {fit: {train: [a, deep.inner], only: [a, near], set: {a.factors.prediction.weight: 0.5}}}
"""
    made = b.spec()
    assert made == loads(text)
    assert loads(made.to_yaml()) == made
    (tmp_path / "part.yaml").write_text(PART.replace("linear", "linaer"))
    with pytest.raises(SpecError, match=r"part\.yaml:6:22\n[\s\S]*= used as a in use\.a\n"):
        b.spec()


def test_a_name_that_no_file_can_have_is_told_at_the_use(tmp_path: Path) -> None:
    (tmp_path / "circle.yaml").symlink_to(tmp_path / "circle.yaml")
    for name in ("x" * 300, "circle.yaml"):
        (tmp_path / "spec.yaml").write_text(USES.replace("FILE", name))
        found = issue_of(tmp_path / "spec.yaml")
        assert found.code == "FG213" and found.place.line == 3


CHAIN = {
    "spec.yaml": "factorgraph: 1\nuse:\n  pair: {file: pair.yaml, with: {wide: 2.5}}\n",
    "pair.yaml": "factorgraph: 1\ndims: {wide: 3}\nuse:\n  low: {file: part.yaml, with: {units: wide}}\n",
    "part.yaml": PART,
}


def test_a_dim_that_is_no_size_is_told_where_the_outermost_with_gives_it(tmp_path: Path) -> None:
    for name, text in CHAIN.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(SpecError) as caught:
        load(tmp_path / "spec.yaml")
    (found,) = caught.value.issues
    assert found.place is not None
    assert (found.place.file, found.place.line, found.place.column) == (str(tmp_path / "spec.yaml"), 3, 40)
    assert (found.code, found.message) == ("FG314", "units = 2.5 is no whole number")
    part, pair = tmp_path / "part.yaml", tmp_path / "pair.yaml"
    assert found.notes[:2] == (f"variables.Z.shape.0 reads it, in {part}:5", f"use.low.with.units reads it, in {pair}:4")
    (tmp_path / "spec.yaml").write_text(CHAIN["spec.yaml"].replace("2.5", "3"))
    with pytest.raises(SpecError) as caught:
        load(tmp_path / "spec.yaml", ["pair.low.dims.units=1.5"])
    assert [each.place and each.place.file for each in caught.value.issues] == ["--set"]


@pytest.mark.parametrize(
    ("right", "wrong"),
    [("latent", "latnt"), ("encoder: linear", "encoder: liniar"), ("  Z:", "  W:"), ("factors:", "factors: ["), (PART, "3")],
)
def test_what_a_fragment_with_mistakes_lacks_is_not_missed(tmp_path: Path, right: str, wrong: str) -> None:
    (tmp_path / "part.yaml").write_text(PART.replace(right, wrong))
    (tmp_path / "pair.yaml").write_text("factorgraph: 1\nuse: {low: {file: part.yaml}}\n")
    more = "learning: {fit: {loss: energy, only: [pair.low.prediction], inference: [pair.low.optimal], steps: 1}}\n"
    more += "data: {source: digits, bind: {pair.low.Y: image, pair.low.V: image}}\nvariables: {A: 2 * pair.low.Z}\n"
    (tmp_path / "spec.yaml").write_text("factorgraph: 1\nuse: {pair: {file: pair.yaml}}\n" + more)
    with pytest.raises(SpecError) as caught:
        load(tmp_path / "spec.yaml")
    assert {each.place.file for each in caught.value.issues if each.place} == {str(tmp_path / "part.yaml")}


def test_what_a_fragment_does_not_observe_is_not_bound(tmp_path: Path) -> None:
    (tmp_path / "part.yaml").write_text(PART)
    (tmp_path / "spec.yaml").write_text("factorgraph: 1\nuse: {inner: {file: part.yaml, bind: {picture: X}}}\n")
    with pytest.raises(SpecError) as caught:
        load(tmp_path / "spec.yaml")
    assert (caught.value.issues[0].allowed, caught.value.issues[0].fix) == ("Y", "name one that is there")


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    for name in ("spec.yaml", "part.yaml"):
        (tmp_path / name).touch()
        os.truncate(tmp_path / name, 2**36)
    with pytest.raises(SpecError, match="FG102: a spec has at most 256 KiB, this one has 67108865"):
        load(tmp_path / "spec.yaml")
    (tmp_path / "spec.yaml").write_text(USES.replace("FILE", "part.yaml"))
    with pytest.raises(SpecError, match="FG102: a spec has at most") as caught:
        load(tmp_path / "spec.yaml")
    assert any("used as inner" in each for each in caught.value.issues[0].notes)
