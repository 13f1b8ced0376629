"""How the report's pictures look: one palette, readable labels, no global state."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's palette: told apart with every kind of colour vision.
BLUE, ORANGE, GREEN, RED = "#0072B2", "#E69F00", "#009E73", "#D55E00"
SKY, PURPLE, YELLOW, INK = "#56B4E9", "#CC79A7", "#F0E442", "#22272E"
GREY, PALE = "#8A929C", "#E9EDF2"

_STYLE: dict[str, Any] = {
    "font.family": "DejaVu Sans",
    "mathtext.fontset": "dejavusans",
    "font.size": 10.0,
    "axes.titlesize": 11.0,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlepad": 8.0,
    "axes.labelsize": 11.0,
    "axes.edgecolor": GREY,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.8,
    "axes.grid": False,
    "axes.axisbelow": True,
    "grid.color": PALE,
    "grid.linewidth": 0.8,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.labelsize": 9.0,
    "ytick.labelsize": 9.0,
    "legend.frameon": False,
    "legend.fontsize": 9.5,
    "legend.handlelength": 1.8,
    "lines.solid_capstyle": "round",
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
}

_GREEK = re.compile(
    "alpha|beta|gamma|delta|epsilon|zeta|eta|theta|iota|kappa|lambda|mu|nu|xi|pi|rho|sigma|tau|"
    "upsilon|phi|chi|psi|omega|Gamma|Delta|Theta|Lambda|Xi|Pi|Sigma|Phi|Psi|Omega"
)


@contextmanager
def styled() -> Iterator[None]:
    """The style, for as long as the block lasts; glyphs that a font lacks are no warning."""
    import matplotlib

    settings: Any = _STYLE
    with matplotlib.rc_context(settings), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        yield


def new_figure(width: float, height: float) -> Figure:
    """A figure of that size in inches, drawn by Agg, with no window system behind it."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    engine = ConstrainedLayoutEngine(w_pad=0.09, h_pad=0.09, wspace=0.04, hspace=0.04)
    figure = Figure(figsize=(width, height), dpi=125, layout=engine)
    FigureCanvasAgg(figure)
    return figure


def png(figure: Figure) -> bytes:
    """The figure as a PNG file, the same bytes for the same figure."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


def symbol(name: str) -> str:
    """A variable's name as it is set in print: theta becomes θ, x1 gets a lowered 1."""
    match = re.fullmatch(r"([A-Za-z]+)_?([0-9]*)", name)
    greek = match is not None and _GREEK.fullmatch(match[1]) is not None
    if match is None or (len(match[1]) > 1 and not greek):
        return name.replace("$", r"\$")
    letter = f"\\{match[1]}" if greek else match[1]
    return f"${letter}_{{{match[2]}}}$" if match[2] else f"${letter}$"


def label(name: str, unit: str) -> str:
    """An axis label with the unit in brackets, where there is one."""
    return f"{symbol(name)}  [{unit.replace('$', chr(92) + '$')}]" if unit else symbol(name)


def legend_below(figure: Figure, shown: Axes | Iterable[Axes], columns: int) -> None:
    """One legend for what some axes show, under the figure, each label once."""
    once: dict[str, Any] = {}
    for axes in shown if isinstance(shown, Iterable) else [shown]:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            once.setdefault(label, handle)
    if once:
        figure.legend(
            list(once.values()), list(once), loc="outside lower center", ncols=columns,
            columnspacing=1.6,
        )  # fmt: skip
