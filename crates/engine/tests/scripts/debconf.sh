#!/bin/sh
# Questions that nobody is asked.
set -e
. /usr/share/debconf/confmodule

db_version 2.0
db_get beacon/port
port="$RET"
db_get beacon/public || RET=false
if [ "$RET" = "true" ]; then
    address=0.0.0.0
else
    address=127.0.0.1
fi
db_set beacon/port "${port:-7070}"
db_input medium beacon/port || true
db_go || true
mkdir -p /etc/default
{
    echo "ADDRESS=$address"
    echo "PORT=${port:-7070}"
} > /etc/default/beacon
db_stop
if [ "$1" = triggered ]; then
    for trigger in $2; do
        echo "$trigger" >> /var/lib/beacon.triggers
    done
fi
