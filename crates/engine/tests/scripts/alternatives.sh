#!/bin/sh
# Alternatives, a diversion and capabilities.
set -e

priority=30
if [ "$1" = configure ]; then
    dpkg-divert --package beacon --add --rename --divert /usr/bin/hail.real /usr/bin/hail
    ln -sf beacon-hail /usr/bin/hail
    update-alternatives --install /usr/bin/signal signal /usr/bin/beacon $priority \
        --slave /usr/share/man/man1/signal.1.gz signal.1.gz /usr/share/man/man1/beacon.1.gz
    if command -v setcap > /dev/null; then
        setcap cap_net_raw+ep /usr/bin/beacon || chmod u+s /usr/bin/beacon
    fi
    dpkg-trigger --no-await beacon-ready
fi
