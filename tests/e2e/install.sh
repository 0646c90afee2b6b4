#!/bin/sh
# Installs what the tests need from Debian, if it is missing and we may: Chromium, Firefox, fonts, venv, iproute2;
# OpenSSL's headers, for the peer that tests of DTLS compare with; PostgreSQL, for the store's tests.
set -eu

wanted=""
command -v "${TUTTI_E2E_CHROMIUM:-chromium}" >/dev/null 2>&1 || wanted="$wanted chromium"
command -v "${TUTTI_E2E_FIREFOX:-firefox-esr}" >/dev/null 2>&1 || wanted="$wanted firefox-esr"
command -v python3 >/dev/null 2>&1 || wanted="$wanted python3"
python3 -c 'import venv, ensurepip' >/dev/null 2>&1 || wanted="$wanted python3-venv"
command -v ip >/dev/null 2>&1 || wanted="$wanted iproute2"
command -v pkg-config >/dev/null 2>&1 || wanted="$wanted pkg-config"
[ -n "$(find /usr/include /usr/local/include -path '*openssl/ssl.h' 2>/dev/null | head -n 1)" ] || wanted="$wanted libssl-dev"
ls -d /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || command -v initdb >/dev/null 2>&1 || wanted="$wanted postgresql"
[ -n "$(find /usr/share/fonts -iname 'NotoSansCJK*' 2>/dev/null | head -n 1)" ] || wanted="$wanted fonts-noto-cjk"

if [ -z "$wanted" ]; then
  echo "nothing to install"
  exit 0
fi
if [ "$(id -u)" != 0 ]; then
  echo "missing:$wanted (run as root: apt-get install$wanted)" >&2
  exit 1
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update
# shellcheck disable=SC2086 # a list of packages
apt-get install -y --no-install-recommends $wanted
