#!/usr/bin/env python3
"""Make Parquet of what hospital_export wrote as JSON Lines, by DuckDB.

usage: lake_to_parquet.py SOURCE TARGET [RELATION...]

SOURCE is a folder of exports, such as DATA_FOLDER/lake/export/hospital/jsonl.gz;
TARGET gets the same folders and files with .parquet, and manifests of its own.
A file appears whole or not at all; one whose source has not changed is left
alone; one whose source is gone is removed.  Needs the package duckdb.
"""
import json
import os
import pathlib
import re
import sys

import duckdb

TYPES = {
    "bigint": "BIGINT", "integer": "INTEGER", "smallint": "SMALLINT", "boolean": "BOOLEAN",
    "double precision": "DOUBLE", "real": "FLOAT", "date": "DATE", "uuid": "UUID", "json": "JSON", "jsonb": "JSON",
    "timestamp with time zone": "TIMESTAMPTZ", "timestamp without time zone": "TIMESTAMP",
    "numeric": "DECIMAL(38, 9)",    # as BigQuery's NUMERIC
}


def duckdb_type(type_name):
    fixed = re.fullmatch(r"numeric\((\d+),(\d+)\)", type_name)
    if fixed and int(fixed[1]) <= 38:
        return f"DECIMAL({fixed[1]}, {fixed[2]})"
    return TYPES.get(type_name, "VARCHAR")


def quote(text):
    return "'" + str(text).replace("'", "''") + "'"


def columns_of(manifest):
    pairs = (column.split(" ", 1) for column in manifest["columns"])
    return "{" + ", ".join(f"{quote(name)}: {quote(duckdb_type(kind))}" for name, kind in pairs) + "}"


def convert(db, source, target, columns):
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.tmp.{os.getpid()}")
    try:
        db.execute(f"COPY (FROM read_json({quote(source)}, format = 'newline_delimited', columns = {columns}, "
                   f"hive_partitioning = false)) TO {quote(temporary)} (FORMAT parquet, COMPRESSION zstd)")
        with open(temporary, "rb") as file:
            os.fsync(file.fileno())
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)


def write_manifest(path, manifest, files, complete):
    temporary = path.with_name(f".{path.name}.tmp.{os.getpid()}")
    with open(temporary, "w") as file:
        json.dump({**manifest, "format": "parquet", "compression": "zstd", "complete": complete,
                   "files": list(files.values())}, file, indent=1)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)


def convert_relation(db, source, target, manifest_path):
    manifest = json.loads(manifest_path.read_text())
    own_path = target / manifest_path.name
    known = {}
    if not manifest["complete"] or manifest["format"] != "jsonl":
        print(f"{manifest_path.name}: left out, it is not complete, or not JSON Lines")
        return
    if own_path.exists():
        own = json.loads(own_path.read_text())
        if own["columns"] == manifest["columns"]:
            known = {file["file"]: file for file in own["files"]}
    target.mkdir(parents=True, exist_ok=True)
    files, written, columns = {}, 0, columns_of(manifest)
    for file in manifest["files"]:
        name = re.sub(r"\.jsonl(\.gz|\.zst)?$", ".parquet", file["file"])
        was = known.get(name)
        if not was or was["source_sha256"] != file["sha256"] or not (target / name).exists():
            convert(db, source / file["file"], target / name, columns)
            written += 1
        files[name] = {"file": name, "rows": file["rows"], "source_sha256": file["sha256"],
                       **({"date": file["date"]} if "date" in file else {})}
    for name in known.keys() - files.keys():
        (target / name).unlink(missing_ok=True)
    write_manifest(own_path, manifest, files, True)
    print(f"{manifest['relation']}: {written} files written, {len(files) - written} have not changed")


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    source, target = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    db = duckdb.connect()
    db.execute("SET TimeZone = 'UTC'")
    db.execute("SET preserve_insertion_order = true")
    for path in sorted(source.glob("*.manifest.json")):
        if not sys.argv[3:] or path.name.removesuffix(".manifest.json") in sys.argv[3:]:
            convert_relation(db, source, target, path)


if __name__ == "__main__":
    main()
