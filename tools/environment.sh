#!/bin/sh
# Makes .venv with the packages of one extra ("data" or "dev"), once. Installs Python packages into .venv and nothing else.
# What is missing on the machine is said in one sentence with the command that mends it.
set -eu

extra=$1
python=${PYTHON:-python3}
stamp=.venv/.made-$extra
need_mb=${FACTORGRAPH_NEEDS_MB:-3000} # torch and what it brings; measured 2.1 GB with a CPU build

say() {
  echo "make: $*" >&2
  exit 1
}

if [ -e "$stamp" ] && [ "$stamp" -nt pyproject.toml ] && [ "$stamp" -nt constraints.txt ]; then exit 0; fi
# the tests' packages include the demo's
if [ "$extra" = data ] && [ -e .venv/.made-dev ] && [ .venv/.made-dev -nt pyproject.toml ] && [ .venv/.made-dev -nt constraints.txt ]; then exit 0; fi

command -v "$python" >/dev/null 2>&1 || say "there is no $python; install it with: sudo apt-get install python3 python3-venv"
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
  say "$("$python" --version 2>&1) is too old, Python 3.11 or newer is needed; name a newer one with: make PYTHON=python3.12"
if [ ! -x .venv/bin/python ]; then
  "$python" -c 'import ensurepip, venv' 2>/dev/null || say "Python's venv is missing; install it with: sudo apt-get install python3-venv"
fi
free_mb=$(df -Pm . | awk 'NR == 2 {print $4}')
[ "$free_mb" -ge "$need_mb" ] ||
  say "the disk has $free_mb MB free and the packages need $need_mb MB; free some, or clone into another disk, then run make again"

echo "make: installing Python packages into .venv (once, a few minutes; log: .venv/install.log)" >&2
[ -x .venv/bin/python ] || "$python" -m venv .venv || say "making .venv failed; remove it and run make again: rm -rf .venv"
if ! .venv/bin/python -m pip install --disable-pip-version-check --no-input -c constraints.txt -e ".[$extra]" >.venv/install.log 2>&1; then
  if grep -q 'No space left' .venv/install.log; then
    say "the disk is full; free $need_mb MB, then: rm -rf .venv && make"
  elif grep -qE 'NewConnectionError|Temporary failure|Name or service|Network is unreachable|ConnectTimeout|ReadTimeout|Could not find a version' .venv/install.log; then
    say "the packages could not be fetched, the first time needs a network; connect, then run the same make again (log: .venv/install.log)"
  fi
  tail -n 5 .venv/install.log >&2
  say "installing failed; after mending what is said above: rm -rf .venv && make"
fi
touch "$stamp"
