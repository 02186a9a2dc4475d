"""Did you mean: the known word that is nearest to what was written, or that has another name elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

SHORTEST_START = 3  # letters of a word that may be the start of the one that was meant
CLOSE = 0.6  # difflib's ratio; "wieght" to "weight" has 0.83, "l2" to "l1" 0.5

SQUARED_NORMS = ("squared_norm", "l2", "ridge", "weight_decay", "tikhonov")  # here: the squared distance to zero
ELSEWHERE: Mapping[str, str] = {  # what people of the field write, in torch, scikit-learn or papers -> the same here
    "lr": "learning_rate",
    "max_iter": "steps",
    "n_iter": "steps",
    "iterations": "steps",
    "lasso": "l1",
    "sparse": "l1",
    "sparsity": "l1",
    **dict.fromkeys(SQUARED_NORMS, "squared_distance"),
    "mse": "squared_distance",
    "sse": "squared_distance",
    "bce": "bernoulli",
    "conv2d": "convolution",
    "dense": "linear",
    "fc": "linear",
    "logistic": "sigmoid",
    "soft_threshold": "shrink",
    "batch_norm": "standardise",
}


def near(word: object, known: Iterable[str]) -> str | None:
    """The known word that was probably meant, or nothing."""
    if not isinstance(word, str):
        return None
    import difflib  # where all is right it is never asked

    names = {each.lower(): each for each in known}
    if (same := ELSEWHERE.get(word.lower())) in names and word.lower() not in names:
        return same
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
