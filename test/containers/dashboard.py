#!/usr/bin/env python3
"""The queries of a Grafana dashboard, one after the other, as psql is to run them.

usage: dashboard.py FILE
Grafana's macros are replaced by what they become.  After each query comes a line
that counts its rows under the panel's title: psql prints "title|rows".
"""
import json
import re
import sys

dashboard = json.load(open(sys.argv[1], encoding="utf-8"))
for panel in dashboard["panels"]:
    for target in panel.get("targets", []):
        sql = re.sub(r"\$__timeFilter\(([^)]*)\)", r"\1 BETWEEN now() - interval '1 day' AND now()", target["rawSql"])
        if "$__" in sql:
            sys.exit(f"{panel['title']}: a macro that is not known here: {sql}")
        title = panel["title"].replace("'", "''")
        print(f"SELECT '{title}', count(*) FROM ({sql}) q;")
