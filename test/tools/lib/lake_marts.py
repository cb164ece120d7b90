"""lake_marts.py DUCKDB FOLDER: are the marts that dbt made of the files of the lake
those that it made of the tables, which lie in FOLDER as CSV?"""
import sys

import duckdb

import marts

sys.exit(not marts.compare(duckdb.connect(sys.argv[1], read_only=True), sys.argv[2], "from the lake's files by DuckDB"))
