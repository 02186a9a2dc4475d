"""Did you mean: the known word that is nearest to what was written."""

from __future__ import annotations

from collections.abc import Iterable

SHORTEST_START = 3  # letters of a word that may be the start of the one that was meant
CLOSE = 0.6  # difflib's ratio; "wieght" to "weight" has 0.83, "l2" to "l1" 0.5


def near(word: object, known: Iterable[str]) -> str | None:
    """The known word that was probably meant, or nothing."""
    if not isinstance(word, str):
        return None
    import difflib  # where all is right it is never asked

    names = {each.lower(): each for each in known}
    found = difflib.get_close_matches(word.lower(), names, n=1, cutoff=CLOSE)
    if found:
        return names[found[0]]
    if len(word) < SHORTEST_START:
        return None
    return next((each for low, each in names.items() if low.startswith(word.lower()) or word.lower().startswith(low)), None)


def nearest(word: str, known: Iterable[str]) -> list[str]:
    """The known words, the nearest to one first."""
    import difflib

    return sorted(known, key=lambda each: -difflib.SequenceMatcher(None, word.lower(), each.lower()).ratio())
