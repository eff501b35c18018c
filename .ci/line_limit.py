"""No Python file above 400 lines: a file that passes it does more than one thing."""

import subprocess
import sys
from pathlib import Path

LIMIT = 400

listed = subprocess.run(
    ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.py"],
    capture_output=True,
    text=True,
    check=True,
).stdout.split()
long = [(n, name) for name in listed if (n := len(Path(name).read_bytes().splitlines())) > LIMIT]
for n, name in sorted(long, reverse=True):
    print(f"{name}: {n} lines, the limit is {LIMIT}", file=sys.stderr)
sys.exit(1 if long else 0)
