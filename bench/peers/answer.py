"""The peers' side of bench/peer.ts: one JSON command per line in, one JSON answer per line out."""

import json
import sys


def serve(commands):
    """Answers each command {"run": name, ...} with commands[name](**rest)."""
    for line in sys.stdin:
        command = json.loads(line)
        name = command.pop("run")
        print(json.dumps(commands[name](**command)), flush=True)
