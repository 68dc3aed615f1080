"""check_json.py SCHEMA FILE...: each file is what the schema says, and what its edges name is in it."""

import json
import sys

import jsonschema


def load(name):
    with open(name, encoding="utf-8") as file:
        return json.load(file)


schema = load(sys.argv[1])
jsonschema.Draft202012Validator.check_schema(schema)
validator = jsonschema.Draft202012Validator(schema)
for name in sys.argv[2:]:
    graph = load(name)
    validator.validate(graph)
    named = [("node", n["id"]) for n in graph["nodes"]] + [(j["kind"], j["path"]) for j in graph["joins"]]
    assert len(named) == len(set(named)), f"{name}: names are not unique"
    for edge in graph["edges"]:
        for end in (edge["from"], edge["to"]):
            assert set(end.items()) <= set(named), f"{name}: an edge names {end}, which is not in the graph"
    for node in graph["nodes"]:
        fields = [f for f in schema["$defs"]["node"]["properties"] if f in node]
        assert list(node) == fields, f"{name}: the fields of a node are not in the order of the schema"
print(f"{len(sys.argv) - 2} graphs are as the schema says")
