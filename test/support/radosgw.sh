#!/bin/bash
# Ceph's radosgw on this machine, a real server of S3, in one node with its objects in memory:
#
#   test/support/radosgw.sh start FOLDER [PORT]   prints the address that S3_SERVER wants
#   test/support/radosgw.sh stop FOLDER
#
# It wants root, and Debian's packages radosgw, ceph-mon and ceph-osd (73 MB to fetch, 286 MB on the disk).

set -euo pipefail

# As in s3-keys.ts.
ACCESS_KEY_ID=the-key
SECRET_ACCESS_KEY=the-very-secret-key

fail() {
  echo "$1" >&2
  exit 1
}

configuration() {
  cat <<CONF
[global]
fsid = $(cat /proc/sys/kernel/random/uuid)
mon host = v2:127.0.0.1:$((PORT + 1))
# Nobody else comes here.
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 8
osd crush chooseleaf type = 0
mon max pg per osd = 2000
mon data avail warn = 1
osd objectstore = memstore
memstore device bytes = $((8 * 1024 ** 3))
run dir = $FOLDER
admin socket = $FOLDER/\$name.sock
log file = $FOLDER/\$name.log
pid file = $FOLDER/\$name.pid
mon data = $FOLDER/mon
osd data = $FOLDER/osd
keyring = $FOLDER/keyring
[client.rgw]
keyring = $FOLDER/keyring
rgw frontends = beast endpoint=127.0.0.1:$PORT
CONF
}

start() {
  mkdir -p "$FOLDER/mon" "$FOLDER/osd"
  configuration >"$CEPH_CONF"
  ceph-authtool --create-keyring "$FOLDER/keyring" --gen-key --name mon. --cap mon 'allow *'
  for who in client.admin client.rgw osd.0; do
    ceph-authtool "$FOLDER/keyring" --gen-key --name "$who" --cap mon 'allow *' --cap osd 'allow *'
  done
  ceph-mon --mkfs --id a --keyring "$FOLDER/keyring"
  ceph-mon --id a --public-addr "v2:127.0.0.1:$((PORT + 1))"
  timeout 30 ceph osd create
  ceph-osd --id 0 --mkfs
  ceph-osd --id 0
  ceph osd crush add osd.0 1.0 host=here root=default
  radosgw --name client.rgw
  for try in $(seq 60); do
    curl --silent --output /dev/null "http://127.0.0.1:$PORT/" && break
    [ "$try" -lt 60 ] || fail "radosgw does not start: see $FOLDER"
    sleep 1
  done
  # Each test has a bucket of its own: 0 sets no limit.
  radosgw-admin --name client.rgw user create --uid berth --display-name berth --max-buckets 0 \
    --access-key "$ACCESS_KEY_ID" --secret-key "$SECRET_ACCESS_KEY"
}

stop() {
  local pid
  for pid in "$FOLDER"/*.pid; do
    [ ! -f "$pid" ] || kill "$(cat "$pid")" || true
  done
}

[ $# -ge 2 ] || fail "usage: $0 start FOLDER [PORT] | stop FOLDER"
mkdir -p "$2"
FOLDER=$(realpath "$2")
PORT=${3:-7480}
export CEPH_CONF=$FOLDER/ceph.conf
case "$1" in
start)
  start >"$FOLDER/start.log" 2>&1 || fail "radosgw does not start: see $FOLDER"
  echo "http://127.0.0.1:$PORT"
  ;;
stop) stop ;;
*) fail "start or stop?" ;;
esac
