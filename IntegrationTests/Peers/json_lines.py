"""Reads JSON from standard input, one object a line, and prints the members named as arguments.

Each line must be one object by itself, without a member twice. What is absent prints as `-`; dots
reach into objects: `error.column`.
"""
import json
import sys


def once(pairs):
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError(f"a member twice in {pairs}")
    return members


for line in sys.stdin:
    found = []
    for path in sys.argv[1:]:
        value = json.loads(line, object_pairs_hook=once)
        for name in path.split("."):
            value = value.get(name) if isinstance(value, dict) else None
        found.append("-" if value is None else json.dumps(value, separators=(",", ":")))
    print(" ".join(found), flush=True)
