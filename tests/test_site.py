"""The site has a place for each spec, leaf, key, command, code and public name, and shows no picture that it may not."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import factorgraph as fg
from factorgraph import registry
from factorgraph.cli.app import COMMANDS
from factorgraph.spec.load import load, specs
from tests.report.browser import opened

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def tools():
    """The modules that build the site, loaded as its command loads them."""
    sys.path.insert(0, str(ROOT / "tools"))
    try:
        location = importlib.util.spec_from_file_location("factorgraph_site", ROOT / "tools" / "site.py")
        site = importlib.util.module_from_spec(location)
        location.loader.exec_module(site)
        yield site
    finally:
        sys.path.remove(str(ROOT / "tools"))


@pytest.fixture(scope="module")
def site(tools, tmp_path_factory):
    folder = tmp_path_factory.mktemp("site") / "source"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tools.gallery, "fingerprint", lambda *_: "")  # reads every leaf of every spec: not what is tried here
        tools.sources(folder)
    return folder


def test_every_leaf_has_its_section_and_every_key_its_row(site):
    for family in registry.FAMILIES:
        text = (site / "leaves" / f"{family}.md").read_text("utf-8")
        sections = dict(re.findall(r"^## (\S+)\n(.*?)(?=^\(|\Z)", text, re.MULTILINE | re.DOTALL))
        assert set(sections) == set(registry.leaves(family)), family
        for name, section in sections.items():
            for key in set(registry.describe(family, name).fields) - {"source", "method"}:
                assert f"| `{key}` |" in section, f"{family} {name} {key}"
            assert f"({family}.md#{family}-{name})" in (site / "leaves" / "index.md").read_text("utf-8")


def test_every_spec_has_its_page_and_its_card(site):
    index = (site / "gallery" / "index.md").read_text("utf-8")
    for each in specs():
        if each.name:
            page = (site / "gallery" / f"{each.name}.md").read_text("utf-8")
            assert each.path.read_text("utf-8").rstrip() in page
            assert f'href="{each.name}.html"' in index and f"\n{each.name}\n" in index
            assert all(claim.claim in page.replace("\\|", "|") for claim in load(each.name).expect.values()), each.name


def test_every_code_and_every_command_has_its_place(site):
    index = (site / "codes" / "index.md").read_text("utf-8")
    for page in (ROOT / "factorgraph" / "explanations").glob("*.md"):
        assert f"[{page.stem}]({page.name})" in index
        assert page.read_text("utf-8") in (site / "codes" / page.name).read_text("utf-8")
    commands = (site / "cli.md").read_text("utf-8")
    for name in COMMANDS:
        assert re.search(rf"^## factorgraph {name}\b", commands, re.MULTILINE), name


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_of_a_command_stands_in_its_section(name):
    """Those that several commands share may be told in another's section."""
    command = importlib.import_module(f"factorgraph.cli.{name}_").command
    page = (ROOT / "docs" / "cli.md").read_text("utf-8")
    sections = re.findall(rf"^## factorgraph {name}\b.*?(?=^## |\Z)", page, re.MULTILINE | re.DOTALL)
    shared = {"--set", "--json", "--device", "--data", "--precision", "--help"}
    for parameter in command.params:
        spellings = {*parameter.opts, *parameter.secondary_opts}
        if parameter.param_type_name == "option" and not spellings & shared:
            assert any(each in section for each in spellings for section in sections), f"{name} {parameter.opts}"
    assert all(option in page for option in shared - {"--help"})


def test_every_public_name_is_told(site):
    text = (site / "api.md").read_text("utf-8")
    for name in fg.__all__:
        assert f"fg.{name}" in text, name


def test_every_page_stands_in_the_menu(site):
    menu = "".join(re.findall(r"^```\{toctree\}\n(.*?)^```$", (site / "index.md").read_text("utf-8"), re.MULTILINE | re.DOTALL))
    for page in (ROOT / "docs").glob("*.md"):
        assert page.stem == "index" or f"\n{page.stem}\n" in menu, page


def test_every_whole_spec_of_a_page_is_drawn(site):
    for page in ("ideas", "tutorial", "questions", "strategies"):
        text = (site / f"{page}.md").read_text("utf-8")
        assert text.count("factorgraph: 1\n") == text.count(":class: diagram")
    assert "drawn/fragments-hierarchy.svg" in (site / "fragments.md").read_text("utf-8")  # its part is drawn with it


def test_what_a_command_draws_stands_beneath_it(site):
    text = (site / "diagrams.md").read_text("utf-8")
    assert text.count("factorgraph render ") == text.count("What this command draws") > 10
    for name in re.findall(r"{image} (drawn/\S+)", text):
        assert (site / name).read_text("utf-8").startswith(("<svg", "<?xml")), name
    assert (site / "drawn" / "diagrams-lista.svg").read_text("utf-8").count(">shrink<") == 4


def test_only_what_is_free_is_shown(site, tools):
    """Pictures of data, or learned from data, are kept only where the data are generated or come with scikit-learn."""
    pictures = sys.modules["pictures"]
    may = {each.name: pictures.may_be_shown(load(each.name)) for each in specs() if each.name}
    assert may["toy/pca"] and may["psd"] and not may["psd_mnist"] and not may["psd_hierarchy"]
    assert not pictures.may_be_shown(load("psd", ["data.folder=photos"]))
    for folder in (pictures.KEPT, site / "_static" / "figures"):
        for file in folder.rglob("*.png"):
            assert may[file.parent.relative_to(folder).as_posix()], file
            assert folder != pictures.KEPT or file.stat().st_size < 100_000, file


def test_formulas_need_no_network():
    """Every formula of a docstring or a page becomes MathML while the site is built."""
    location = importlib.util.spec_from_file_location("factorgraph_site_conf", ROOT / "tools" / "pages" / "theme" / "conf.py")
    conf = importlib.util.module_from_spec(location)
    location.loader.exec_module(conf)
    pages = [each.read_text("utf-8") for each in (ROOT / "docs").glob("*.md")]
    texts = [registry.leaves(family)[name].__doc__ or "" for family in registry.FAMILIES for name in registry.leaves(family)]
    formulas = [each for text in pages for each in re.findall(r"\$\$(.*?)\$\$", text, re.DOTALL)]
    formulas += [each for text in texts for each in re.findall(r"\.\. math:: *(.*(?:\n(?: {8,}.*)?)*)", text)]
    assert len(formulas) > 90
    for each in formulas:
        assert conf.mathml(each.strip(), True).startswith("<math"), each
    assert conf.mathml(r"\frac12 x", True) == conf.mathml(r"\frac{1}{2} x", True)


def test_on_a_telephone_a_wide_table_scrolls_and_its_page_does_not(tmp_path):
    """The page of claims, built alone: its tables are the widest of the site."""
    pytest.importorskip("furo")
    theme, source = ROOT / "tools" / "pages" / "theme", tmp_path / "source"
    (source / "_static").mkdir(parents=True)
    for file, copy in (("conf.py", "conf.py"), ("style.css", "_static/style.css")):
        shutil.copyfile(theme / file, source / copy)
    tables = (ROOT / "docs" / "claims.md").read_text("utf-8").replace("](", "] (")  # to pages that are not there
    (source / "index.md").write_text(tables, "utf-8")
    command = [sys.executable, "-m", "sphinx", "-q", "-b", "html", str(source), str(tmp_path / "site")]
    subprocess.run(command, check=True)
    with opened() as tab:
        tab.ask("Emulation.setDeviceMetricsOverride", width=360, height=740, deviceScaleFactor=2, mobile=True)
        tab.open((tmp_path / "site" / "index.html").as_uri())
        tab.run("window.scrollTo(500, 0)")
        tab.run("document.querySelectorAll('article table').forEach(e => e.parentElement.scrollLeft = 300)")
        assert tab.run("[window.innerWidth, window.scrollX, document.documentElement.scrollWidth]") == [360, 0, 360]
        assert tab.run("Math.min(...[...document.querySelectorAll('article table')].map(e => e.parentElement.scrollLeft))") == 300
        assert tab.run("Math.max(...[...document.querySelectorAll('article > *')].map(e => e.scrollWidth))") <= 360
