"""The plot: for every job, a bar per filesystem, how many times as fast as the bare ext4, log scale."""

import math
from xml.sax.saxutils import escape

from harness.report import FORGETFUL

COLORS = {"tmpfs": "#9aa5b1", "overlayfs": "#c9b458", "bindfs": "#b5651d", "mergerfs": "#7d5ba6",
          "ramfs": "#0b6e4f", "ext4": "#444444"}
INSIDE = {"tmpfs": "#111", "overlayfs": "#111", "bindfs": "white", "mergerfs": "white",
          "ramfs": "white"}
WIDTH, LEFT, RIGHT, TOP = 960, 150, 60, 92
BAR, GAP, GROUP_GAP = 10, 2, 14
LOWEST, HIGHEST = 1 / 64, 16


class _Canvas:
    def __init__(self):
        self.parts = []

    def rectangle(self, x, y, width, height, fill):
        self.parts.append(f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" '
                          f'height="{height:.1f}" fill="{fill}"/>')

    def line(self, x, y1, y2, color, width=1):
        self.parts.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{y1}" y2="{y2}" '
                          f'stroke="{color}" stroke-width="{width}"/>')

    def text(self, x, y, words, size=11, anchor="start", color="#222", bold=False):
        weight = ' font-weight="bold"' if bold else ""
        self.parts.append(f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" fill="{color}" '
                          f'text-anchor="{anchor}"{weight}>{escape(words)}</text>')

    def svg(self, height):
        return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" '
                f'viewBox="0 0 {WIDTH} {height}" font-family="DejaVu Sans, Helvetica, sans-serif">\n'
                f'<rect width="100%" height="100%" fill="white"/>\n'
                + "\n".join(self.parts) + "\n</svg>\n")


def _x(ratio):
    ratio = min(max(ratio, LOWEST), HIGHEST)
    share = math.log(ratio / LOWEST) / math.log(HIGHEST / LOWEST)
    return LEFT + share * (WIDTH - LEFT - RIGHT)


def draw(results, machine):
    """SVG text, or None where there is no bare ext4 to compare with."""
    if "ext4" not in results.targets:
        return None
    shown = [target for target in results.targets if target != "ext4"]
    jobs = [job for job in results.jobs
            if any(results.speedup(job, target, "ext4") for target in shown)]
    if not jobs or not shown:
        return None
    group = len(shown) * (BAR + GAP)
    bottom = TOP + len(jobs) * (group + GROUP_GAP)
    canvas = _Canvas()
    _frame(canvas, machine, shown, bottom)
    y = TOP + GROUP_GAP / 2
    for job in jobs:
        canvas.text(LEFT - 12, y + group / 2 + 4, job.name, anchor="end")
        for target in shown:
            _bar(canvas, y, results, job, target)
            y += BAR + GAP
        y += GROUP_GAP
    canvas.line(_x(1), TOP, bottom, COLORS["ext4"], 1.5)
    return canvas.svg(bottom + 24)


def _frame(canvas, machine, shown, bottom):
    canvas.text(LEFT, 24, "How many times as fast as the bare ext4", 16, bold=True)
    canvas.text(LEFT, 42, f"commit {machine['commit']}, Linux {machine['kernel']}, "
                          f"{machine['cores']} cores, {machine['date']}; log scale, "
                          "longer to the right is better", 11, color="#666")
    x = LEFT
    for target in shown:
        canvas.rectangle(x, 54, 11, 11, COLORS[target])
        canvas.text(x + 16, 64, target, bold=target == "ramfs")
        x += 100
    tick = LOWEST
    while tick <= HIGHEST:
        canvas.line(_x(tick), TOP, bottom, "#e4e4e4")
        label = f"{tick:g}x" if tick >= 1 else f"1/{round(1 / tick)}"
        for y in (TOP - 6, bottom + 14):
            canvas.text(_x(tick), y, label, 10, "middle", "#666")
        tick *= 2


def _bar(canvas, y, results, job, target):
    from_x = _x(1)
    ratio = results.speedup(job, target, "ext4")
    if ratio is None:
        cell = results.cells[job.name][target]
        words = f"{target}: {cell.get('failed', 'not measured').split(':')[0]}"
        canvas.text(from_x + 4, y + BAR - 1, words, 9, color="#999")
        return
    to_x = _x(ratio)
    canvas.rectangle(min(from_x, to_x), y, max(abs(to_x - from_x), 1), BAR, COLORS[target])
    text = f"{ratio:.2g}" if ratio < 0.1 else f"{ratio:.2f}" if ratio < 10 else f"{ratio:.0f}"
    if job.fsynced and target in FORGETFUL:
        text += " (keeps nothing)"
    bold = target == "ramfs"
    baseline = y + BAR - 1.5
    # A bar that goes on beyond the edge carries its figure inside.
    if ratio > HIGHEST:
        canvas.text(to_x - 4, baseline, text + " →", 9, "end", INSIDE[target], bold)
    elif ratio < LOWEST:
        canvas.text(to_x + 4, baseline, "← " + text, 9, "start", INSIDE[target], bold)
    elif to_x >= from_x:
        canvas.text(to_x + 3, baseline, text, 9, "start", "#444", bold)
    else:
        canvas.text(to_x - 3, baseline, text, 9, "end", "#444", bold)
