#!/bin/sh
# A daemon with an account, folders and a file of settings: how most postinst scripts are.
set -e

USER=beacon
HOME_FOLDER=/var/lib/beacon

case "$1" in
    configure)
        if ! getent group "$USER" >/dev/null; then
            addgroup --system --quiet "$USER"
        fi
        if ! getent passwd "$USER" >/dev/null; then
            adduser --system --ingroup "$USER" --home "$HOME_FOLDER" --no-create-home \
                --gecos "Beacon daemon" --shell /usr/sbin/nologin "$USER"
        fi
        for folder in "$HOME_FOLDER" /var/log/beacon; do
            mkdir -p "$folder"
            if ! dpkg-statoverride --list "$folder" >/dev/null 2>&1; then
                chown "$USER:$USER" "$folder"
                chmod 2750 "$folder"
            fi
        done
        if [ ! -e /etc/beacon.conf ] && [ -z "$2" ]; then
            umask 027
            cat > /etc/beacon.conf <<EOF
user = $USER
state = ${HOME_FOLDER%/}/state
EOF
            chgrp "$USER" /etc/beacon.conf
        fi
        ;;
    abort-upgrade|abort-remove|abort-deconfigure)
        ;;
    *)
        echo "postinst called with unknown argument \`$1'" >&2
        exit 1
        ;;
esac

if [ "$1" = "configure" ] || [ "$1" = "abort-upgrade" ]; then
    deb-systemd-helper unmask 'beacon.service' >/dev/null || true
    if deb-systemd-helper --quiet was-enabled 'beacon.service'; then
        deb-systemd-helper enable 'beacon.service' >/dev/null || true
    else
        deb-systemd-helper update-state 'beacon.service' >/dev/null || true
    fi
fi
exit 0
