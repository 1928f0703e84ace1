"""Draw measured values as dots on a line per case, for a page of docs."""

import math
from html import escape

LEFT, WIDTH, GAP, LINE, TOP = 130, 300, 40, 19, 66
SHADES = ("#1b6ca8", "#c58b4e", "#6b8f3f", "#a8553a", "#8b7fb0", "#3f9a94", "#6b7280")


def dots(panels, methods, title, fitted=False):
    """Draw panels, {case: {method: share}}, side by side: a line per case, a dot per method, the first one larger.

    Each axis goes from 0 to 1, or, fitted, over the tenths that hold its values.
    """
    cases = list(dict.fromkeys(case for panel in panels.values() for case in panel))
    shade = dict(zip(methods, SHADES, strict=False))
    parts, at = [], LEFT
    for method in methods:
        parts.append(f'<circle cx="{at + 6}" cy="18" r="{radius(method, methods)}" fill="{shade[method]}"/>')
        parts.append(f'<text x="{at + 18}" y="23">{escape(method)}</text>')
        at += 40 + 7.2 * len(method)
    for row, case in enumerate(cases):
        parts.append(f'<text x="{LEFT - 12}" y="{TOP + LINE * row + 4}" text-anchor="end">{escape(case)}</text>')
    bottom = TOP + LINE * len(cases)
    for number, (words, panel) in enumerate(panels.items()):
        left = LEFT + number * (WIDTH + GAP)
        parts.append(f'<text x="{left}" y="{TOP - 18}">{escape(words)}</text>')
        shares = [share for values in panel.values() for share in values.values()]
        low, high = (math.floor(10 * min(shares)) / 10, math.ceil(10 * max(shares)) / 10) if fitted else (0, 1)
        for share in (low, (low + high) / 2, high):
            x = left + WIDTH * (share - low) / (high - low)
            parts.append(f'<line x1="{x:g}" x2="{x:g}" y1="{TOP - 10}" y2="{bottom - 8}" stroke-dasharray="2 3"/>')
            parts.append(f'<text x="{x:g}" y="{bottom + 8}" text-anchor="middle" class="value">{share:g}</text>')
        for row, case in enumerate(cases):
            y, values = TOP + LINE * row, panel.get(case, {})
            parts.append(f'<line x1="{left}" x2="{left + WIDTH}" y1="{y}" y2="{y}"/>')
            for method in reversed([each for each in methods if each in values]):  # the first lies on top
                x = left + WIDTH * (values[method] - low) / (high - low)
                parts.append(f'<circle cx="{x:.1f}" cy="{y}" r="{radius(method, methods)}" fill="{shade[method]}"/>')
    wide = round(max(at, LEFT + len(panels) * (WIDTH + GAP)))  # the legend may be wider
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide} {bottom + 18}"'
        f' role="img" aria-label="{escape(title)}"><style>text{{font:13px system-ui,sans-serif;fill:#1f2933}}'
        ".value{font-size:12px}line{stroke:#7b8794;stroke-opacity:.35}"
        "@media(prefers-color-scheme:dark){text{fill:#e4e7eb}}</style>"
        f"{''.join(parts)}</svg>\n"
    )


def radius(method, methods):
    """The first method is the one that the page is about."""
    return 6 if method == methods[0] else 4
