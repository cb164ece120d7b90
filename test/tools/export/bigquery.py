"""bigquery.py BIGQUERY LAKE: the DDL parses as BigQuery's, a statement a schema
file, its partitions being those of the lake's manifests, no field being named as they are."""
import json
import pathlib
import sys

import sqlglot

bigquery, lake = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
ddl = (bigquery / "external_tables.sql").read_text().replace("${DATASET}", "project.dataset").replace("${LAKE}", "gs://bucket/lake")
tables = {}
for text in ddl.split(";\n"):
    if text.strip():
        # the parser knows all but this clause
        statement = sqlglot.parse_one(text.replace("WITH PARTITION COLUMNS (`date` DATE)\n", ""), read="bigquery")
        assert isinstance(statement, sqlglot.exp.Create), text
        tables[statement.this.this.name] = text
schemas = {path.stem for path in (bigquery / "schemas").glob("*.json")}
wrong = [f"{name}: not both a schema and a table" for name in schemas ^ tables.keys()]
for name in schemas & tables.keys():
    manifest = json.load(open(lake / f"{name}.manifest.json"))
    fields = [field["name"] for field in json.load(open(bigquery / "schemas" / f"{name}.json"))]
    if fields != [column.split(" ")[0] for column in manifest["columns"]]:
        wrong.append(f"{name}: other columns than the files have")
    if manifest["partitioned"] != ("WITH PARTITION COLUMNS" in tables[name]):
        wrong.append(f"{name}: its files are {'' if manifest['partitioned'] else 'not '}partitioned")
    if manifest["partitioned"] and "date" in fields:
        wrong.append(f"{name}: a field is named as the partitions are")
print(f"   {len(tables)} tables")
sys.exit("\n".join(wrong) if wrong else 0)
