"""marts.py: rows of marts as they are compared: in any order, numbers by value."""
import collections
import csv
import decimal
import os


def value(text):
    try:
        return decimal.Decimal(text).normalize()
    except decimal.InvalidOperation:
        return text


def rows(path):
    with open(path, newline="", encoding="utf-8") as f:
        return collections.Counter(tuple(map(value, r)) for r in csv.reader(f))


def compare(con, folder, whose):
    """The marts of a DuckDB connection with those that lie in FOLDER as CSV, times in Johannesburg."""
    con.execute("SET TimeZone = 'Africa/Johannesburg'")
    bad, n = 0, 0
    marts = con.execute("SELECT table_name FROM information_schema.tables WHERE table_schema = 'dbt_mart' ORDER BY 1").fetchall()
    for (mart,) in marts:
        path = os.path.join(folder, mart + ".duckdb.csv")
        con.execute(f"COPY dbt_mart.{mart} TO '{path}' (HEADER false)")
        ours, tables = rows(path), rows(os.path.join(folder, mart + ".csv"))
        n += sum(tables.values())
        if ours != tables:
            bad += 1
            print(f"   {mart}: {sum((ours - tables).values())} rows {whose}, {sum((tables - ours).values())} of PostgreSQL's have no like, such as")
            print("     ", next(iter(ours - tables), None), next(iter(tables - ours), None))
    if len(marts) < 18 or not n or bad:
        print(f"   {whose}: {len(marts)} marts, {bad} differ")
        return False
    print(f"   {n} rows of {len(marts)} marts, {whose}, the same as PostgreSQL's")
    return True
