# SPDX-License-Identifier: MIT
"""Draw what bench_http.py measured: a bar a server, one panel a case."""

COLOURS = {"softmaxd": "#1a9850", "softmaxd, /softmax": "#1a9850",
           "bare echo": "#9aa4ad",
           "nginx, return 200": "#2f74c0", "FastAPI + PyTorch": "#e0662f"}
WIDTH, LEFT, BAR, STEP, TOP, RIGHT = 760, 150, 16, 22, 88, 110


def text(x, y, words, size=12, anchor="start", weight=400):
    return (f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" '
            f'text-anchor="{anchor}" fill="#24292f" '
            f'font-weight="{weight}">{words}</text>')


def number(value):
    digits = 1 if value < 100 else 0
    return f"{value:,.{digits}f}".replace(",", "\u2009")


def panel(rows, y):
    """One case; its elements and where the next begins."""
    case, unit = rows[0]["case"], rows[0]["unit"]
    bars = [("softmaxd", rows[0]["softmaxd"])]
    bars += [(row["peer"], row["peer_value"]) for row in rows]
    most = max(value for _, value in bars)
    better = "more is better" if unit == "requests/s" else "less is better"
    out = [text(LEFT, y, f"{case}: {unit}, {better}", 13, weight=600)]
    for i, (name, value) in enumerate(bars):
        top = y + 10 + i * STEP
        width = max(1.5, value / most * (WIDTH - LEFT - RIGHT))
        out.append(text(LEFT - 8, top + 12.5, name, anchor="end"))
        out.append(f'<rect x="{LEFT}" y="{top}" width="{width:.1f}" '
                   f'height="{BAR}" fill="{COLOURS[name]}"/>')
        out.append(text(LEFT + width + 6, top + 12.5, number(value)))
    return out, y + 10 + len(bars) * STEP + 30


def draw(rows, path):
    cases = {}
    for row in rows:
        cases.setdefault(row["case"], []).append(row)
    out = [text(20, 32, "Over HTTP", 18, weight=600),
           text(20, 52, "make bench-http: loopback, the load from the same cores, "
                "medians (/v2: the least)")]
    y = TOP
    for case in cases.values():
        elements, y = panel(case, y)
        out += elements
    with open(path, "w", encoding="utf-8") as file:
        file.write(
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" '
            f'height="{y - 10}" font-family="sans-serif">'
            f'<rect width="100%" height="100%" fill="#fff"/>\n' +
            "\n".join(out) + "\n</svg>\n")
