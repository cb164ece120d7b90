"""bigquery_sql.py FOLDER: does BigQuery's grammar, as sqlglot knows it, take every
statement that dbt compiled there?"""
import pathlib
import sys

import sqlglot

n, bad = 0, 0
for path in sorted(pathlib.Path(sys.argv[1]).rglob("*.sql")):
    try:
        (statement,) = sqlglot.parse(path.read_text(), read="bigquery", error_level=sqlglot.ErrorLevel.RAISE)
        assert statement is not None
        n += 1
    except Exception as e:
        bad += 1
        print(f"   {path.name}: {str(e)[:300]}")
print(f"   {n} statements compiled for BigQuery")
sys.exit(1 if bad or n < 50 else 0)
