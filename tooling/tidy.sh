#!/bin/bash
# Looks at the C++ of the addon with clang-tidy, by the rules in .clang-tidy. To be run by npm, which knows where node-gyp is; node-gyp
# knows where the headers of Node.js are, and how the addon is compiled.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
if ! command -v clang-tidy-19 > /dev/null; then
  echo 'clang-tidy-19 is missing: sudo apt-get install clang-tidy-19' >&2
  exit 1
fi
# Beside the ordinary build, whose settings stay as they are.
beside=$root/build/tidy
mkdir -p "$beside"
ln -sfn ../../binding ../../binding.gyp ../../package.json ../../node_modules "$beside/"
(cd "$beside" && node-gyp configure --loglevel=warn -- -f compile_commands_json)
commands=$beside/build/Release
# By their own names, not by those beside, so that a finding says where to look.
sed -i "s#$beside/binding/#$root/binding/#g" "$commands/compile_commands.json"
cd "$root"
find binding/src -name '*.cc' -print0 | sort -z |
  xargs -0 -n 1 -P "$(nproc)" clang-tidy-19 --quiet -p "$commands" 2>&1 | { grep -v '^[0-9]* warnings\? generated\.$' || true; }
