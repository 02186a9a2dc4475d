"""What the README and the pages say is true: specs validate, commands run as they stand there, links lead somewhere."""

from __future__ import annotations

import html
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from factorgraph.__main__ import main
from factorgraph.cli.app import COMMANDS
from factorgraph.errors import SpecError
from factorgraph.spec.load import load, loads, specs

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def commands(page: Path) -> list[str]:
    return [line for block in blocks(page, "sh") for line in block.splitlines() if line.startswith("factorgraph ")]


@pytest.fixture
def command(monkeypatch, tmp_path, capsys):
    """Runs a line of a page in an empty folder that holds a photograph."""
    monkeypatch.chdir(tmp_path)
    rows, columns = np.mgrid[0:23, 0:37]
    Image.fromarray((127 + 100 * np.sin(rows / 3) * np.cos(columns / 5)).astype(np.uint8)).save(tmp_path / "photo.png")

    def run(line: str) -> int:
        monkeypatch.setattr(sys, "argv", shlex.split(line))
        with pytest.raises(SystemExit) as end:
            main()
        said = capsys.readouterr()
        assert end.value.code == 0, f"{line}\n{said.out}{said.err}"
        return 0

    return run


def test_the_readme_from_its_spec_to_a_coded_photograph(command, tmp_path):
    page = ROOT / "README.md"
    (spec,) = blocks(page, "yaml")
    assert len(spec.splitlines()) <= 20
    (tmp_path / "mine.yaml").write_text(spec)
    elsewhere = {"compare", "diff", "export", "fetch", "fill", "list", "reproduce", "watch"}
    assert {line.split()[1] for line in commands(page)} == set(COMMANDS) - elsewhere
    for line in commands(page):
        command(line)
    assert (tmp_path / "mine.svg").exists()
    with Image.open(next(each for each in (tmp_path / "inferred").iterdir() if each.suffix == ".png")) as picture:
        assert picture.size == (37, 23)
    (code,) = blocks(page, "python")
    exec(compile(code.replace('fg.train(spec)  ', 'fg.open("runs/mine-0001")  '), "README.md", "exec"), made := {})
    assert made["energy"].shape == (3,)


def test_the_commands_of_the_readme_are_those_of_the_makefile():
    text, makefile = (ROOT / "README.md").read_text(), (ROOT / "Makefile").read_text()
    for target in ("demo", "test"):
        assert f"```sh\nmake {target}\n```" in text
    for target in set(re.findall(r"`make (\w+)`", "\n".join(page.read_text() for page in PAGES))):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_every_command_has_a_line_in_the_readme_and_a_section_in_the_page():
    readme, page = (ROOT / "README.md").read_text(), (ROOT / "docs" / "cli.md").read_text()
    for name in COMMANDS:
        assert f"| `factorgraph {name} " in readme
        assert f"\n## factorgraph {name} " in page


def test_the_tutorial(command, tmp_path):
    page = ROOT / "docs" / "tutorial.md"
    for name, spec in zip(("patches.yaml", "psd_small.yaml", "lista_small.yaml"), blocks(page, "yaml"), strict=True):
        (tmp_path / name).write_text(spec)
    for line in commands(page):
        command(line)
    (infer,) = re.findall(r"factorgraph infer .*$", page.read_text(), re.MULTILINE)
    assert infer in commands(page)
    with np.load(tmp_path / "coded" / "inferred.npz", allow_pickle=False) as coded:
        assert "energy" in coded.files
    (code,) = blocks(page, "python")
    exec(compile(code, "tutorial.md", "exec"), {})


def test_the_page_on_specs_in_python(monkeypatch, tmp_path, capsys):
    """Its pieces run in their order; the first writes the tutorial's first spec, and the mistake is told as shown."""
    import factorgraph as fg

    monkeypatch.chdir(tmp_path)
    page = ROOT / "docs" / "python.md"
    first, use, opened, claims, wrong, loops = blocks(page, "python")
    exec(compile(first, "python.md", "exec"), made := {})
    assert made["spec"] == fg.loads(capsys.readouterr().out, "patches.yaml")
    assert made["spec"] == fg.loads(blocks(ROOT / "docs" / "tutorial.md", "yaml")[0], "patches.yaml")
    exec(compile(use, "python.md", "exec"), made)
    assert made["run"].model is not None and (tmp_path / "patches.svg").exists()
    exec(compile(opened, "python.md", "exec"), made)
    assert "energy" in capsys.readouterr().out and made["energies"].ndim == 1
    exec(compile(claims, "python.md", "exec"), made)
    assert list(made["claimed"].expect) == ["learns"] and made["claimed"].data.first.augment
    exec(compile(wrong, "python.md", "exec"), made)
    (shown,) = re.findall(r"^```\n(error .*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL)
    assert capsys.readouterr().out == shown
    exec(compile(loops, "python.md", "exec"), made)
    assert len(fg.loads(made["text"]).factors) == 3


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_whole_specs_in_pages_are_valid(page, command, tmp_path):
    for number, text in enumerate(each for each in blocks(page, "yaml") if each.startswith("factorgraph: 1")):
        path = tmp_path / f"shown{number}.yaml"
        path.write_text(text)
        command(f"factorgraph validate {path}")


def test_the_page_on_questions(command, tmp_path):
    page = ROOT / "docs" / "questions.md"
    (spec,) = blocks(page, "yaml")
    (tmp_path / "digits.yaml").write_text(spec)
    drawn, asked = blocks(page, "python")
    exec(compile(drawn, "questions.md", "exec"), {})
    for line in commands(page):
        command(line)
    for folder, name in {"coded": "photo-X", "filled": "photo-X", "drawn": "X", "between": "X"}.items():
        assert (tmp_path / folder / f"{name}.png").is_file(), folder
    exec(compile(asked, "questions.md", "exec"), made := {})
    assert made["label"].shape == (1,) and len(made["energies"]) == 10


def test_the_page_on_leaving(command, tmp_path):
    """Its spec learns, and is run without factorgraph as the page says."""
    page = ROOT / "docs" / "leaving.md"
    (spec,) = blocks(page, "yaml")
    (tmp_path / "digits.yaml").write_text(spec)
    for line in commands(page):
        command(line)
    for code in blocks(page, "python"):
        exec(compile(code, "leaving.md", "exec"), {})


def test_the_page_on_fragments(command, tmp_path):
    """Its hierarchy validates, is drawn closed and open, and learns; the mistake is told as shown."""
    page = ROOT / "docs" / "fragments.md"
    for text in blocks(page, "yaml"):
        (tmp_path / text.splitlines()[0].removeprefix("# ")).write_text(text)
    for line in commands(page):
        command(line)
    assert "decoder" not in (tmp_path / "hierarchy.svg").read_text()
    assert "decoder" in (tmp_path / "opened.svg").read_text()
    assert (tmp_path / "run" / "layer.yaml").read_text() == blocks(page, "yaml")[0]
    part = tmp_path / "layer.yaml"
    part.write_text(part.read_text().replace("bias: false", "bais: false"))
    (shown,) = re.findall(r"^```\n(error .*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL)
    with pytest.raises(SpecError) as told:
        load("hierarchy.yaml")
    assert str(told.value) + "\n" == shown


def test_commands_of_the_language_page_run(command):
    for line in commands(ROOT / "docs" / "language.md"):
        command(line)


def test_commands_about_specs_run(command):
    for line in commands(ROOT / "docs" / "cli.md"):
        if line.split()[1] in ("diff", "fill"):
            command(line)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links_lead_somewhere(page):
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", text):
        if not target.startswith("https://"):
            assert (page.parent / target).exists(), target
    headings = {re.sub(r"[^\w -]", "", line).lower().replace(" ", "-") for line in re.findall(r"^#+ (.+)$", text, re.MULTILINE)}
    for anchor in re.findall(r"\]\(#([^)]+)\)", text):
        assert anchor in headings


def test_the_reference_is_what_the_code_says():
    run(ROOT, "tools/reference.py", "--check")


def test_every_promise_names_a_test_that_exists():
    text = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")
    named = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", text)
    assert len(named) > 20
    for file, test in named:
        assert (ROOT / file).is_file(), file
        assert not test or f"def {test}(" in (ROOT / file).read_text(encoding="utf-8"), f"{file}::{test}"
    (said,) = re.findall(r"(\d+) deliberate bugs", text)
    assert int(said) == len(list((ROOT / "tests" / "bugs").glob("*.patch")))


def test_a_leaf_in_one_file(tmp_path):
    """The worked example of the architecture page, put where the page says, in a copy of the package."""
    (code,) = blocks(ROOT / "docs" / "architecture.md", "python")
    for name in ("factorgraph", "specs"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "factorgraph" / "factors" / "log_cosh.py").write_text(code)
    shutil.copytree(ROOT / "tests" / "laws", tmp_path / "tests" / "laws", ignore=shutil.ignore_patterns("__pycache__"))
    assert "log_cosh" in run(tmp_path, "-m", "factorgraph", "list", "factors")
    change = "factors.sparsity.type=log_cosh"
    assert "optimal: fista" in run(tmp_path, "-m", "factorgraph", "validate", "psd", "--set", change)
    run(tmp_path, "-m", "factorgraph", "render", "psd", "--set", change, "-o", "drawn.dot")
    assert "log cosh" in (tmp_path / "drawn.dot").read_text(encoding="utf-8")
    options = ("-q", "-p", "no:cacheprovider", "--import-mode=importlib", "-k", "log_cosh")
    laws = run(tmp_path, "-m", "pytest", *options, "tests/laws/test_factors.py")
    assert "passed" in laws or "100%" in laws


def run(folder: Path, *words: str) -> str:
    """What Python says in a folder, with the package that lies there."""
    setting = {**os.environ, "PYTHONPATH": str(folder), "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, *words], cwd=folder, env=setting, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_picture_is_of_the_spec_as_it_is():
    """Layouts differ between versions of Graphviz; what the picture says does not."""
    from factorgraph.graph.drawing import draw
    from factorgraph.graph.resolve import resolve
    from factorgraph.spec.load import load

    picture = html.unescape((ROOT / "docs" / "pictures" / "psd.svg").read_text(encoding="utf-8")).replace("\xa0", " ")
    for node in draw(resolve(load("psd"))).nodes:
        for line in node.lines:
            assert line in picture, f"{line}: draw it again, factorgraph render psd -o docs/pictures/psd.svg"


def test_the_message_in_the_page_on_the_language_is_what_is_said():
    (spec,) = blocks(ROOT / "README.md", "yaml")
    wrong = spec.replace("{type: l1, of: Z}", "{type: l1, of: Z, wieght: 0.5}")
    with pytest.raises(SpecError) as caught:
        loads(wrong, "mine.yaml")
    assert str(caught.value) in (ROOT / "docs" / "language.md").read_text()


def test_the_tutorial_names_every_spec_that_can_be_trained():
    there = [each.name for each in specs() if each.name]
    named = re.findall(r"^\| \[(\S+)\]\(\.\./specs/\1\.yaml\)", (ROOT / "docs" / "tutorial.md").read_text(), re.MULTILINE)
    assert sorted(named) == sorted(there)
