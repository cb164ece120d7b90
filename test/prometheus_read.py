#!/usr/bin/env python3
"""Metrics, as Prometheus's own Python library reads them.

Reads the text format from standard input; prints a line a sample: name, type,
labels in order, value, with tabs between.  Exits with 77 without the library.
"""
import sys

try:
    from prometheus_client.parser import text_string_to_metric_families
except ImportError as error:
    print(error)
    sys.exit(77)

for family in text_string_to_metric_families(sys.stdin.read()):
    for sample in family.samples:
        labels = ','.join(f'{name}={value!r}' for name, value in sorted(sample.labels.items()))
        print(sample.name, family.type, labels, sample.value, sep='\t')
