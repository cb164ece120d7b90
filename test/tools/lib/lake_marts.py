"""lake_marts.py DUCKDB FOLDER: are the marts that dbt made of the files of the lake
those that it made of the tables?

FOLDER has each mart of the tables as <mart>.csv, times in Johannesburg. Rows
are compared as they are, in any order, numbers by value.
"""
import collections
import csv
import decimal
import os
import sys

import duckdb

database, folder = sys.argv[1:]


def value(text):
    try:
        return decimal.Decimal(text).normalize()
    except decimal.InvalidOperation:
        return text


def rows(path):
    with open(path, newline="", encoding="utf-8") as f:
        return collections.Counter(tuple(map(value, r)) for r in csv.reader(f))


con = duckdb.connect(database, read_only=True)
con.execute("SET TimeZone = 'Africa/Johannesburg'")
bad, n = 0, 0
for (mart,) in con.execute("SELECT table_name FROM information_schema.tables WHERE table_schema = 'dbt_mart' ORDER BY 1").fetchall():
    path = os.path.join(folder, mart + ".duckdb.csv")
    con.execute(f"COPY dbt_mart.{mart} TO '{path}' (HEADER false)")
    lake, tables = rows(path), rows(os.path.join(folder, mart + ".csv"))
    n += sum(tables.values())
    if lake != tables:
        bad += 1
        print(f"   {mart}: {sum((lake - tables).values())} rows of the lake's, {sum((tables - lake).values())} of the tables' have no like")
        print("   ", next(iter((lake - tables)), None), next(iter((tables - lake)), None))
print(f"   {n} rows of marts by DuckDB from the lake's files, the same as PostgreSQL's" if not bad and n else "   the lake's marts differ")
sys.exit(1 if bad or not n else 0)
