"""fold.py NAME: does the last value of each key in a topic give the table?

NAME.changes has the topic as kcat prints it, key TAB value, in order; NAME.rows
the table, one JSON object a line, times in UTC; NAME.types its columns.  Values
come as Debezium writes them: dates as days since 1970, times as ISO 8601, numbers
that are not whole as texts.
"""
import datetime
import decimal
import json
import sys

name = sys.argv[1]
types = dict(c.split(" ", 1) for c in open(f"{name}.types").read().strip().split(","))


def from_debezium(value, kind):
    if value is None:
        return None
    if kind == "date":
        return (datetime.date(1970, 1, 1) + datetime.timedelta(days=value)).isoformat()
    if kind.startswith("timestamp"):
        return datetime.datetime.fromisoformat(value.replace("Z", "+00:00"))
    if kind == "numeric":
        return decimal.Decimal(value)
    return value


def from_postgres(value, kind):
    if value is None:
        return None
    if kind.startswith("timestamp"):
        return datetime.datetime.fromisoformat(value)
    if kind == "numeric":
        return decimal.Decimal(value)
    return value


def row(values, convert):
    return {c: convert(values[c], kind) for c, kind in types.items()}


folded, changes = {}, {}
for line in open(f"{name}.changes", encoding="utf-8"):
    key, value = line.rstrip("\n").split("\t", 1)
    value = json.loads(value)
    changes[value["op"]] = changes.get(value["op"], 0) + 1
    if value["op"] == "t":
        folded.clear()
    elif value["op"] == "d":
        folded.pop(tuple(json.loads(key).values()))
    else:
        folded[tuple(json.loads(key).values())] = row(value["after"], from_debezium)

key_columns = None
for line in open(f"{name}.changes", encoding="utf-8"):
    if line.partition("\t")[0]:
        key_columns = list(json.loads(line.partition("\t")[0]))
        break
table = {}
for line in open(f"{name}.rows", encoding="utf-8"):
    values = row(json.loads(line, parse_float=decimal.Decimal), from_postgres)
    table[tuple(values[c] for c in key_columns)] = values

wrong = [k for k in folded.keys() & table.keys() if folded[k] != table[k]]
missing, extra = table.keys() - folded.keys(), folded.keys() - table.keys()
ok = not (wrong or missing or extra)
short = name.rpartition("/")[2]
print(f"   {short}: {len(table)} rows, changes {dict(sorted(changes.items()))}"
      + ("" if ok else f": {len(wrong)} differ, {len(missing)} missing, {len(extra)} too many"))
for k in wrong[:2]:
    print(f"      {k}: topic {folded[k]}\n      {k}: table {table[k]}")
sys.exit(0 if ok else 1)
