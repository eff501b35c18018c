"""A theme that colour-blind people can read: the palette of Okabe and Ito on a dark ground.

Good is blue and bad is vermilion, which stay apart in every common form of colour blindness.
"""

from __future__ import annotations

from textual.theme import Theme

OKABE_ITO = Theme(
    name="okabe-ito",
    primary="#56B4E9",
    secondary="#0072B2",
    accent="#CC79A7",
    warning="#F0E442",
    error="#D55E00",
    success="#56B4E9",
    foreground="#E6E6E6",
    background="#101418",
    surface="#181D23",
    panel="#232A32",
    dark=True,
    variables={"footer-key-foreground": "#E69F00", "block-cursor-text-style": "none"},
)
