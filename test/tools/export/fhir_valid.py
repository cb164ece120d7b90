"""fhir_valid.py FOLDER: practitioners and bundles are valid, and refer to nothing that is not there.

The models are fhir.resources' of R4B, in which the resources that are used here
are those of R4.
"""
import collections
import json
import pathlib
import sys

from fhir.resources.R4B import get_fhir_model_class

folder = pathlib.Path(sys.argv[1])
counts, wrong, there = collections.Counter(), [], set()


def validate(resource):
    kind = resource["resourceType"]
    try:
        get_fhir_model_class(kind).model_validate(resource)
        counts[kind] += 1
    except ValueError as error:
        wrong.append(f"{kind}/{resource.get('id')}: {error}")


def references(value):
    if isinstance(value, dict):
        if isinstance(value.get("reference"), str):
            yield value["reference"]
        for inner in value.values():
            yield from references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from references(inner)


def lines(path):
    with open(path) as file:
        for line in file:
            yield json.loads(line)


for resource in lines(folder / "practitioners" / "practitioners.ndjson"):
    validate(resource)
    there.add(f"{resource['resourceType']}/{resource['id']}")
for path in sorted((folder / "bundles").glob("date=*/bundles.ndjson")):
    for bundle in lines(path):
        validate(bundle)
        own = {e["request"]["url"] for e in bundle["entry"]}
        for entry in bundle["entry"]:
            validate(entry["resource"])
            if not entry["fullUrl"].endswith(f"/{entry['request']['url']}"):
                wrong.append(f"{entry['fullUrl']}: is put elsewhere")
        wrong += [f"{bundle['id']}: {r} is not there" for r in references(bundle) if r not in own | there]
for kind in ("Patient", "Practitioner", "Encounter", "Condition", "MedicationRequest", "Observation", "Claim"):
    if not counts[kind]:
        wrong.append(f"there is no {kind}")
print("   " + ", ".join(f"{n} {kind}" for kind, n in sorted(counts.items())))
sys.exit("\n".join(wrong[:20]) if wrong else 0)
