#!/bin/sh
# install.sh LOCK: install what a lock file names into /opt/venv. uv, pip and their caches are gone when it ends, so
# that the one layer it makes holds the dependencies only (copying gigabytes over from a builder would double them).
#
# From the environment, all optional:
#   INDEX_URL    package index in place of the default one
#   TORCH_INDEX  index that has the locked versions of torch and torchvision built otherwise, e.g. the vendor's CPU
#                wheels. These two are taken from there, unhashed (the lock's hashes are those of the CUDA wheels) and
#                without the CUDA packages; everything else still has to match its hash.
set -eu
here=$(dirname "$0")
tools=$(mktemp -d)
trap 'rm -rf "$tools"' EXIT
export TMPDIR="$tools" VIRTUAL_ENV=/opt/venv UV_NO_CACHE=1 UV_NO_PROGRESS=1 PIP_NO_CACHE_DIR=1
export UV_COMPILE_BYTECODE=1 PYC_INVALIDATION_MODE=UNCHECKED_HASH
if [ -n "${INDEX_URL:-}" ]; then export PIP_INDEX_URL="$INDEX_URL" UV_DEFAULT_INDEX="$INDEX_URL"; fi

python3 -m venv "$tools/venv"
"$tools/venv/bin/pip" install --quiet --disable-pip-version-check --require-hashes --requirement "$here/build.lock"
PATH="$tools/venv/bin:$PATH"
uv venv --quiet /opt/venv

if [ -z "${TORCH_INDEX:-}" ]; then
  uv pip install --quiet --require-hashes --requirement "$1"
else
  awk '/^[a-z]/ {cuda = /^(torch|torchvision|triton|cuda-.*|nvidia-.*)==/} !cuda' "$1" > "$tools/rest.lock"
  awk '/^torch(vision)?==/ {print $1}' "$1" > "$tools/torch.txt"
  uv pip install --quiet --require-hashes --requirement "$tools/rest.lock"
  uv pip install --quiet --no-deps --default-index "$TORCH_INDEX" --requirement "$tools/torch.txt"
fi
uv pip check --quiet
rm -f /opt/venv/bin/activate*
