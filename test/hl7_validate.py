#!/usr/bin/env python3
"""HL7 messages, as other people's libraries see them.

Reads messages from standard input, each ended by a NUL byte; hl7apy validates
them against its tables of version 2.5.1, hl7 takes them apart.  Prints how many
of each type are valid, then what is not.  Exits with 77 without the libraries.
"""
import collections
import os
import sys
import tempfile

try:
    import hl7
    from hl7apy.consts import VALIDATION_LEVEL
    from hl7apy.exceptions import HL7apyException
    from hl7apy.parser import parse_message
    from hl7apy.validation import Validator
except ImportError as error:
    print(error)
    sys.exit(77)


def complaints(message):
    """What hl7apy finds wrong; its warnings are of values in tables that each place fills itself."""
    report = tempfile.NamedTemporaryFile(suffix='.txt', delete=False)
    report.close()
    try:
        parsed = parse_message(message, validation_level=VALIDATION_LEVEL.TOLERANT, find_groups=True)
        Validator.validate(parsed, report_file=report.name)
        with open(report.name) as lines:
            return [line.strip() for line in lines if line.startswith('Error')]
    except HL7apyException as error:
        return [f'{type(error).__name__}: {error}']
    finally:
        os.unlink(report.name)


def main():
    counts = collections.Counter()
    wrong = collections.Counter()
    for message in sys.stdin.buffer.read().decode('utf-8').split('\0'):
        if not message.strip():
            continue
        kind = str(hl7.parse(message).segment('MSH')[9])
        found = complaints(message)
        counts[kind, not found] += 1
        wrong.update((kind, text) for text in found)
    for (kind, valid), number in sorted(counts.items()):
        print(kind, 'valid' if valid else 'not valid', number)
    for (kind, text), number in sorted(wrong.items()):
        print(kind, text, number)


main()
