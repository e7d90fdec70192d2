"""Reads the two tables of a fleet with PyArrow."""
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.dataset as ds

work = Path(sys.argv[1])
for table, time in (("events", "wall"), ("tasks", "born")):
    data = ds.dataset(work / "fleet" / table, format="parquet", partitioning="hive")
    assert data.schema.field(time).type == pa.timestamp("us", tz="UTC"), data.schema
    assert data.schema.field("name").type == pa.string()
    read = data.to_table()
    assert read.num_rows > 0
    read.validate(full=True)
events = ds.dataset(work / "fleet" / "events", format="parquet", partitioning="hive").to_table()
lines = sum(len(path.read_text(encoding="utf-8").splitlines()) for path in work.glob("*.ndjson"))
assert events.num_rows == lines, (events.num_rows, lines)
