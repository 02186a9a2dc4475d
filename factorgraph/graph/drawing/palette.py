"""Colours that people with any colour vision tell apart, and that still differ when printed in grey."""

from __future__ import annotations

from dataclasses import dataclass

INK, GREY, OBSERVED, FRAME = "#1a1a1a", "#595959", "#cfcfcf", "#f2f2f2"
PALE = "#ededed"  # what is observed where a phase does not use it
FAINT, TRAINED = "#b8b8b8", "#8ed9bd"  # what a phase does not use, and what it trains

ADDED, REMOVED, CHANGED = "#8ed9bd", "#f6c48f", "#f4eca0"  # what one of two graphs has alone, and what differs
LINES = {"added": "#00694a", "removed": "#a03c00", "changed": "#6b5b00"}  # the same, dark enough for a line


@dataclass(frozen=True)
class Look:
    """A fill, and a border that tells the functions apart where the fill does not."""

    fill: str
    border: str  # thin, solid, dashed, dotted, double

    def attributes(self) -> dict[str, str]:
        """Of a Graphviz box."""
        line = "" if self.border in ("solid", "double", "thin") else f",{self.border}"
        double = {"peripheries": "2"} if self.border == "double" else {}
        width = "1.3" if self.border == "thin" else "1.6"
        return {"fillcolor": self.fill, "style": f"filled,rounded{line}", "penwidth": width} | double


UNSHARED = Look("white", "thin")
# Okabe & Ito's colours, lightened until black text is readable on them, and in the place of their green, which is what learns, a
# brown. Borders repeat after four, colours after seven.
FILLS = ("#9fd3f0", "#f6c48f", "#cbb9a4", "#f4eca0", "#d39bbf", "#8fa8d8", "#e58f6c")
BORDERS = ("solid", "dashed", "double", "dotted")
FAMILIES = tuple(Look(FILLS[n % len(FILLS)], BORDERS[n % len(BORDERS)]) for n in range(len(FILLS) * len(BORDERS)))


def luminance(colour: str) -> float:
    """What is left of a colour in grey: 0 black, 1 white (Rec. 709 weights on the written values)."""
    if colour == "white":
        return 1.0
    red, green, blue = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
