#!/usr/bin/env python3
"""A terminal's screen as an SVG, colours and all.

    tmux capture-pane -e -p | docs/images/screen.py > docs/images/replay.svg
"""

import re
import sys
import unicodedata
from html import escape

WIDE, HIGH, PAD = 8.4, 17, 10
BACKGROUND, PLAIN, FAINT = "#16181d", "#d8dce2", "#8a929d"
COLOURS = ["#4b5263", "#f47174", "#7ac68a", "#dba941", "#6fa8d6", "#c792ea", "#5cc5c0", "#d8dce2"]


def styles(line):
    """The line's pieces: text, colour, whether it is bold, and whether it is reversed."""
    colour, bold, faint, swapped = None, False, False, False
    for codes, text in re.findall(r"\x1b\[([0-9;]*)m|([^\x1b]+)", line):
        if text:
            yield text, colour or (FAINT if faint else PLAIN), bold, swapped
            continue
        parts = [int(code or 0) for code in codes.split(";")]
        while parts:
            code = parts.pop(0)
            if code == 38 and parts[:1] == [5]:  # one of 256, of which these are the first
                code, parts = 30 + parts[1] % 8, parts[2:]
            if code == 0:
                colour, bold, faint, swapped = None, False, False, False
            elif code in (1, 2, 7):
                bold, faint, swapped = bold or code == 1, faint or code == 2, swapped or code == 7
            elif code == 22:
                bold, faint = False, False
            elif code == 27:
                swapped = False
            elif 30 <= code <= 37 or 90 <= code <= 97:
                colour = COLOURS[code % 10]
            elif code == 39:
                colour = None


def columns(text):
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def main():
    lines = sys.stdin.read().rstrip("\n").split("\n")
    wide = max(columns(re.sub(r"\x1b\[[0-9;]*m", "", line)) for line in lines)
    width, height = wide * WIDE + 2 * PAD, len(lines) * HIGH + 2 * PAD
    print(f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" '
          f'font-family="DejaVu Sans Mono, Menlo, Consolas, monospace" font-size="14">')
    print(f'<rect width="100%" height="100%" rx="6" fill="{BACKGROUND}"/>')
    for row, line in enumerate(lines):
        column, top = 0, PAD + row * HIGH
        for text, colour, bold, swapped in styles(line):
            x, length = PAD + column * WIDE, columns(text) * WIDE
            column += columns(text)
            if swapped:
                print(f'<rect x="{x:.1f}" y="{top}" width="{length:.1f}" height="{HIGH}" fill="{colour}"/>')
            weight = ' font-weight="bold"' if bold else ""
            for word in re.finditer(r"\S+", text):  # renderers differ in what they make of spaces
                at, size = x + columns(text[:word.start()]) * WIDE, columns(word[0]) * WIDE
                print(f'<text x="{at:.1f}" y="{top + 13}" textLength="{size:.1f}" '
                      f'fill="{BACKGROUND if swapped else colour}"{weight}>{escape(word[0])}</text>')
    print("</svg>")


main()
