"""Laws of the house: what may import what, which doors lead to which library, what is nowhere, what is written down."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from factorgraph import registry

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "factorgraph"
MODULES = sorted(PACKAGE.rglob("*.py"))
PAGES = PACKAGE / "explanations"

BASICS = {"errors", "lazy", "notebook", "structure", "version", "whole"}
LEAVES = {"factors", "inference", "losses", "metrics"}
# Imports run one way: a room may use these and itself. Leaves meet only in compile/, where plans are made.
MAY_USE = {
    "errors": set(),
    "notebook": set(),
    "version": set(),
    "lazy": set(),
    "whole": set(),
    "promises": set(),
    "structure": {"promises", "spec"},  # expressions are the edges of the graph, so they are part of a leaf's class
    "registry": {"structure"},
    "spec": {"errors", "notebook", "structure", "registry"},
    "factors": {*BASICS, "spec"},
    "kernels": {*BASICS},
    "inference": {*BASICS, "spec", "kernels"},
    "losses": {*BASICS, "spec", "inference"},
    "metrics": {*BASICS, "spec"},
    "data": {*BASICS, "spec"},
    "graph": {*BASICS, "registry", "spec"},
    "compile": {*BASICS, *LEAVES, "kernels", "registry", "spec", "graph", "data"},
    "lint": {*BASICS, *LEAVES, "registry", "spec", "graph", "compile"},
    "run": {*BASICS, *LEAVES, "registry", "spec", "graph", "data", "compile"},
    "training": {*BASICS, *LEAVES, "kernels", "registry", "spec", "graph", "data", "compile", "lint", "run"},
    "report": {*BASICS, "registry", "spec", "graph", "compile", "lint", "run"},
    "leaving": {*BASICS, *LEAVES, "spec", "graph", "compile", "training", "run"},
    "cli": {*BASICS, "registry", "spec", "graph", "data", "compile", "lint", "run", "training", "report", "leaving"},
    "__main__": {"cli", "errors"},
    "__init__": {"errors", "version"},
}
BACKWARDS = {("run", "training")}  # run.resume() starts learning: imported when it is called

DOORS = {  # one doorway to each library
    "yaml": {"spec"},
    "networkx": {"graph"},
    "graphviz": {"graph"},
    "pygraphviz": {"graph"},
    "subprocess": {"graph", "training", "kernels"},  # the layout, git for the row of a table, the compiler
    "ctypes": {"kernels"},
    "click": {"cli", "__main__"},
    "rich": {"cli"},
    "matplotlib": {"run"},
    "safetensors": {"run"},
    "filelock": {"run", "data"},
    "jinja2": {"report"},
    "xml": {"report"},
    "http": {"report"},  # serves a run to this machine, and asks nobody
    "pooch": {"data"},  # the only one that reaches out, for `factorgraph fetch`
    "onnx": {"leaving"},
    "onnxscript": {"leaving"},
    "PIL": {"data"},
    "av": {"data"},
    "platformdirs": {"data", "kernels"},
    "triton": {"kernels"},
}
NOWHERE = {"pickle", "dill", "joblib", "marshal", "shelve", "runpy", "requests", "urllib", "ftplib", "socketserver"}
RUNNING = {"eval", "exec", "compile", "__import__", "torch.load", "torch.save", "os.system", "os.popen", "np.load"}


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def room(name: str) -> str:
    parts = name.split(".")
    return parts[1] if len(parts) > 1 else "__init__"


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts)


def imports(path: Path) -> Iterator[tuple[str, bool]]:
    """What a module imports, and whether at its top. What only type checkers see does not count."""
    todo: list[tuple[ast.AST, bool]] = [(node, True) for node in tree(path).body]
    while todo:
        node, top = todo.pop()
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            todo += [(each, top) for each in node.orelse]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0 and node.module, f"{path}: imports are written in full"
            yield from ((f"factorgraph.{each.name}" if node.module == "factorgraph" else node.module, top) for each in node.names)
        elif isinstance(node, ast.Import):
            yield from ((each.name, top) for each in node.names)
        else:
            inner = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            todo += [(each, top and not inner) for each in ast.iter_child_nodes(node)]


def test_imports_run_one_way():
    wrong = []
    for path in MODULES:
        here = room(name_of(path))
        for target, top in imports(path):
            there = room(target)
            allowed = there == here or there in MAY_USE[here] or ((here, there) in BACKWARDS and not top)
            if target.startswith("factorgraph.") and not allowed:
                wrong.append(f"{name_of(path)} imports {target}")
    assert not wrong


def test_leaves_never_import_each_other():
    homes = {f"{package}." for package in registry.FAMILIES.values()}
    wrong = []
    for path in MODULES:
        here = name_of(path)
        for target, _ in imports(path):
            home = f"{target.rpartition('.')[0]}."
            is_leaf = home in homes and not target.rpartition(".")[2].startswith("_") and target != f"{home}__init__"
            if is_leaf and f"{target}." not in homes:
                wrong.append(f"{here} imports the leaf {target}")
    assert not wrong


def test_each_library_has_one_doorway():
    wrong = []
    for path in MODULES:
        for target, _ in imports(path):
            library = target.split(".")[0]
            if library in NOWHERE or (library in DOORS and room(name_of(path)) not in DOORS[library]):
                wrong.append(f"{name_of(path)} imports {target}")
    assert not wrong


def test_nothing_runs_what_is_data():
    wrong = []
    for path in MODULES:
        for node in ast.walk(tree(path)):
            if not isinstance(node, ast.Call):
                continue
            called = ast.unparse(node.func)
            if called in RUNNING:
                wrong.append(f"{name_of(path)}:{node.lineno} calls {called}")
            if called.startswith("yaml.") and "load" in called:
                wrong.append(f"{name_of(path)}:{node.lineno} calls {called}")
            for option in node.keywords:
                if option.arg in ("shell", "allow_pickle") and ast.unparse(option.value) != "False":
                    wrong.append(f"{name_of(path)}:{node.lineno} gives {option.arg}")
    assert not wrong


def test_modules_are_imported_by_name_only_where_names_come_from_us():
    """``importlib`` serves the registry, the lazy doorway, the commands and the public names, and no word of a spec."""
    using = {name_of(path) for path in MODULES if "import_module" in path.read_text(encoding="utf-8")}
    assert using == {"factorgraph.registry", "factorgraph.lazy", "factorgraph.cli.app", "factorgraph.__init__"}


def test_no_error_is_swallowed_in_silence():
    wrong = []
    for path in MODULES:
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.ExceptHandler):
                broad = node.type is None or ast.unparse(node.type) in ("Exception", "BaseException")
                if broad and all(isinstance(each, ast.Pass) for each in node.body):
                    wrong.append(f"{name_of(path)}:{node.lineno}")
    assert not wrong


def test_files_and_functions_fit_the_eye():
    wrong = [f"{name_of(path)}: a file of more than 400 lines" for path in MODULES if len(path.read_text().splitlines()) > 400]
    for path in MODULES:
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.FunctionDef) and (node.end_lineno or 0) - node.lineno >= 60:
                wrong.append(f"{name_of(path)}.{node.name}: a function of more than 60 lines")
    assert not wrong


# --- what is written down


def codes() -> set[str]:
    texts = (path.read_text(encoding="utf-8") for path in MODULES)
    return {code for text in texts for code in re.findall(r'"(FGW?\d{3})"', text)}


def test_every_code_has_a_page_and_every_page_a_code():
    pages = {page.stem for page in PAGES.iterdir()}
    assert codes() - pages == set()
    assert pages - codes() == set()


@pytest.mark.parametrize("page", sorted(PAGES.iterdir()), ids=lambda page: page.stem)
def test_a_page_has_a_title_and_says_why(page):
    title, blank, *body = page.read_text(encoding="utf-8").splitlines()
    assert title.startswith(f"# {page.stem}: ") and not title.endswith(".")
    assert blank == "" and len(" ".join(body)) > 60
    assert page.read_text().count("```") % 2 == 0


FAMILY_LAWS = {  # a law over the registry that every new leaf of the family earns
    "factors": "laws/test_factors.py",
    "functions": "laws/test_functions.py",
    "solvers": "laws/test_solvers.py",
}


@pytest.mark.parametrize("family", registry.FAMILIES)
def test_every_leaf_is_reached_by_a_test(family):
    if family in FAMILY_LAWS:
        text = (ROOT / "tests" / FAMILY_LAWS[family]).read_text()
        assert f'leaves("{family}")' in text
        return
    files = [path for path in (ROOT / "tests").rglob("test_*.py") if path.name != "test_house.py"]
    files += [path for path in (ROOT / "specs").rglob("*.yaml") if "drafts" not in path.parts]
    text = "\n".join(path.read_text(encoding="utf-8") for path in files)
    unreached = [name for name in registry.leaves(family) if not re.search(rf"\b{name}\b", text)]
    assert not unreached


# --- what is in the repository


@cache
def tracked() -> list[Path]:
    done = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip("this is no clone")
    files = [ROOT / name for name in done.stdout.split("\0") if name]
    return [path for path in files if path.is_file() and not path.is_symlink()]


def test_nothing_generated_private_or_large_is_tracked():
    wrong = []
    for path in tracked():
        parts = path.relative_to(ROOT).parts
        generated = {"__pycache__", ".venv", "runs", "dist", ".hypothesis"} & set(parts)
        if generated or path.suffix in (".pyc", ".whl", ".pt", ".pth", ".pkl"):
            wrong.append(str(path))
        if path.stat().st_size > 1_000_000:
            wrong.append(f"{path} has {path.stat().st_size} bytes")
    assert not wrong


def test_no_text_is_left_to_be_done_or_names_a_place_of_somebody_s_machine():
    unwanted = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b|(?<![\w./])/(work|home|root|Users)/")
    wrong = []
    for path in tracked():
        if path.suffix in (".py", ".md", ".yaml", ".toml", ".sh", ".txt", ".cff", "") and path != Path(__file__):
            text = path.read_text(encoding="utf-8")
            wrong += [f"{path.relative_to(ROOT)}: {found.group()}" for found in unwanted.finditer(text)]
    assert not wrong
