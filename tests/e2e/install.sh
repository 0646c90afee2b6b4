#!/bin/sh
# Installs what the tests need from Debian, if it is missing and we may: Chromium, Firefox, GStreamer, fonts, venv, iproute2;
# OpenSSL's headers, for the peer that tests of DTLS compare with; PostgreSQL, for the store's tests.
set -eu

has_plugin() {
  [ -n "$(find /usr/lib -path "*/gstreamer-1.0/libgst$1.so" 2>/dev/null | head -n 1)" ]
}

wanted=""
command -v "${TUTTI_E2E_CHROMIUM:-chromium}" >/dev/null 2>&1 || wanted="$wanted chromium"
command -v "${TUTTI_E2E_FIREFOX:-firefox-esr}" >/dev/null 2>&1 || wanted="$wanted firefox-esr"
command -v python3 >/dev/null 2>&1 || wanted="$wanted python3"
python3 -c 'import venv, ensurepip' >/dev/null 2>&1 || wanted="$wanted python3-venv"
# The bindings of GStreamer are for Debian's own Python, whichever python3 comes first on the path.
for import in Gst:gir1.2-gstreamer-1.0 GstSdp:gir1.2-gst-plugins-base-1.0 GstWebRTC:gir1.2-gst-plugins-bad-1.0; do
  /usr/bin/python3 -c "import gi; gi.require_version('${import%%:*}', '1.0')" 2>/dev/null || wanted="$wanted python3-gi ${import#*:}"
done
/usr/bin/python3 -c 'import venv, ensurepip' >/dev/null 2>&1 || wanted="$wanted python3-venv"
for plugin in videotestsrc:plugins-base vpx:plugins-good webrtc:plugins-bad x264:plugins-ugly nice:nice libav:libav; do
  has_plugin "${plugin%%:*}" || wanted="$wanted gstreamer1.0-${plugin#*:}"
done
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
