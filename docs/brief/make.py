#!/usr/bin/env python3
"""The project brief: docs/brief/brief.md, with what it takes from the documents, as a PDF.

usage: make.py TOP TARGET

A line {{what FILE "text" class}} stands for a part of README.md or of a file in docs/:
table: the table that has the text; code: the code block that has it; section:
what is below that heading; paragraphs: those of the first section by number; lines:
so many, from the one with the text on.
Nothing that is asked for may be missing.
"""
import html
import pathlib
import re
import sys

import markdown
import weasyprint

TOP, TARGET = (pathlib.Path(argument) for argument in sys.argv[1:3])
HERE = TOP / 'docs' / 'brief'


def document(name):
    return (TOP / name if name == 'README.md' else TOP / 'docs' / name).read_text(encoding='utf-8')


def unlinked(text):
    """A link into the repository leads nowhere from a PDF."""
    return re.sub(r'\[([^\]]*)\]\((?!https?:)[^)]*\)', r'\1', text)


def only(found, what):
    if len(found) != 1:
        sys.exit(f'{what}: found {len(found)} times')
    return found[0]


def blocks(text, pattern):
    return [match.group(0) for match in re.finditer(pattern, text, re.M)]


def table(name, text):
    return only([b for b in blocks(document(name), r'(?:^\|.*\n)+') if text in b], f'table with "{text}" in {name}')


def code(name, text):
    return only([b for b in blocks(document(name), r'^```\w*\n[\s\S]*?^```$') if text in b], f'code with "{text}" in {name}')


def section(name, heading):
    match = re.search(rf'^(#+) {re.escape(heading)}\n([\s\S]*?)(?=^#{{1,2}} |\Z)', document(name), re.M)
    return only([match.group(2)] if match else [], f'section "{heading}" in {name}')


def paragraphs(name, numbers):
    first, last = (int(n) for n in numbers.split('-'))
    body = re.sub(r'^# .*\n', '', document(name)).split('\n## ')[0]
    return '\n\n'.join([p for p in body.strip().split('\n\n')][first - 1:last])


def lines(name, text, number):
    found = document(name).split('\n')
    start = only([n for n, line in enumerate(found) if text in line], f'"{text}" in {name}')
    taken = found[start:start + int(number)]
    width = max(len(line.rstrip()) for line in taken if '─' not in line)
    return '```\n' + '\n'.join(line.rstrip()[:width] for line in taken) + '\n```'


def version():
    control = (TOP / 'hospital.control').read_text(encoding='utf-8')
    return re.search(r"default_version *= *'(.*)'", control).group(1)


def replace(match):
    words = re.findall(r'"([^"]*)"|(\S+)', match.group(1))
    what, *rest = [quoted or plain for quoted, plain in words]
    if what == 'version':
        return version()
    if what == 'lines':
        return lines(*rest)
    part = {'table': table, 'code': code, 'section': section, 'paragraphs': paragraphs}[what](rest[0], rest[1])
    part = unlinked(part) if what != 'code' else part
    if len(rest) > 2:
        rendered = markdown.markdown(part, extensions=['tables'])
        return rendered.replace('<table>', f'<table class="{html.escape(rest[2])}">', 1)
    return part


def main():
    text = re.sub(r'\{\{(.*?)\}\}', replace, (HERE / 'brief.md').read_text(encoding='utf-8'))
    body = markdown.markdown(text, extensions=['tables', 'fenced_code', 'md_in_html'])
    page = (f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>hospital: project brief</title>'
            f'<meta name="description" content="A living public hospital inside PostgreSQL"></head><body>{body}</body></html>')
    rendered = weasyprint.HTML(string=page, base_url=str(HERE) + '/').render(
        stylesheets=[weasyprint.CSS(filename=str(HERE / 'brief.css'))])
    rendered.write_pdf(str(TARGET))
    print(f'{TARGET}: {len(rendered.pages)} pages, {TARGET.stat().st_size / 1000:.0f} kB')


main()
