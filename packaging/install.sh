#!/bin/sh
# Installs Fieldgate from this folder, without the network:
#
#   ./install.sh                       into /opt/fieldgate, with the units for systemd; again: an upgrade
#   ./install.sh --prefix DIR          elsewhere, and no units: to look at it, or in a container
#   ./install.sh --remove              take it away; configuration and state stay
#
# Needs python3 of the version that PLATFORM names, and nothing else: no pip, no compiler.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
prefix=/opt/fieldgate service=yes verb=install
while [ $# -gt 0 ]; do
  case "$1" in
    --prefix) prefix=$2 service=no; shift ;;
    --remove) verb=remove ;;
    *) sed -n '2,8p' "$0" | sed 's/^# \{0,1\}//' >&2; exit 2 ;;
  esac
  shift
done
fail() { echo "install.sh: $*" >&2; exit 1; }
systemd() { [ "$service" = yes ] && [ -d /run/systemd/system ]; }
running() { systemctl list-units --plain --no-legend --state=active,activating 'fieldgate.service' 'fieldgate@*.service' | cut -d' ' -f1; }

[ "$service" = no ] || [ "$(id -u)" = 0 ] || fail "run it as root, or give --prefix DIR"

if [ "$verb" = remove ]; then
  if systemd; then for unit in $(running); do systemctl disable --now "$unit"; done; fi
  [ -x "$prefix/bin/fieldgate" ] || fail "$prefix holds no Fieldgate"
  rm -rf "$prefix"
  if [ "$service" = yes ]; then
    rm -f /etc/systemd/system/fieldgate.service /etc/systemd/system/fieldgate@.service /usr/local/bin/fieldgate
  fi
  if systemd; then systemctl daemon-reload; fi
  exit 0
fi

. "$here/wheels/PLATFORM" # python=3.11 processor=x86_64
# shellcheck disable=SC2154 # both come from there
wanted=$python python=$(command -v "python$python" || true)
[ -n "$python" ] || fail "this bundle is for Python $wanted; python3 here is $(python3 --version 2>&1)"
[ "$(uname -m)" = "$processor" ] || fail "this bundle is for $processor; this machine is $(uname -m)"
(cd "$here/wheels" && sha256sum --quiet --check SHA256SUMS) || fail "a wheel is not what it was: copy the bundle again"

# The new environment is made beside the old one and takes its place at once: what fails leaves the old one whole.
rm -rf "$prefix.new"
"$python" "$here/unpack.py" "$here/wheels" "$prefix.new" --python "$("$python" -c 'import os,sys; print(os.path.realpath(sys.executable))')" --at "$prefix"
"$prefix.new/bin/python" -m compileall -q "$prefix.new/lib" >/dev/null 2>&1 || true # some files are no Python 3
"$prefix.new/bin/python" -m gateway --version >/dev/null || fail "what was installed does not run"
was=
if systemd; then was=$(running); fi
for unit in $was; do systemctl stop "$unit"; done
rm -rf "$prefix.old"
[ ! -d "$prefix" ] || mv "$prefix" "$prefix.old"
mv "$prefix.new" "$prefix"
rm -rf "$prefix.old"

if [ "$service" = yes ]; then
  install -d /etc/fieldgate/devices.d
  install -d -m 700 /etc/fieldgate/secrets
  [ -e /etc/fieldgate/fieldgate.yaml ] || install -m 644 "$here/config/fieldgate.yaml" /etc/fieldgate/fieldgate.yaml
  install -d /etc/fieldgate/schema
  install -m 644 "$here/config/schema/"*.json /etc/fieldgate/schema/
  install -m 644 "$here/systemd/"*.service /etc/systemd/system/
  ln -sf "$prefix/bin/fieldgate" /usr/local/bin/fieldgate
fi
if systemd; then
  systemctl daemon-reload
  systemctl enable --quiet fieldgate.service
fi
for unit in $was; do systemctl start "$unit"; done
echo "$("$prefix/bin/fieldgate" --version) is in $prefix."
if [ "$service" = yes ] && [ -z "$was" ]; then
  echo "Describe the machines in /etc/fieldgate/, then: fieldgate check && systemctl start fieldgate"
fi
