"""Runs the SQL of docs/fleet.md in DuckDB, on a fleet of the repository's traces, and checks what it says."""
import json
import os
import re
import sys
from pathlib import Path

import duckdb

text = Path(sys.argv[1]).read_text(encoding="utf-8")
work = Path(sys.argv[2])
os.chdir(work)
db = duckdb.connect()
db.execute("SET TimeZone = 'UTC'")
answers = []
queries = re.findall(r"^```sql\n(.*?)^```$", text, re.M | re.S)
for query in queries:
    answer = db.execute(query)
    answers.append(None if query.startswith("CREATE") else answer.fetchall())
    print(query, answers[-1])
views, (grew, failed, kinds, deaths, untrusted, made) = answers[:2], answers[2:]
assert grew[:2] == [("spawn", 2, 2, 1), ("inner", 10, 0, 1)], grew
assert sorted(grew[2:]) == [("0x0", 5, 0, 1), ("sh+0xfb", 5, 0, 1)], grew
assert failed[0][:3] == ("creations", "EAGAIN", 2), failed
assert sorted(row[:3] for row in failed[1:]) == [("stacks", "EAGAIN", 1), ("stacks", "ENOMEM", 1)], failed
assert str(failed[0][3]).startswith("2026-09-21 14:13:20.005"), failed
assert kinds and made, (kinds, made)
assert [(row[0], *row[2:]) for row in untrusted] == [("stacks", 70000, 4)], untrusted

# Every event of every trace, once, as ndjson has it.
hosts = [row[0] for row in db.execute("SELECT DISTINCT host FROM events ORDER BY 1").fetchall()]
assert hosts == ["creations", "cut-short", "detached", "hostile", "launched", "stacks"], hosts
for host in hosts:
    lines = (work / f"{host}.ndjson").read_text(encoding="utf-8").splitlines()
    expected = [json.loads(line) for line in lines]
    columns = ["seq", "time_ns", "kind", "pid", "tid", "name", "parent_tid", "code", "signal", "exe"]
    rows = db.execute(
        f"SELECT {', '.join(columns)} FROM events WHERE host = ? ORDER BY seq", [host]
    ).fetchall()
    assert rows == [tuple(event.get(column) for column in columns) for event in expected], host
    lives = db.execute("SELECT count(*) FROM tasks WHERE host = ?", [host]).fetchone()[0]
    begun = [event for event in expected if event["kind"] in ("existing", "clone", "fork", "vfork")]
    assert lives >= len(begun), (host, lives, len(begun))

# The columns are those that the text tells of.
for table in ("events", "tasks"):
    told = text.split(f"### {table}\n")[1].split("###")[0]
    rows = re.findall(r"^\| (`.*?) \|", told, re.M)
    documented = [name for row in rows for name in re.findall(r"`(\w+)`", row)]
    there = [row[0] for row in db.execute(f"DESCRIBE {table}").fetchall()]
    assert sorted(documented + ["host", "date"]) == sorted(there), (documented, there)
