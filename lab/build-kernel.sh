#!/usr/bin/env bash
# build-kernel.sh VERSION OUTPUT: builds the guest's kernel from the distribution's source package, with guest/kernel.config.
#
# The build dependencies are installed with apt-get. If this release does not have the kernel's source, it is taken from the backports of
# the next release, with a separate apt state: the package lists of the system are not changed.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
version=$1 output=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
[ "$(id -u)" = 0 ] && root=() || root=(sudo)

say() { printf 'kernel %s: %s\n' "$version" "$*" >&2; }
fail() { say "$*"; exit 1; }

# Fetches the source package into $work. As root, apt would drop its privileges for the download and could not write to the folder.
download() { (cd "$work" && apt-get -o APT::Sandbox::User=root -qq download "$package"); }

needed=(gcc make flex bison bc xz-utils libelf-dev libc6-dev ca-certificates)
say 'installing what the build needs'
"${root[@]}" apt-get update -qq -o APT::Update::Error-Mode=any ||
  fail "the package lists of a mirror cannot be fetched: see 'apt-get update', and /etc/apt/sources.list.d"
DEBIAN_FRONTEND=noninteractive "${root[@]}" apt-get install -y -qq --no-install-recommends "${needed[@]}" > /dev/null ||
  fail "cannot install ${needed[*]}: install them manually"

# The source package: of this release, or of the next one's backports.
package="linux-source-$version"
if apt-cache show "$package" > /dev/null 2>&1; then
  download || fail "$package cannot be fetched from the mirror"
else
  say "not in this release: taking $package from the next release's backports"
  mirror=$(find /etc/apt/sources.list /etc/apt/sources.list.d -type f -exec cat {} + 2> /dev/null |
    sed -nE 's/^(URIs:|deb( \[[^]]*\])?) *(https?:[^ ]*\/debian)\/?( .*)?$/\3/p' | sed -n 1p) || true
  [ -n "$mirror" ] || fail "$package is not in this release, and no Debian mirror is in the sources of apt to look for it elsewhere"
  declare -A next=([bookworm]=trixie [trixie]=forky)
  release=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
  mkdir -p "$work/apt/lists/partial" "$work/apt/archives/partial"
  printf 'deb %s %s-backports main\n' "$mirror" "${next[$release]:-trixie}" > "$work/apt/sources.list"
  cat > "$work/apt.conf" <<CONF
Dir::State "$work/apt";
Dir::State::lists "$work/apt/lists";
Dir::State::status "/var/lib/dpkg/status";
Dir::Cache "$work/apt";
Dir::Etc::sourcelist "$work/apt/sources.list";
Dir::Etc::sourceparts "-";
APT::Sandbox::User "root";
CONF
  export APT_CONFIG="$work/apt.conf"
  apt-get update -qq -o APT::Update::Error-Mode=any || fail "the package lists of $mirror cannot be fetched"
  download || fail "$mirror has no $package in ${next[$release]:-trixie}-backports"
  unset APT_CONFIG
fi
say 'unpacking the source'
dpkg-deb --fsys-tarfile "$work/$package"_*.deb | tar -x -C "$work" "./usr/src/$package.tar.xz"
mkdir "$work/source" "$work/build"
tar -xJf "$work/usr/src/$package.tar.xz" -C "$work/source" --strip-components=1
rm -r "$work/usr" "$work/$package"_*.deb

export KBUILD_BUILD_USER=lab KBUILD_BUILD_HOST=lab KBUILD_BUILD_TIMESTAMP='2026-01-01 00:00:00 UTC'
kernel_make() { make -s -C "$work/source" O="$work/build" ARCH=x86_64 "$@"; }
kernel_make tinyconfig > /dev/null
(cd "$work/source" && ./scripts/kconfig/merge_config.sh -m -O "$work/build" "$work/build/.config" "$here/guest/kernel.config" > /dev/null)
kernel_make olddefconfig > /dev/null

# A progress line on a terminal; the output of the compiler is only logged.
started=$SECONDS
kernel_make -j"$(nproc)" bzImage > "$work/log" 2>&1 &
build=$!
next_line=60
while kill -0 "$build" 2> /dev/null; do
  if [ -t 2 ] || [ "$((SECONDS - started))" -ge "$next_line" ]; then
    objects=$(find "$work/build" -name '*.o' | wc -l)
    [ -t 2 ] && form='\r%s ' || form='%s\n'
    # shellcheck disable=SC2059
    printf "$form" "kernel $version: $objects files compiled, of some 1,900; $((SECONDS - started)) s" >&2
    next_line=$((SECONDS - started + 60))
  fi
  sleep 2
done
[ -t 2 ] && printf '\n' >&2
wait "$build" || { say 'the build failed:'; tail -n 30 "$work/log" >&2; exit 1; }
mkdir -p "$(dirname "$output")"
cp "$work/build/arch/x86/boot/bzImage" "$output.part"
mv "$output.part" "$output"
say "built in $((SECONDS - started)) s: $output"
