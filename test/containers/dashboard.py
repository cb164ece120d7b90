#!/usr/bin/env python3
"""The queries of a Grafana dashboard, one after the other, as psql is to run them.

usage: dashboard.py FILE
Grafana's macros and variables are replaced by what they become when the dashboard is
opened: its own period, where that is fixed, else the last day; what its variables
are set to.  After each query, those of the variables first, comes a line that counts
its rows under the panel's title: psql prints "title|rows".
"""
import json
import re
import sys

dashboard = json.load(open(sys.argv[1], encoding="utf-8"))
period = [dashboard["time"][end] for end in ("from", "to")]
if all(re.match(r"\d{4}-", end) for end in period):
    between = " BETWEEN '{}' AND '{}'".format(*period)
else:
    between = " BETWEEN now() - interval '1 day' AND now()"
variables = {v["name"]: v for v in dashboard["templating"]["list"]}


def expand(title, sql):
    sql = re.sub(r"\$__timeFilter\(([^)]*)\)", lambda m: m.group(1) + between, sql)
    for name, variable in variables.items():
        sql = re.sub(r"\$" + name + r"\b", lambda m: variable["current"]["value"].replace("'", "''"), sql)
    if re.search(r"\$[a-z_{]", sql):
        sys.exit(f"{title}: a macro or variable that is not known here: {sql}")
    return sql


def count(title, sql):
    title = title.replace("'", "''")
    print(f"SELECT '{title}', count(*) FROM ({sql}) q;")


for variable in variables.values():
    if variable["type"] == "query":
        count("variable " + variable["name"], expand(variable["name"], variable["query"]))
for panel in dashboard["panels"]:
    for target in panel.get("targets", []):
        count(panel["title"], expand(panel["title"], target["rawSql"]))
