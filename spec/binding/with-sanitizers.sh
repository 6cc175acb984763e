#!/bin/bash
# Builds the addon with address and undefined-behaviour checks, beside the ordinary one, and runs the binding specs on it.
# Arguments are passed on to mocha.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
beside=$root/build/sanitized
mkdir -p "$beside"
ln -sfn ../../binding ../../binding.gyp ../../package.json ../../node_modules "$beside/"
(cd "$beside" && node-gyp rebuild --jobs=max --loglevel=warn -- -Dsanitize=1)
cd "$root"
# The checks belong to a library of their own, which has to be there before node is. Node never frees all that it has at its
# end, so leaks are not looked for: the lifetime specs do that.
export LD_PRELOAD="$(gcc -print-file-name=libasan.so) $(gcc -print-file-name=libubsan.so)"
export ASAN_OPTIONS=detect_leaks=0:abort_on_error=1 UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1
export DMA_STREAMS_PREBUILD=$beside
exec node node_modules/mocha/bin/mocha.js --no-config --enable-source-maps --require ./dist/spec/support/collect-garbage.js --reporter ./tooling/counting-reporter.js --timeout 120000 'dist/spec/binding/**/*.spec.js' "$@"
