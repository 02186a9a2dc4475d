"""Sphinx reads this. Formulas become MathML while the site is built, so that pages load nothing from a network."""

import re

from docutils.nodes import SkipNode
from docutils.utils.math.latex2mathml import tex2mathml

project, author, html_title = "factorgraph", "the factorgraph authors", "factorgraph"
extensions = ["myst_parser"]
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3
html_theme = "furo"
html_static_path, html_css_files = ["_static"], ["style.css"]
html_show_copyright = html_show_sphinx = html_copy_source = False
html_math_renderer = "mathml"
nitpicky = True
NAME = r"\\(?:log|exp|cosh|tanh|max|min|operatorname\{[^}]*\})"  # of a function: what stands beside it keeps a little away
suppress_warnings = ["misc.highlighting_failure"]


def setup(app):
    app.add_html_math_renderer("mathml", inline_renderers=(inline, None), block_renderers=(block, None))


def inline(self, node):
    self.body.append(mathml(node.astext(), False))
    raise SkipNode


def block(self, node):
    self.body.append(f'<div class="formula">{mathml(node.astext(), True)}</div>')
    raise SkipNode


def mathml(text, as_block):
    """The formula, after what the converter does not know is put in words that it does."""
    text = re.sub(r"\\[Bb]ig(?=[^a-z])", "", text).replace(r"\dots", r"\ldots")
    text = re.sub(r"\\([dt]?frac)(\w)(\w)", r"\\\1{\2}{\3}", text)  # half as LaTeX lets it be written
    text = re.sub(rf"(?<=[\w}})|]) *({NAME})", r"\,\1", text)
    text = re.sub(rf"({NAME}) *(?=[a-zA-Z]|\\[a-zA-Z])(?!\\left)", r"\1\,", text)
    lines = re.search(r"&|\\\\", text) and r"\begin" not in text
    made = tex2mathml(rf"\begin{{aligned}} {text} \end{{aligned}}" if lines else text, as_block)
    return re.sub(r"<mo[^>]*>([|‖])</mo>", r'<mo stretchy="false" lspace="0" rspace="0">\1</mo>', made)  # bars of one height
