"""flows.py FLOWS TERRAFORM CORE: what can be said of deploy/ without Kestra's server
and Google's provider.

FLOWS: each is YAML with what a flow must have; task and trigger types are known,
those of Kestra's core by its jar CORE (a path, or - where there is none); what
flows refer to is there; BigQuery's statements are BigQuery's.  Prints the
statements that are PostgreSQL's, one a line as JSON, for the caller to run.

TERRAFORM: it parses; every variable, local value and resource that is used is
declared, every variable is used.
"""
import json
import pathlib
import re
import sys
import zipfile

import hcl2
import sqlglot
import yaml

flows_folder, terraform_folder, core = sys.argv[1:]
bad = []

# Of the plugins: type and the properties of it that flows use.
COMMON = {"id", "type", "description", "timeout", "retry", "disabled", "runIf", "allowFailure"}
SCRIPT = COMMON | {"env", "taskRunner", "containerImage", "namespaceFiles", "inputFiles", "outputFiles", "commands", "beforeCommands"}
PLUGINS = {
    "io.kestra.plugin.jdbc.postgresql.Query": COMMON | {"sql", "fetchType", "url", "username", "password"},
    "io.kestra.plugin.gcp.bigquery.Query": COMMON | {"sql", "fetchType", "projectId", "location"},
    "io.kestra.plugin.scripts.shell.Commands": SCRIPT,
    "io.kestra.plugin.dbt.cli.DbtCLI": SCRIPT | {"projectDir", "profiles"},
}
CORE = {
    "io.kestra.plugin.core.flow.If": COMMON | {"condition", "then", "else"},
    "io.kestra.plugin.core.execution.Fail": COMMON | {"errorMessage", "condition"},
    "io.kestra.plugin.core.runner.Process": {"type"},
    "io.kestra.plugin.core.trigger.Schedule": COMMON | {"cron", "timezone", "inputs"},
    "io.kestra.plugin.core.trigger.Flow": COMMON | {"preconditions", "inputs"},
}
FLOW = {"id", "namespace", "description", "inputs", "tasks", "triggers", "pluginDefaults", "labels", "errors"}


def check(ok, *what):
    if not ok:
        bad.append(" ".join(map(str, what)))


def check_typed(where, node):
    """A task, trigger or runner: its type is known, and so are its properties."""
    kind = node.get("type")
    known = PLUGINS.get(kind) or CORE.get(kind)
    check(known, where, "type", kind)
    for p in node:
        check(known is None or p in known, where, kind, "has no", p)


def tasks_of(nodes):
    for t in nodes:
        yield t
        yield from tasks_of(t.get("then", []) + t.get("else", []))


flows = {}
for path in sorted(pathlib.Path(flows_folder).glob("*.yaml")):
    flow = yaml.safe_load(path.read_text())
    where = path.name
    flows[flow["id"]] = flow
    check(flow["id"] == path.stem, where, "has another id")
    check(re.fullmatch(r"[a-zA-Z0-9][a-zA-Z0-9_.-]*", flow["id"]), where, "id")
    check(re.fullmatch(r"[a-z0-9][a-z0-9._-]*", flow.get("namespace", "")), where, "namespace")
    check(set(flow) <= FLOW, where, "unknown keys", set(flow) - FLOW)
    tasks = list(tasks_of(flow["tasks"]))
    triggers = flow.get("triggers", [])
    ids = [n["id"] for n in tasks + triggers]
    check(len(set(ids)) == len(ids), where, "an id comes twice")
    for node in tasks + triggers:
        check_typed(f"{where} {node['id']}", node)
        if "taskRunner" in node:
            check_typed(f"{where} {node['id']} taskRunner", node["taskRunner"])
        if "cron" in node:
            check(len(node["cron"].split()) == 5, where, "cron", node["cron"])
    inputs = {i["id"] for i in flow.get("inputs", [])}
    text = path.read_text()
    for name in re.findall(r"inputs\.(\w+)", text):
        check(name in inputs, where, "no input", name)
    for name in re.findall(r"outputs\.(\w+)", text):
        check(name in ids, where, "no task", name)
    check(text.count("{{") == text.count("}}"), where, "braces")
    prefixes = [d["type"] for d in flow.get("pluginDefaults", [])]
    for t in tasks:
        if t["type"].startswith(("io.kestra.plugin.jdbc.", "io.kestra.plugin.gcp.")):
            check(any(t["type"].startswith(p + ".") for p in prefixes), where, t["id"], "has nowhere to connect to")
        if t["type"] == "io.kestra.plugin.gcp.bigquery.Query":
            sql = re.sub(r"\{\{.*?\}\}", "hospital", t["sql"])
            try:
                sqlglot.parse_one(sql, read="bigquery")
            except Exception as e:
                check(False, where, t["id"], e)
        if t["type"] == "io.kestra.plugin.jdbc.postgresql.Query":
            print(json.dumps({"flow": flow["id"], "task": t["id"], "sql": re.sub(r"\{\{ inputs\.speed \}\}", "1", t["sql"]).strip()}))
check(len(flows) == 9, len(flows), "flows")
for name, flow in flows.items():
    for t in flow.get("triggers", []):
        for f in t.get("preconditions", {}).get("flows", []):
            check(f["flowId"] in flows and flows[f["flowId"]]["namespace"] == f["namespace"], name, "waits for", f["flowId"])

if core != "-":
    classes = set(zipfile.ZipFile(core).namelist())
    for t in CORE:
        check(t.replace(".", "/") + ".class" in classes, t, "is not in Kestra's core")

text, declared, used_variables = "", {"var": set(), "local": set(), "resource": set()}, set()
for path in sorted(pathlib.Path(terraform_folder).glob("*.tf")):
    part = path.read_text()
    text += re.sub(r"(?m)#.*$", "", part)
    tree = hcl2.loads(part)
    strip = lambda s: s.strip('"')
    for v in tree.get("variable", []):
        declared["var"] |= {strip(k) for k in v if not k.startswith("__")}
    for l in tree.get("locals", []):
        declared["local"] |= {strip(k) for k in l if not k.startswith("__")}
    for r in tree.get("resource", []):
        for kind, named in r.items():
            declared["resource"] |= {f"{strip(kind)}.{strip(n)}" for n in named if not n.startswith("__")}
used = set(re.findall(r"\bvar\.(\w+)", text))
check(used == declared["var"], "variables", used ^ declared["var"])
check(set(re.findall(r"\blocal\.(\w+)", text)) == declared["local"], "local values")
for name in re.findall(r"\b(google_\w+\.\w+)\.\w+", text):
    check(name in declared["resource"], "no resource", name)
check(len(declared["resource"]) > 5, "resources", declared["resource"])

for b in bad:
    print("   " + b, file=sys.stderr)
print(f"   {len(flows)} flows, {len(declared['resource'])} resources", file=sys.stderr)
sys.exit(1 if bad else 0)
