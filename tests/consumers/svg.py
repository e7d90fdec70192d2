"""Checks that Graphviz drew each task, under its name as tidview escapes it."""
import html
import json
import re
import sys

svg = open(sys.argv[1], encoding="utf-8").read()
events = [json.loads(line) for line in open(sys.argv[2], encoding="utf-8")]
texts = [html.unescape(text).replace("\u00a0", " ") for text in re.findall(r"<text[^>]*>(.*?)</text>", svg)]
tids = {e["tid"] for e in events if e["kind"] in ("existing", "clone", "fork", "vfork")}
drawn = {int(number) for text in texts for number in re.findall(r"\[(\d+)\]$", text)}
assert tids <= drawn, (tids - drawn, texts)
if 102 in tids and any("evil" in text for text in texts):
    assert '"]; evil [label="\\\\N\\\\[102]' in texts, texts
    assert "<script>#quot;&amp;`*_[105]" in texts, texts
