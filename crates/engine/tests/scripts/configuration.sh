#!/bin/sh
# Edits of files: sed, awk, grep, loops over what a pattern finds.
set -eu

conf=/etc/beacon.conf
tmp=$(mktemp "$conf.XXXXXX")
trap 'rm -f "$tmp"' EXIT

[ -e $conf ] || printf '# made by %s\nport = 80\nname=%s\n' "$DPKG_MAINTSCRIPT_NAME" beacon > $conf
sed -e 's/^port *= *\([0-9]*\)$/port = 1\1/' -e '/^#/d' "$conf" > "$tmp"
if ! grep -q '^listen' "$tmp"; then
    echo "listen = $(awk -F= '/^port/ { gsub(/ /, "", $2); print $2 + 1 }' "$tmp")" >> "$tmp"
fi
cmp -s "$conf" "$tmp" || cp -p "$tmp" "$conf"

count=0
for file in /etc/*.conf; do
    [ -f "$file" ] || continue
    count=$((count + 1))
    case "${file##*/}" in
        beacon*|signal-?[a-z].conf) chmod 0640 "$file" ;;
        *) ;;
    esac
done
find /etc -maxdepth 1 -name '*.conf' -type f | sort | while read -r file; do
    echo "$count ${file#/etc/} $(wc -l < "$file" | tr -d ' ')"
done > /var/lib/beacon.list
cp -p "$conf" /etc/beacon/copy.conf
