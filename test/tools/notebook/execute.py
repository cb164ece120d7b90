"""execute.py NOTEBOOK FACTS PICTURES: run the notebook, compare what its charts
are drawn from with FACTS (frame: its last column of numbers, in order), and keep
the pictures.  A cell more than the notebook has says what the frames hold.
"""
import base64
import json
import os
import sys

import nbclient
import nbformat

path, facts, pictures = sys.argv[1:]
want = json.load(open(facts, encoding="utf-8"))
notebook = nbformat.read(path, as_version=4)
nbformat.validate(notebook)
if any(cell.get("outputs") for cell in notebook.cells):
    sys.exit("the notebook is kept with outputs: clear them")
say = "import json; print(json.dumps({n: [int(v) for v in globals()[n].iloc[:, 1]] for n in %r}))" % (list(want),)
notebook.cells.append(nbformat.v4.new_code_cell(say))
nbclient.NotebookClient(notebook, timeout=120, kernel_name="python3").execute()

failed = 0
got = json.loads(notebook.cells[-1].outputs[0].text)
for name, numbers in want.items():
    ok = got[name] == numbers
    print("ok     " if ok else "FAILED ", f"{name}: {len(numbers)} numbers are what the facts say" + ("" if ok else f": {got[name][:8]} instead of {numbers[:8]}"))
    failed += not ok
images = [o.data["image/png"] for c in notebook.cells for o in c.get("outputs", []) if "image/png" in o.get("data", {})]
print("ok     " if len(images) == len(want) else "FAILED ", f"{len(images)} pictures")
failed += len(images) != len(want)
os.makedirs(pictures, exist_ok=True)
for number, image in enumerate(images, 1):
    with open(os.path.join(pictures, f"notebook{number}.png"), "wb") as file:
        file.write(base64.b64decode(image))
sys.exit(1 if failed else 0)
