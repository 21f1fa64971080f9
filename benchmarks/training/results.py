"""The finished jobs: a file with a line of JSON each, to which lines are only ever added."""

import fcntl
import json
import os


def load(path):
    """The lines by key. A last line that was not written to its end does not count."""
    if not path.exists():
        return {}
    lines = path.read_bytes().split(b"\n")[:-1]
    return {line["key"]: line for line in map(json.loads, lines)}


class Writer:
    """Adds lines, each on the disk before the next job begins. One process at a time may have it."""

    def __init__(self, path):
        path.parent.mkdir(parents=True, exist_ok=True)
        self.file = open(path, "ab+")
        try:
            fcntl.flock(self.file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SystemExit(f"{path}: another process is writing it") from None
        self.file.seek(0)
        self.file.truncate(self.file.read().rfind(b"\n") + 1)

    def add(self, line):
        self.file.write(json.dumps(line).encode() + b"\n")
        self.file.flush()
        os.fsync(self.file.fileno())
