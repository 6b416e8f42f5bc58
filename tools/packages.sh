#!/usr/bin/env bash
# Which Debian packages are needed for what, and how they are installed: one list for ./demo, ./test, ./bench and ./dev.
#
#   source tools/packages.sh; install_missing build test      from a script
#   tools/packages.sh install build test                      by hand
#   tools/packages.sh missing build                           prints what is not there, changes nothing
#
# Names hold for Debian 12 and 13; `a|b` is satisfied by either, and the first that the release knows is installed.

packages_for() {
  case $1 in
    python) # the engine of ./test
      echo "python3" ;;
    build)
      echo "clang-19 lld-19 cmake ninja-build pkg-config|pkgconf python3 git ca-certificates
            libssl-dev libfmt-dev libspdlog-dev libboost1.81-dev|libboost1.83-dev libboost-json1.81-dev|libboost-json1.83-dev
            libsqlite3-dev libtomlplusplus-dev libcli11-dev libseccomp-dev libargon2-dev
            libjemalloc-dev libqrencode-dev libp11-kit-dev zlib1g-dev" ;;
    test) # what tests are made with, and the foreign programs that they meet
      echo "libgtest-dev libclang-rt-19-dev llvm-19 openssl curl gnutls-bin libnss3-tools chromium iproute2 iptables procps gdb
            python3-cryptography python3-cryptography-vectors python3-pycryptodome python3-msgpack python3-paho-mqtt
            golang-go golang-golang-x-mod-dev golang-github-flynn-noise-dev python3-dissononce openjdk-17-jdk-headless|openjdk-21-jdk-headless
            strongswan-pki libstrongswan-standard-plugins softhsm2 zbar-tools faketime nginx haproxy openvpn squid microsocks
            openssh-server openssh-client socat spin mosquitto mosquitto-clients rabbitmq-server" ;;
    demo) # what ./demo --check looks with
      echo "openssl curl libnss3-tools chromium procps openssh-server openssh-client python3-cryptography mosquitto mosquitto-clients" ;;
    bench)
      echo "haproxy nginx libnginx-mod-stream wrk mosquitto mosquitto-clients openssl curl procps" ;;
    web)
      if node_is_new_enough; then command -v npm > /dev/null || echo "npm"; else echo "nodejs npm"; fi ;;
    dev)
      echo "clang-format-19 clang-tidy-19 clang-tools-19 ccache graphviz" ;;
    minimal-debian)
      echo "debootstrap debian-archive-keyring util-linux git" ;;
    *)
      echo "packages: '$1': want python, build, test, demo, bench, web, dev or minimal-debian" >&2
      return 2 ;;
  esac
}

# Vite needs Node 18; Debian 12 has it, and any newer one from elsewhere will do.
node_is_new_enough() {
  local version
  version=$(node --version 2> /dev/null) || return 1
  version=${version#v}
  [[ ${version%%.*} -ge 18 ]]
}

package_is_installed() {
  dpkg-query -W -f '${db:Status-Status}\n' "$1" 2> /dev/null | grep -x installed > /dev/null
}

# Prints the entries (`a` or `a|b`) of the purposes named of which no alternative is installed.
missing_packages() {
  local purpose entry alternative list
  for purpose in "$@"; do
    list=$(packages_for "$purpose") || return
    for entry in $list; do
      for alternative in ${entry//|/ }; do
        package_is_installed "$alternative" && continue 2
      done
      echo "$entry"
    done
  done | sort -u
}

# No `grep -q` below: under pipefail it would fail by chance, when the writer is killed by SIGPIPE before its last line.

# The first alternative of `a|b` that the package lists have a candidate for; `a` if none has.
known_alternative() {
  local alternative
  for alternative in ${1//|/ }; do
    if apt-cache policy "$alternative" 2> /dev/null | grep '^  Candidate: [^(]' > /dev/null; then
      echo "$alternative"
      return
    fi
  done
  echo "${1%%|*}"
}

# Runs a command as root: as we are, or through sudo.
as_root() {
  if [[ $(id -u) -eq 0 ]]; then "$@"; else sudo -- "$@"; fi
}

# Installs what the purposes named still lack. Nothing is asked, and no daemon that comes along is started.
install_missing() {
  local missing entry names=()
  missing=$(missing_packages "$@") || return
  [[ -n $missing ]] || return 0
  if ! command -v apt-get > /dev/null; then
    echo "packages: no apt-get on this machine; needed are, by their Debian names: ${missing//$'\n'/ }" >&2
    return 1
  fi
  if [[ $(id -u) -ne 0 ]] && ! command -v sudo > /dev/null; then
    echo "packages: not root and no sudo; as root run: apt-get install ${missing//$'\n'/ }" >&2
    return 1
  fi
  echo "packages: installing $(wc -w <<< "$missing") for: $*" >&2
  (
    export DEBIAN_FRONTEND=noninteractive
    policy=/usr/sbin/policy-rc.d
    log=$(mktemp)
    as_root apt-get -q update < /dev/null > "$log" 2>&1 || { cat "$log" >&2; exit 1; }
    for entry in $missing; do names+=("$(known_alternative "$entry")"); done
    # 101: "action not allowed", which is how a postinst learns that it shall not start its daemon.
    if [[ ! -e $policy ]]; then
      trap 'as_root rm -f "$policy"; rm -f "$log"' EXIT
      trap 'exit 130' INT TERM HUP
      printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" > /dev/null
      as_root chmod 755 "$policy"
    else
      trap 'rm -f "$log"' EXIT
    fi
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -q install -y --no-install-recommends \
      -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold \
      -o DPkg::Lock::Timeout=300 "${names[@]}" < /dev/null > "$log" 2>&1 ||
      { tail -n 30 "$log" >&2; echo "packages: apt-get could not install: ${names[*]}" >&2; exit 1; }
  ) || return 1
  missing=$(missing_packages "$@")
  if [[ -n $missing ]]; then
    echo "packages: still missing after the installation: ${missing//$'\n'/ }" >&2
    return 1
  fi
}

if [[ ${BASH_SOURCE[0]} == "$0" ]]; then
  set -uo pipefail
  case ${1:-} in
    install) shift; install_missing "$@" ;;
    missing) shift; missing_packages "$@" ;;
    *) echo "usage: tools/packages.sh install|missing PURPOSE…" >&2; exit 2 ;;
  esac
fi
