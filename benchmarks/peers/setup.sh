#!/bin/sh
# Makes the virtual environment that holds the peers: .build/peers-venv in the repository's root.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
venv=$here/../../.build/peers-venv
python3.11 -m venv "$venv"
# The processor-only build of torch spares gigabytes. Where its index cannot be reached, the usual one serves.
"$venv/bin/pip" install -q 'torch==2.13.*' --index-url https://download.pytorch.org/whl/cpu ||
    "$venv/bin/pip" install -q 'torch==2.13.*'
"$venv/bin/pip" install -q -r "$here/requirements.txt"
echo "ready: $venv/bin/python $here/run.py --help"
