#!/bin/bash
# As the few scripts for bash are.
set -e
names="alpha beta"
if [[ "$1" == conf* && -n $names ]]; then
    for name in $names; do
        [[ $name != "beta" ]] || continue
        echo "${name/alpha/omega}:${name:1:3}" >> /etc/beacon.names
    done
fi
read -r first rest <<< "$names"
echo "$first-${rest^^}" > "/etc/beacon.$first"
