"""Asks the two tables of a fleet in Spark, on this machine alone."""
import sys
from pathlib import Path

from pyspark.sql import SparkSession

work = Path(sys.argv[1])
spark = (
    SparkSession.builder.master("local[1]")
    .config("spark.ui.enabled", "false")
    .config("spark.driver.bindAddress", "127.0.0.1")
    .config("spark.driver.host", "127.0.0.1")
    .getOrCreate()
)
for table in ("events", "tasks"):
    spark.read.parquet(str(work / "fleet" / table)).createOrReplaceTempView(table)
grew = spark.sql(
    """SELECT site, count(*) AS made, count(*) FILTER (WHERE ended_ns IS NULL) AS still_alive
       FROM tasks WHERE origin = 'birth' AND site IS NOT NULL GROUP BY site"""
).collect()
grew = sorted(tuple(row) for row in grew)
assert grew == [("0x0", 5, 0), ("inner", 10, 0), ("sh+0xfb", 5, 0), ("spawn", 2, 2)], grew
failed = spark.sql(
    "SELECT host, errno, count(*) FROM events WHERE kind = 'create-failed' GROUP BY host, errno"
).collect()
failed = sorted(tuple(row) for row in failed)
assert failed == [("creations", "EAGAIN", 2), ("stacks", "EAGAIN", 1), ("stacks", "ENOMEM", 1)], failed
spark.stop()
