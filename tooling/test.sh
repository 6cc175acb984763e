#!/bin/bash
# `npm test`: the specs in two processes side by side, which takes half of the time on two processors. Those of the addon and of what holds
# its handles have a process of their own, because they count its descriptors: nothing else may come or go there. Those that start programs
# follow when it has ended, so that both sides take as long. Arguments go to all.
set -u
handles='binding|sources|targets'
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

# one_after_another ARGUMENT...: the specs of handles, then those of programs. Fails when one of them does.
one_after_another() {
  local status=0
  specs_in "$handles" "$@" || status=$?
  specs_in "$programs" "$@" || status=$?
  return "$status"
}

one_after_another "$@" > "$log" 2>&1 &
beside=$!
specs_in "!$handles|$programs" "$@"
status=$?
wait "$beside" || status=$?
cat "$log"
exit "$status"
