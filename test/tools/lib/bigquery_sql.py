"""bigquery_sql.py TARGET TABLES FOLDER: is what dbt compiled for BigQuery
(in TARGET) BigQuery's SQL, and does it say what it should?

BigQuery itself cannot be had. Its grammar, as sqlglot knows it, must take every
statement; and the models, translated by sqlglot, are run in DuckDB on the tables that
lie in TABLES as CSV. They must give the marts that lie in FOLDER as CSV.
"""
import json
import os
import pathlib
import sys

import duckdb
import sqlglot

import marts

target, tables, folder = sys.argv[1:]
bad, n = 0, 0
for path in sorted(pathlib.Path(target, "compiled").rglob("*.sql")):
    try:
        (statement,) = sqlglot.parse(path.read_text(), read="bigquery", error_level=sqlglot.ErrorLevel.RAISE)
        assert statement is not None
        n += 1
    except Exception as e:
        bad += 1
        print(f"   {path.name}: {str(e)[:300]}")
if bad or n < 200:
    sys.exit(f"   {n} statements for BigQuery, {bad} are not")
print(f"   {n} statements compiled for BigQuery")

manifest = json.load(open(os.path.join(target, "manifest.json")))
pending = {k: v for k, v in manifest["nodes"].items() if v["resource_type"] == "model"}
con = duckdb.connect()
con.execute("SET TimeZone = 'UTC'")             # BigQuery's
con.execute("ATTACH ':memory:' AS \"hospital-project\"")
con.execute('USE "hospital-project"')
for schema in {m["schema"] for m in pending.values()} | {"hospital"}:
    con.execute(f"CREATE SCHEMA {schema}")

for path in pathlib.Path(tables).glob("*.csv"):
    con.execute(f"CREATE TABLE hospital.{path.stem} AS SELECT * FROM read_csv('{path}', all_varchar = true, header = true, "
                "nullstr = '', allow_quoted_nulls = false, delim = ',', quote = '\"', escape = '\"')")

while pending:
    ready = [k for k, m in pending.items() if not any(d in pending for d in m["depends_on"]["nodes"])]
    for k in ready:
        model = pending.pop(k)
        (sql,) = sqlglot.transpile(model["compiled_code"], read="bigquery", write="duckdb")
        con.execute(f"CREATE TABLE {model['schema']}.{model['name']} AS {sql}")
sys.exit(not marts.compare(con, folder, "by BigQuery's SQL, translated"))
