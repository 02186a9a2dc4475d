"""Hostile text is text: in DOT, SVG and Mermaid alike."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import replace
from xml.etree import ElementTree

import pytest
import sketches
from sketches import Sketch

from factorgraph.graph.drawing import check, dot, draw, mermaid, png, svg
from factorgraph.graph.drawing.text import JOINER, LONGEST, markup, plain, quoted, subscript

HOSTILE = {
    "quotes": "\"double\" 'single' `back`",
    "script": "<script>alert(1)</script>",
    "entity": "&lt;b&gt; &amp;amp; &#60;",
    "backslash": r"\N \G \l \" C:\new\table",
    "ends label": '>]; evil [label="x"] <',
    "newline": "two\nlines",
    "carriage": "two\r\nlines\rthree",
    "tab": "a\tb",
    "nul": "a\x00b\x1bc",
    "surrogate": "a\ud800b",
    "turned": "abc\u202edef\u2066",
    "separator": "a\u2028b",
    "cyrillic": "Разреженное кодирование é ñ 稀疏",
    "emoji": "🙂 codes",
    "yaml": "a: b # c --- 'd'",
    "mermaid": "a --> b; click a href \"javascript:alert(1)\" %%{init: {}}%%",
    "html": "<b>bold</b><img src=x onerror=alert(1)>",
    "percent": "100% ${HOME} $(id)",
}


@pytest.mark.parametrize("title", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_title_is_shown_as_it_is(title):
    drawing = replace(draw(sketches.sparse_coding()), title=title, notes=(title,))
    picture = svg(drawing)
    root = ElementTree.fromstring(picture)
    texts = [(each.text or "").replace(JOINER, "") for each in root.iter("{http://www.w3.org/2000/svg}text")]
    flat = "".join("".join(texts).split())
    assert "".join(plain(title).split()) in flat
    tags = {each.tag.rpartition("}")[2] for each in root.iter()}
    assert tags <= {"svg", "g", "title", "text", "path", "polygon", "polyline", "ellipse", "tspan"}
    assert not any(name.rpartition("}")[2] in ("href", "onload", "onerror") for each in root.iter() for name in each.attrib)
    assert check(drawing) == []


@pytest.mark.parametrize("name", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_name_stays_a_label(name):
    """Names cannot be hostile: the loader refuses them. The drawing does not rely on it."""
    drawing = draw(sketches.sparse_coding())
    nodes = tuple(replace(each, lines=(name, *each.lines[1:])) for each in drawing.nodes)
    root = ElementTree.fromstring(svg(replace(drawing, nodes=nodes)))
    assert {each.tag.rpartition("}")[2] for each in root.iter()} <= {"svg", "g", "title", "text", "path", "polygon", "ellipse"}
    assert len(root.findall(".//*[@class='node']")) == len(nodes)


@pytest.mark.parametrize("title", HOSTILE.values(), ids=HOSTILE.keys())
def test_mermaid_holds_no_text_outside_its_quotes(title):
    drawing = draw(sketches.sparse_coding())
    nodes = tuple(replace(each, lines=(title, *each.lines[1:])) for each in drawing.nodes)
    text = mermaid(replace(drawing, title=title, nodes=nodes))
    head, *rest = text.split("---\n")[1:]
    assert json.loads(head.removeprefix("title: ")) == plain(title).replace("\n", " ")
    assert "<script" not in text and "<img" not in text
    for line in rest[0].splitlines()[1:]:
        outside = re.sub(r'"[^"]*"', "", line)
        assert re.fullmatch(r"  [\w ()\[\],:#.;-]*(-->|---)?[\w ()\[\],:#.;-]*", outside), line


def test_a_hostile_activation_or_type_is_text():
    sketch = Sketch("types").variable("Y", "observed", 5).function("f", "<i>x</i> \\N", 5)
    assert "&lt;i&gt;x&lt;/i&gt;" in dot(draw(sketch.factor("a", "l1", "f(Y)").graph()))


def test_a_very_long_title_is_wrapped_and_cut():
    drawing = replace(draw(sketches.psd()), title="word " * 3000)
    assert dot(drawing).count("word") <= LONGEST // 4
    assert check(drawing) == []


def test_an_empty_title_is_no_title():
    assert check(replace(draw(sketches.psd()), title="")) == []


def test_markup_is_entities_only():
    assert markup("<a b=\"c\" d='e'>&\\N") == "&lt;a b=&quot;c&quot; d=&#39;e&#39;&gt;&amp;&#92;\u2060N"
    assert quoted('x"];--><!') == '"x#34;]#59;--#62;#60;#33;"'
    assert subscript("Z", 1, 20) == "Z₁,₂₀"


def test_a_picture_of_nothing_but_a_factor_is_a_picture():
    sketch = Sketch("one").variable("Y", "observed")
    assert png(sketch.factor("f", "l1", "Y").graph()).startswith(b"\x89PNG")


def test_importing_the_drawing_imports_nothing_heavy():
    code = (
        "import sys, factorgraph.graph.drawing\n"
        "print([n for n in ('torch', 'numpy', 'matplotlib', 'pygraphviz', 'networkx', 'graphviz') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
