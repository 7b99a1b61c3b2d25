"""A report of a replay: one HTML page that carries all it shows. No script, nothing fetched; drawn as SVG."""

import html
import itertools
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from gateway.cli.history import History, figures, runs

F8 = NDArray[np.float64]

WIDTH, HEIGHT, MARGIN = 1000, 150, 46
COLUMNS: Final = 900  # most places that a line is drawn at; each shows the extremes of its rows
SHOWN: Final = 8  # tags with contributions
STYLE: Final = """
body{font:14px/1.5 system-ui,sans-serif;color:#1c2733;max-width:1080px;margin:2em auto;padding:0 1em}
h1{font-size:1.5em}h2{font-size:1.2em;border-bottom:1px solid #cfd8e0;margin-top:2em}h3{font-size:1em;margin:1.2em 0 0}
table{border-collapse:collapse;margin:.6em 0}td,th{padding:.2em .8em .2em 0;text-align:left;vertical-align:top}
th{color:#5b6b7a;font-weight:600}svg{width:100%;height:auto;display:block}.muted{color:#5b6b7a}
text{font:11px system-ui,sans-serif;fill:#5b6b7a}.line{fill:none;stroke:#1f5fa8;stroke-width:1}
.limit{fill:none;stroke:#c2410c;stroke-width:1.2;stroke-dasharray:5 3}.alarm{fill:#fbc8b4}.label{fill:#d9e8c5}
.axis{stroke:#cfd8e0;stroke-width:1}@media(prefers-color-scheme:dark){body{background:#12181f;color:#dde6ee}
.line{stroke:#7db4f0}.alarm{fill:#6b2a16}.label{fill:#2f4420}h2,.axis{border-color:#33404d;stroke:#33404d}}
"""


def page(title: str, histories: Iterable[History]) -> str:
    """The page, as text."""
    body = "".join(_asset(history) for history in histories)
    head = f"<title>{html.escape(title)}</title><style>{STYLE}</style>"
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width">{head}<h1>{html.escape(title)}</h1>{body}</html>\n'
    )


def write(path: Path, title: str, histories: Iterable[History]) -> None:
    """Write the page to `path`."""
    path.write_text(page(title, histories), encoding="utf-8")


def _asset(history: History) -> str:
    if not history.time:
        return f"<h2>{html.escape(history.name)}</h2><p>no rows</p>"
    found = figures(history)
    scored = int(np.count_nonzero(~np.isnan(history.score)))
    events = len(runs(np.array(history.active), 0))
    lines = {"rows": len(history.time), "scored": scored, "alarms": events, **found}
    table = "".join(f"<tr><th>{html.escape(str(k))}</th><td>{v}</td></tr>" for k, v in lines.items())
    return (
        f"<h2>{html.escape(history.name)}</h2><p class=muted>{_moment(history.time[0])} to {_moment(history.time[-1])}"
        f"</p><table>{table}</table>{_score(history)}{_contributions(history)}{_messages(history.messages)}{_tags(history)}"
    )


def _score(history: History) -> str:
    score, limit = np.array(history.score), np.array(history.limit)
    top = float(np.nanmax([*score, *limit, 1.0])) if (~np.isnan(score)).any() else 1.0
    top = min(top, 4 * max(float(np.nanmax([*limit, 1.0])), 1.0))
    plot = _line(score, 0.0, top, "line") + _line(limit, 0.0, top, "limit")
    return "<h3>Score, threshold, alarms</h3>" + _frame(history, plot, 0.0, top)


def _tags(history: History) -> str:
    x = np.array(history.x)
    parts = []
    for j, (name, unit) in enumerate(history.tags):
        column = x[:, j]
        if np.isnan(column).all():
            parts.append(f"<h3>{html.escape(name)}</h3><p class=muted>no good value</p>")
            continue
        low, high = float(np.nanmin(column)), float(np.nanmax(column))
        high = high if high > low else low + 1
        title = f"{html.escape(name)} {html.escape(unit)}".strip()
        parts.append(f"<h3>{title}</h3>" + _frame(history, _line(column, low, high, "line"), low, high))
    return "".join(parts)


def _contributions(history: History) -> str:
    """Tags by time: the darker, the more of the score is theirs."""
    shares = np.nan_to_num(np.array(history.parts)) * np.nan_to_num(np.array(history.score))[:, None]
    order = np.argsort(-np.maximum(shares, 0).sum(axis=0))[:SHOWN].tolist()
    height, bins = 16, min(300, len(shares))
    cuts = np.linspace(0, len(shares), bins + 1).astype(int)
    most = np.array([np.maximum(shares[a:b], 0).max(axis=0) for a, b in itertools.pairwise(cuts)])
    full = max(float(np.quantile(most.max(axis=1), 0.99)), 1e-9)
    cells = []
    for place, j in enumerate(order):
        y = place * height
        cells.append(f'<text x="0" y="{y + 12}">{html.escape(history.tags[j][0][-24:])}</text>')
        for number, value in enumerate(most[:, j]):
            if value > full / 20:
                x = 160 + (WIDTH - 160) * number / bins
                cells.append(
                    f'<rect x="{x:.1f}" y="{y}" width="{(WIDTH - 160) / bins + 0.3:.1f}" height="{height - 2}" '
                    f'fill="#c2410c" fill-opacity="{min(value / full, 1):.2f}"/>'
                )
    svg = f'<svg viewBox="0 0 {WIDTH} {height * len(order)}" role="img">{"".join(cells)}</svg>'
    return f"<h3>Contributions to the score over time</h3>{svg}"


def _messages(messages: Sequence[dict[str, Any]]) -> str:
    rows = []
    for body in messages:
        what = body.get("state") or body.get("kind", "")
        text = body.get("message") or body.get("text", "")
        named = "; ".join(_contribution(c) for c in body.get("contributions", [])[:3])
        cells = (body["time"][:19].replace("T", " "), what, text, named)
        rows.append("<tr>" + "".join(f"<td>{html.escape(str(cell))}</td>" for cell in cells) + "</tr>")
    if not rows:
        return "<h3>Alarms and events</h3><p class=muted>none</p>"
    head = "<tr><th>time, UTC</th><th>what</th><th></th><th>contributions</th></tr>"
    return f"<h3>Alarms and events</h3><table>{head}{''.join(rows)}</table>"


def _contribution(part: dict[str, Any]) -> str:
    return f"{part['tag']} {100 * (part['share'] or 0):.0f} %"


# -- drawing -----------------------------------------------------------------------------------------------------------


def _frame(history: History, plot: str, low: float, high: float) -> str:
    bands = _bands(np.array(history.label) == 1, "label") + _bands(np.array(history.active), "alarm")
    axis = _axis(6, 14, high) + _axis(HEIGHT - 6, HEIGHT - 6, low)
    return f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img">{bands}{axis}{plot}</svg>'


def _axis(y: int, text: int, value: float) -> str:
    line = f'<line class=axis x1="{MARGIN}" x2="{WIDTH}" y1="{y}" y2="{y}"/>'
    return f'{line}<text x="0" y="{text}">{value:.4g}</text>'


def _bands(mask: NDArray[np.bool_], kind: str) -> str:
    wide = (WIDTH - MARGIN) / len(mask)
    rects = []
    for first, last in runs(mask, 0):
        place = f'x="{MARGIN + first * wide:.1f}" width="{max((last - first + 1) * wide, 0.8):.1f}"'
        rects.append(f'<rect class="{kind}" {place} y="0" height="{HEIGHT}"/>')
    return "".join(rects)


def _line(values: F8, low: float, high: float, kind: str) -> str:
    """A polyline through the extremes of at most COLUMNS groups of rows; a gap where nothing is known."""
    cuts = np.linspace(0, len(values), min(COLUMNS, len(values)) + 1).astype(int)
    paths, pen = [], "M"
    for a, b in itertools.pairwise(cuts):
        known = values[a:b][~np.isnan(values[a:b])]
        if not len(known):
            pen = "M"
            continue
        x = MARGIN + (WIDTH - MARGIN) * (a + b) / 2 / len(values)
        for value in {float(known.min()), float(known.max())}:
            y = HEIGHT - 6 - (HEIGHT - 12) * (min(max(value, low), high) - low) / (high - low)
            paths.append(f"{pen}{x:.1f} {y:.1f}")
            pen = "L"
    return f'<path class="{kind}" d="{"".join(paths)}"/>'


def _moment(time: int) -> str:
    return f"{datetime.fromtimestamp(time / 1e9, UTC):%Y-%m-%d %H:%M:%S} UTC"
