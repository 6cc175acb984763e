#!/bin/bash
# `npm test`: the specs in two processes side by side, which takes half of the time on two processors. Those of the addon and of what holds
# its handles have a process of their own, because they count its descriptors: nothing else may come or go there. Each of the two is followed by
# specs that start programs, so that both sides take as long; of these no coverage is taken, which slows each program down. Arguments go to all.
set -u
handles='binding|sources|targets'
core='streams|inspect|testing'
programs='cli|docs'
log=$(mktemp)
trap 'rm -f "$log"' EXIT

# specs_in FOLDERS ARGUMENT...: the specs of folders, as in a pattern of bash: 'a|b'; with `!` before them, those of all others.
specs_in() {
  local folders=$1
  shift
  if [ "${folders::1}" = '!' ]; then
    mocha --ignore "dist/spec/@(${folders:1})/**" "$@"
  else
    mocha --ignore "dist/spec/!($folders)/**" --ignore 'dist/spec/*.spec.js' "$@"
  fi
}

# side FOLDERS FOLDERS ARGUMENT...: the specs of the former, then those of the latter. Fails when one of them does.
side() {
  local first=$1 second=$2 status=0
  shift 2
  specs_in "$first" "$@" || status=$?
  unset NODE_V8_COVERAGE
  specs_in "$second" "$@" || status=$?
  return "$status"
}

side "$handles" "$programs" "$@" > "$log" 2>&1 &
beside=$!
(side "$core" "!$handles|$core|$programs" "$@")
status=$?
wait "$beside" || status=$?
cat "$log"
exit "$status"
