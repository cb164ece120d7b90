#!/usr/bin/env python3
"""page.py: the hospital's dashboard and validation report as web pages.

    page.py serve [--port 8090] [--tries 20] [--address-file FILE] [--pid-file FILE]
    page.py dashboard FILE [--from DAY] [--to DAY] [--department CODE]
    page.py report FILE [--from DAY] [--to DAY]

serve answers on 127.0.0.1 alone, until it is ended, with a page that keeps
itself current.  dashboard and report write one file that needs nothing else: the
data, the style and the plotting library are in it.

All data comes from functions of the extension by psql, which finds the server as
it always does: by PGHOST, PGPORT, PGUSER, PGDATABASE, a service or a pass file.
The dashboard wants a role that may read the schema hospital_mart and nothing
else; the report one that may call hospital_validate().  It takes nothing that
Python and PostgreSQL's client do not bring.

A browser can only choose a period and a department.  They are checked here by
their form, reach psql as variables, which it quotes, and are checked again by the
function, in a transaction that cannot write.
"""
import argparse
import base64
import datetime
import hashlib
import http.server
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse

HERE = os.path.dirname(os.path.abspath(__file__))
FRESH_S = 2              # so old an answer may be: many browsers cost what one does
KEPT = 64                # answers
QUERIES = 4              # at a time
STATEMENT_TIMEOUT_S = 15

DASHBOARD_SQL = """SELECT hospital_dashboard_data(nullif(:'from', '')::date, nullif(:'to', '')::date, nullif(:'department', ''));"""
REPORT_SQL = """SELECT hospital_report_data(nullif(:'from', '')::date, nullif(:'to', '')::date);"""


class Refused(Exception):
    """What was asked for is no period or no department."""


class Unreachable(Exception):
    """The database gave no data; the text is for people."""


# ---- data -----------------------------------------------------------------

def check_day(name, text):
    if not text:
        return ""
    if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", text):
        raise Refused(f'"{name}" is not a day like 2020-01-31')
    try:
        datetime.date.fromisoformat(text)
    except ValueError as error:
        raise Refused(f'"{name}" is not a day: {error}') from error
    return text


def check_filter(first, last, department):
    first, last = check_day("from", first), check_day("to", last)
    if first and last and first > last:
        raise Refused("the period ends before it begins")
    if department and not re.fullmatch(r"[A-Z]{1,8}", department):
        raise Refused('"department" is not the code of a department')
    return {"from": first, "to": last, "department": department or ""}


def environment(writes):
    env = dict(os.environ)
    options = [env.get("PGOPTIONS", ""), "-c client_min_messages=warning"]
    if not writes:
        options += ["-c default_transaction_read_only=on", f"-c statement_timeout={STATEMENT_TIMEOUT_S}s"]
    env["PGOPTIONS"] = " ".join(options).strip()
    env.setdefault("PGCONNECT_TIMEOUT", "5")
    env.setdefault("PGAPPNAME", "hospital page")
    return env


def ask(sql, variables, writes=False):
    """The one value of a query, as bytes."""
    command = [os.environ.get("PSQL", "psql"), "-XqAt", "-v", "ON_ERROR_STOP=1", "-v", "VERBOSITY=verbose", "-f", "-"]
    for name, value in variables.items():
        command += ["-v", f"{name}={value}"]
    try:
        done = subprocess.run(command, input=sql.encode(), capture_output=True, env=environment(writes),
                              timeout=None if writes else STATEMENT_TIMEOUT_S + 10, check=False)
    except FileNotFoundError as error:
        raise Unreachable("psql is not installed") from error
    except subprocess.TimeoutExpired as error:
        raise Unreachable("the database did not answer in time") from error
    if done.returncode == 0:
        return done.stdout.strip()
    said = done.stderr.decode(errors="replace").strip()
    sys.stderr.write(said + "\n")
    raise told(said)


def told(said):
    """What psql said, as an error for those who look at the page: no more than they need."""
    found = re.search(r"(?:ERROR|FATAL):\s+([0-9A-Z]{5}): (.*)", said)
    if found is None:
        return Unreachable("the database cannot be reached")
    state, message = found.groups()
    if state in ("22023", "22008", "22007"):
        return Refused(message)
    return Unreachable({"42501": "the page's role may not read the marts", "42883": "the extension hospital is not there",
                        "57014": "the database did not answer in time", "42P01": "there is no hospital with marts yet",
                        }.get(state, f"the database refused (SQLSTATE {state})"))


class Answers:
    """Answers by filter, each asked for once while it is fresh, errors as well."""

    def __init__(self):
        self.lock = threading.Lock()
        self.at_once = threading.BoundedSemaphore(QUERIES)
        self.kept = {}

    def place(self, key):
        with self.lock:
            # the oldest goes first; those who wait for it still have it
            while len(self.kept) >= KEPT and key not in self.kept:
                self.kept.pop(next(iter(self.kept)))
            return self.kept.setdefault(key, {"lock": threading.Lock(), "at": None, "said": None})

    def get(self, variables):
        mine = self.place(tuple(sorted(variables.items())))
        with mine["lock"]:
            if mine["at"] is None or time.monotonic() - mine["at"] > FRESH_S:
                try:
                    with self.at_once:
                        mine["said"] = ask(DASHBOARD_SQL, variables)
                except (Refused, Unreachable) as error:
                    mine["said"] = error
                mine["at"] = time.monotonic()
            if isinstance(mine["said"], Exception):
                raise type(mine["said"])(str(mine["said"]))
            return mine["said"]


# ---- pages ----------------------------------------------------------------

def read(*path):
    with open(os.path.join(HERE, *path), encoding="utf-8") as file:
        return file.read()


def inline_script(*texts):
    text = "\n".join(texts)
    # in HTML a script ends at the first </script, wherever it stands
    return text.replace("</script", "<\\/script").replace("<!--", "<\\!--")


def allow(scripts, connects):
    """A policy by which nothing runs and nothing is asked but what is in the page."""
    sums = " ".join("'sha256-" + base64.b64encode(hashlib.sha256(s.encode()).digest()).decode() + "'" for s in scripts)
    return (f"default-src 'none'; script-src {sums}; style-src 'unsafe-inline'; img-src data:; "
            f"connect-src {connects}; base-uri 'none'; form-action 'none'")


def make_page(name, data):
    """One of the pages as a whole; without data it is the one that asks for it."""
    library = inline_script(read("vendor", "echarts.common.min.js"))
    script = inline_script(read("charts.js"), read(name + ".js"))
    parts = {"policy": allow([library, script], "'none'" if data else "'self'"), "style": read("page.css"),
             "library": library, "script": script, "data": data.replace("<", "\\u003c")}
    return re.sub("@(policy|style|library|script|data)@", lambda m: parts[m.group(1)], read(name + ".html"))


def write_whole(path, text):
    """A file is there as a whole or not at all."""
    folder = os.path.dirname(os.path.abspath(path))
    handle, temporary = tempfile.mkstemp(dir=folder, prefix=".page.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


# ---- the server -----------------------------------------------------------

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "hospital"
    sys_version = ""
    timeout = 30

    def do_GET(self):
        # a page of somebody else's that gives itself our address is not answered
        if self.headers.get("Host", "") not in self.server.names:
            self.send(421, "text/plain; charset=utf-8", b"this server is for this machine alone\n")
            return
        url = urllib.parse.urlsplit(self.path)
        if url.path == "/":
            self.send(200, "text/html; charset=utf-8", self.server.page)
        elif url.path == "/data":
            self.send_data(urllib.parse.parse_qs(url.query))
        else:
            self.send(404, "text/plain; charset=utf-8", b"there is nothing here\n")

    do_HEAD = do_GET

    def send_data(self, query):
        try:
            if set(query) - {"from", "to", "department"} or any(len(v) > 1 for v in query.values()):
                raise Refused("a period (from, to) and a department can be chosen, and nothing else")
            body = self.server.answers.get(check_filter(*(query.get(k, [""])[0] for k in ("from", "to", "department"))))
            status = 200
        except Refused as error:
            status, body = 400, json.dumps({"error": str(error)}).encode()
        except Unreachable as error:
            status, body = 503, json.dumps({"error": str(error)}).encode()
        self.send(status, "application/json; charset=utf-8", body)

    def send(self, status, kind, body):
        self.send_response(status)
        for name, value in (("Content-Type", kind), ("Content-Length", str(len(body))), ("Cache-Control", "no-store"),
                            ("X-Content-Type-Options", "nosniff"), ("X-Frame-Options", "DENY"), ("Referrer-Policy", "no-referrer"),
                            ("Cross-Origin-Resource-Policy", "same-origin")):
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format, *args):
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    # two servers on one port would share what comes
    allow_reuse_address = True

    def __init__(self, port):
        super().__init__(("127.0.0.1", port), Handler)
        port = self.server_address[1]
        self.names = {f"127.0.0.1:{port}", f"localhost:{port}"}
        self.page = make_page("dashboard", "").encode()
        self.answers = Answers()


def open_server(port, tries):
    """On that port, or on one of the next where it is taken."""
    for candidate in range(port, port + max(1, tries)):
        try:
            return Server(candidate)
        except OSError as error:
            last = error
    sys.exit(f"page.py: no port from {port} to {port + max(1, tries) - 1} is free: {last}")


def serve(arguments):
    server = open_server(arguments.port, arguments.tries)
    address = f"http://127.0.0.1:{server.server_address[1]}/"
    # who finds the address may rely on the other
    if arguments.pid_file:
        write_whole(arguments.pid_file, f"{os.getpid()}\n")
    if arguments.address_file:
        write_whole(arguments.address_file, address + "\n")
    print(address, flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        pass


def write_page(arguments):
    name = arguments.command
    variables = check_filter(arguments.first, arguments.last, getattr(arguments, "department", ""))
    if name == "report":
        # the report's checks may close days that agree
        data = ask(REPORT_SQL, variables, writes=True)
    else:
        data = ask(DASHBOARD_SQL, variables)
    write_whole(arguments.file, make_page(name, data.decode()))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("serve")
    command.add_argument("--port", type=int, default=8090, help="0: any that is free")
    command.add_argument("--tries", type=int, default=20, help="so many ports, from that one on, are tried")
    command.add_argument("--address-file", help="where to write the address")
    command.add_argument("--pid-file", help="where to write the number of the process")
    for name in ("dashboard", "report"):
        command = commands.add_parser(name)
        command.add_argument("file")
        command.add_argument("--from", dest="first", default="", metavar="DAY")
        command.add_argument("--to", dest="last", default="", metavar="DAY")
        if name == "dashboard":
            command.add_argument("--department", default="", metavar="CODE")
    arguments = parser.parse_args()
    try:
        if arguments.command == "serve":
            serve(arguments)
        else:
            write_page(arguments)
    except (Refused, Unreachable) as error:
        sys.exit(f"page.py: {error}")


if __name__ == "__main__":
    main()
