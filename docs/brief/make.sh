#!/bin/bash
# make.sh: docs/project_brief.pdf from the documents, by WeasyPrint in a venv of its own
# (.brief/).  "make brief" runs it.
set -euo pipefail
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)
venv=$top/.brief

missing=()
command -v python3 >/dev/null || missing+=(python3)
python3 -c 'import ensurepip, venv' 2>/dev/null || missing+=(python3-venv)
ldconfig -p | grep -q 'libpangoft2-1\.0\.so' || missing+=(libpangoft2-1.0-0)
[ -n "$(find /usr/share/fonts "$HOME/.local/share/fonts" -name DejaVuSansCondensed.ttf 2>/dev/null | head -n 1)" ] || missing+=(fonts-dejavu-extra)
[ -n "$(find /usr/share/fonts "$HOME/.local/share/fonts" -name DejaVuSansMono.ttf 2>/dev/null | head -n 1)" ] || missing+=(fonts-dejavu-core)
if [ ${#missing[@]} != 0 ]; then
    [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || { echo "please install: ${missing[*]}" >&2; exit 1; }
    bash "$top/demo/packages.sh" "${missing[@]}"
fi
if [ ! -e "$venv/whole" ]; then
    python3 -m venv "$venv"
    echo '*' > "$venv/.gitignore"
    "$venv/bin/pip" -q install --disable-pip-version-check 'weasyprint==66.0' 'markdown==3.8.2'
    touch "$venv/whole"
fi
"$venv/bin/python" "$top/docs/brief/make.py" "$top" "$top/docs/project_brief.pdf"
