"""read_lake.py BIGQUERY LAKE SUMS: DuckDB reads a lake of JSON Lines or Parquet.

Columns and types are those of BIGQUERY/schemas.  SUMS are lines of
schema|relation|count|sum|column by SQL; each must be what DuckDB finds.  A
partition's date must be one that its path says, and no file be left unread.
"""
import collections
import decimal
import json
import pathlib
import sys

import duckdb

TYPES = {"INT64": "BIGINT", "BOOL": "BOOLEAN", "FLOAT64": "DOUBLE", "NUMERIC": "DECIMAL(38, 9)", "DATE": "DATE",
         "TIMESTAMP": "TIMESTAMPTZ", "DATETIME": "TIMESTAMP", "STRING": "VARCHAR", "JSON": "JSON", "BYTES": "VARCHAR"}
bigquery, lake = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
expected = collections.defaultdict(dict)
for line in open(sys.argv[3]):
    schema, relation, count, total, column = line.rstrip("\n").split("|")
    expected[relation][column] = (int(count), decimal.Decimal(total))

db = duckdb.connect()
db.execute("SET TimeZone = 'UTC'")
wrong = []
for relation, columns in sorted(expected.items()):
    schema = {c["name"]: c["type"] for c in json.load(open(bigquery / "schemas" / f"{relation}.json"))}
    files = sorted(str(f) for f in (lake / relation).rglob("*") if f.is_file())
    listed = json.load(open(lake / f"{relation}.manifest.json"))["files"]
    if len(files) != len(listed):
        wrong.append(f"{relation}: {len(files)} files, the manifest has {len(listed)}")
    if not files:
        continue
    if files[0].endswith(".parquet"):
        source = f"read_parquet({files}, hive_partitioning = true)"
    else:
        types = {name: TYPES[kind] for name, kind in schema.items()}
        source = f"read_json({files}, format = 'newline_delimited', columns = {types}, hive_partitioning = true)"
    sums = []
    for name in columns:
        kind, column = schema[name], f'"{name}"'
        if kind in ("INT64", "NUMERIC"):
            total = f"round(coalesce(sum({column}::DECIMAL(38, 9)), 0), 4)"
        elif kind == "DATE":
            total = f"coalesce(sum({column} - DATE '2000-01-01'), 0)"
        elif kind == "TIMESTAMP":
            total = f"coalesce(sum(epoch_us({column})), 0)"
        else:
            total = f"coalesce(sum(length({column}::VARCHAR)), 0)"
        sums.append(f"count({column}), {total}")
    found = db.execute(f"SELECT count(*), {', '.join(sums)} FROM {source}").fetchone()
    if found[0] != sum(f["rows"] for f in listed):
        wrong.append(f"{relation}: {found[0]} rows, the manifest has another number")
    for i, (name, want) in enumerate(columns.items()):
        got = (found[1 + 2 * i], decimal.Decimal(str(found[2 + 2 * i])))
        if schema[name] in ("BOOL", "JSON", "FLOAT64"):
            got, want = got[:1], want[:1]
        if got != want:
            wrong.append(f"{relation}.{name}: {got}, SQL has {want}")
    if "date=" in files[0] and "visit_date" in schema:
        odd = db.execute(f"SELECT count(*) FROM {source} WHERE date <> visit_date").fetchone()[0]
        if odd:
            wrong.append(f"{relation}: {odd} rows in another day's folder")
print(f"   {len(expected)} relations, {sum(len(c) for c in expected.values())} columns")
sys.exit("\n".join(wrong) if wrong else 0)
