"""What all small texts of the language share: names, the checks before Python's parser, and mistakes that point inside a text."""

from __future__ import annotations

import ast
import keyword
import re
from dataclasses import dataclass
from typing import Literal

from pydantic_core import PydanticCustomError

from factorgraph.errors import Issue, Path

LONGEST_TEXT = 2000  # characters of one expression
DEEPEST = 32  # levels of nesting
MOST_NODES = 200
MOST_TOKENS = 1000  # more can't fit 200 nodes, redundant brackets apart; bounds what Python's parser is given
LONGEST_NUMBER = 40  # characters of one written number
LONGEST_NAME = 64
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")

Span = tuple[int, int]
Language = Literal["value", "constant", "claim"]
ALLOWED: dict[Language, str] = {
    "value": "names, numbers, + - *, brackets, calls such as decoder(Z), slots such as Z[t-1], outputs such as pool(H).what",
    "constant": "numbers, names of dims and indices, + - * /, brackets, size(VARIABLE)",
    "claim": "numbers, + - * /, brackets, metrics such as energy(optimal), after a state if wanted: start.energy(optimal)",
}

_TOKEN = re.compile(
    r"(?P<space>\s+)|(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)|(?P<word>[A-Za-z_]\w*)"
    r"|(?P<operator>\*\*|//|==|!=|<=|>=|:=|->|[-+*/<>=%@&|^~!])|(?P<open>[(\[{])|(?P<close>[)\]}])|(?P<comma>,)|(?P<dot>\.)|(?P<other>.)",
    re.ASCII | re.DOTALL,
)
_CLOSES = {"(": ")", "[": "]", "{": "}"}
_OPERATORS = {
    "**": "there is no power; write a product, x * x",
    "//": "there is no whole division",
    "=": "arguments have no names here; give them in their order",
    "%": "there is no remainder",
    "@": "there is no matrix product; declare a linear function and call it",
    "&": "there is no logic here",
    "|": "there is no logic here",
    "^": "there is no power; write a product, x * x",
    "~": "there is no logic here",
    "!": "there is no logic here",
}
_CHARACTERS = {
    "'": "text in quotes has no place here; names are written without quotes",
    '"': "text in quotes has no place here; names are written without quotes",
    ":": "there are no ranges and no ':' here; a slot is one, as in Z[2] or Z[t-1]",
    "{": "there are no curly brackets here",
    "}": "there are no curly brackets here",
    "\\": "a backslash has no meaning here",
    "#": "a comment has no place inside",
    ";": "there is one expression, without ';'",
}


class ExpressionError(ValueError):
    """A mistake in an expression, a constant or a claim: what, where in its text, what is allowed, how to mend it."""

    def __init__(
        self,
        code: str,
        message: str,
        span: Span | None = None,
        allowed: str = "",
        fix: str = "",
        *,
        replacement: str | None = None,
        path: Path | None = None,  # where the text stands, if it isn't the one that was asked about: a dim used by a weight
    ):
        super().__init__(message)
        self.code, self.message, self.span = code, message, span
        self.allowed, self.fix, self.replacement, self.path = allowed, fix, replacement, path

    def issue(self, path: Path = ()) -> Issue:
        """The same as an issue at an address."""
        where = path if self.path is None else self.path
        return Issue(
            self.code, self.message, where, span=self.span, allowed=self.allowed, fix=self.fix, replacement=self.replacement
        )

    def for_pydantic(self) -> PydanticCustomError:
        """The same as a field's validation error: its type is the code, its ``ctx`` the rest of the issue."""
        context = {
            "message": self.message,
            "span": self.span,
            "allowed": self.allowed,
            "fix": self.fix,
            "replacement": self.replacement,
            "path": self.path,
        }
        return PydanticCustomError(self.code, "{message}", context)


def check_name(name: str) -> str:
    """Why a word cannot be a name, as a sentence; empty if it can."""
    if len(name) > LONGEST_NAME:
        return f"a name has at most {LONGEST_NAME} characters, this one has {len(name)}"
    if not NAME.fullmatch(name):
        return "a name is a letter or _, then letters, digits and _ (no accents)"
    if keyword.iskeyword(name):
        return f'"{name}" is a word of Python\'s, on whose grammar expressions are built, and cannot be a name'
    return ""


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    span: Span


def python_tree(text: str, language: Language) -> ast.expr:
    """The text as Python's tree, after checks that make parsing safe; columns are those of ``text`` plus one.

    Raises :class:`ExpressionError`.
    """
    if len(text) > LONGEST_TEXT:
        raise ExpressionError(
            "FG301", f"an expression has at most {LONGEST_TEXT} characters, this one has {len(text)}", fix="name its parts"
        )
    tokens = _tokens(text, language)
    _check_brackets(tokens, language)
    _check_order(tokens, text, language)
    flat = re.sub(r"\s", " ", text)
    try:
        tree = ast.parse(f"({flat})", mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        raise _syntax(error, text, language) from None
    _check_size(tree)
    return tree


def span_of(node: ast.AST) -> Span:
    """The characters of a node of :func:`python_tree` in the text: all are ASCII, so bytes are characters."""
    return (node.col_offset - 1, node.end_col_offset - 1)  # type: ignore[attr-defined]


def refuse(node: ast.AST, message: str, language: Language, code: str = "FG305", fix: str = "") -> ExpressionError:
    """A mistake that a node of Python's tree is."""
    return ExpressionError(code, message, span_of(node), ALLOWED[language], fix)


def _tokens(text: str, language: Language) -> list[_Token]:
    found = []
    for match in _TOKEN.finditer(text):
        kind, token = match.lastgroup or "", match.group()
        if kind == "space":
            continue
        span = match.span()
        problem, code, fix = _problem(kind, token)
        if problem:
            raise ExpressionError(code, problem, span, ALLOWED[language], fix)
        found.append(_Token(kind, token, span))
        if len(found) > MOST_TOKENS:
            raise ExpressionError("FG302", f"an expression has at most {MOST_NODES} parts", fix="name its parts")
    if not found:
        raise ExpressionError("FG304", "nothing is written here", (0, len(text)), ALLOWED[language])
    return found


def _problem(kind: str, token: str) -> tuple[str, str, str]:
    """What is wrong with a token taken alone: message, code, fix; empty strings if nothing is."""
    if kind == "other" or token in "{}":
        told = _CHARACTERS.get(token)
        return told or f"the character {token!r} has no place here", "FG303", ""
    if kind == "operator" and token not in ("+", "-", "*", "/"):
        return _OPERATORS.get(token, "there are no comparisons here"), "FG305", ""
    if kind == "word" and keyword.iskeyword(token):
        return f'"{token}" is a word of Python\'s and has no meaning here', "FG305", ""
    if kind == "word" and (problem := check_name(token)):
        return problem, "FG308", ""
    if kind == "number":
        if len(token) > LONGEST_NUMBER:
            return f"a number is written with at most {LONGEST_NUMBER} characters", "FG319", "write it as 1e12"
        if re.match(r"0\d", token):
            return f"{token} begins with a zero", "FG319", f"write {token.lstrip('0') or '0'}"
        if float(token) == float("inf"):
            return f"{token} is too large for a number", "FG319", ""
    return "", "", ""


def _check_brackets(tokens: list[_Token], language: Language) -> None:
    opened: list[_Token] = []
    for token in tokens:
        if token.kind == "open":
            opened.append(token)
            if len(opened) > DEEPEST:
                message = f"brackets are nested deeper than {DEEPEST}"
                raise ExpressionError("FG302", message, token.span, fix="name the inner parts")
        elif token.kind == "comma" and not opened:
            raise ExpressionError("FG304", "a comma outside a call", token.span, fix="a list is written in YAML, with [ and ]")
        elif token.kind == "close":
            if not opened or _CLOSES[opened[-1].text] != token.text:
                message = f'"{token.text}" closes nothing that is open here'
                raise ExpressionError("FG304", message, token.span, ALLOWED[language], "remove it, or open it before")
            opened.pop()
    if opened:
        last = opened[-1]
        message = f'"{last.text}" is never closed'
        raise ExpressionError("FG304", message, last.span, fix=f'write the missing "{_CLOSES[last.text]}"')


def _check_order(tokens: list[_Token], text: str, language: Language) -> None:
    """Neighbours that can't follow each other: the mistakes for which Python's own words would not help."""
    minuses = 0
    for before, after in zip([None, *tokens], [*tokens, None], strict=True):
        ends = before is not None and before.kind in ("number", "word", "close")  # an operand ends before this point
        if after is None or after.kind in ("close", "comma"):
            if after is not None and after.kind == "comma" and (before is None or before.kind == "open"):
                raise ExpressionError("FG304", "something is missing before the comma", after.span, ALLOWED[language])
            if before is not None and before.kind in ("operator", "dot", "comma"):
                raise ExpressionError("FG304", f'something is missing after "{before.text}"', before.span, ALLOWED[language])
            continue
        if after.kind in ("number", "word") and ends and before is not None:
            raise _missing_operator(before, after, text)
        if after.kind == "operator" and after.text != "-" and not ends:
            message = f'something is missing before "{after.text}"'
            raise ExpressionError("FG304", message, after.span, ALLOWED[language])
        minuses = minuses + 1 if after.text == "-" else 0
        if minuses > DEEPEST:
            raise ExpressionError("FG302", "too many minus signs in a row", after.span)


def _missing_operator(before: _Token, after: _Token, text: str) -> ExpressionError:
    span = (before.span[0], after.span[1])
    written = text[slice(*span)]
    if before.kind == "number" and before.span[1] == after.span[0]:
        if re.fullmatch(r"0[xXoObB]\w*|\d+_\w*|\d+[jJeE]", written):
            return ExpressionError("FG319", f"{written} is no number here", span, fix="write it in plain digits, as 1000 or 1e-3")
        message = f"{written} is no name and no number"
        return ExpressionError("FG304", message, span, fix=f"for a product write {before.text} * {after.text}")
    message = f'between "{before.text}" and "{after.text}" an operator or a comma is missing'
    return ExpressionError("FG304", message, span, fix="write +, - or * between them")


def _check_size(tree: ast.expr) -> None:
    level: list[ast.AST] = [tree]
    nodes = depth = 0
    while level:
        nodes += sum(isinstance(node, ast.expr) for node in level)
        depth += 1
        level = [child for node in level for child in ast.iter_child_nodes(node) if isinstance(child, ast.expr | ast.keyword)]
    if nodes > MOST_NODES:
        message = f"an expression has at most {MOST_NODES} parts, this one has {nodes}"
        raise ExpressionError("FG302", message, fix="name its parts")
    if depth > DEEPEST:
        message = f"an expression is nested at most {DEEPEST} levels deep, this one {depth}"
        raise ExpressionError("FG302", message, span_of(tree), fix="name its inner parts, or break up the long sum")


def _syntax(error: BaseException, text: str, language: Language) -> ExpressionError:
    span: Span = (0, len(text))
    if isinstance(error, SyntaxError) and error.offset:
        start = min(max(error.offset - 2, 0), max(len(text) - 1, 0))
        span = (start, min(max((error.end_offset or 0) - 2, start + 1), max(len(text), 1)))
    return ExpressionError("FG304", f'"{text[slice(*span)]}" cannot stand here', span, ALLOWED[language])
