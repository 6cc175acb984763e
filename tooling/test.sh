#!/bin/bash
# `npm test`: the specs in two processes side by side, which takes half of the time on two processors. Those of the addon and of what holds
# its handles are one of them: they count the descriptors of their process, in which nothing else may come or go. Arguments go to both.
set -u
handles='binding,sources,targets'
log=$(mktemp)
trap 'rm -f "$log"' EXIT
mocha --ignore "dist/spec/{$handles}/**" "$@" > "$log" 2>&1 &
others=$!
mocha --ignore "dist/spec/!(${handles//,/|})/**" --ignore 'dist/spec/*.spec.js' "$@"
status=$?
wait "$others" || status=$?
cat "$log"
exit "$status"
