"""What stage0 measures, computed a second time and from what a stock QEMU really gives to its firmware.

Arguments: machine, memory, kernel file, QEMU's program. QEMU stops before its first instruction; its fw_cfg device is
read over qtest. Prints a JSON object: `setup_data` and `kernel_image` are digests of what fw_cfg has, `memory_map` those of
QEMU's E820 table (with the pages KVM adds) after stage0's changes, for an ACPI area in low memory only and for both.
With the arguments `acpi LOADER` it prints a digest over that file of commands and made-up tables.
"""

import hashlib
import json
import struct
import subprocess
import sys

SELECTOR, DATA = 0x510, 0x511
KERNEL_SIZE, KERNEL_DATA, SETUP_SIZE, SETUP_DATA, FILE_DIR = 0x08, 0x11, 0x17, 0x18, 0x19
RAM, RESERVED, ACPI = 1, 2, 3


class FwCfg:
    def __init__(self, machine, memory, kernel, program):
        arguments = ["-M", machine, "-m", memory, "-kernel", kernel, "-accel", "tcg", "-cpu", "EPYC", "-S"]
        arguments += ["-qtest", "stdio", "-display", "none", "-nodefaults"]
        pipe = subprocess.PIPE
        self.qemu = subprocess.Popen([program, *arguments], stdin=pipe, stdout=pipe, text=True)

    def ask(self, command):
        self.qemu.stdin.write(command + "\n")
        self.qemu.stdin.flush()
        for line in self.qemu.stdout:
            if line.startswith("OK"):
                return line.split()[1:]
        raise SystemExit("QEMU has ended")

    def read(self, item, size):
        self.ask(f"outw {SELECTOR:#x} {item:#x}")
        return bytes(int(self.ask(f"inb {DATA:#x}")[0], 16) for _ in range(size))

    def sized(self, size_item, item):
        return self.read(item, struct.unpack("<I", self.read(size_item, 4))[0])

    def file(self, name):
        count = struct.unpack(">I", self.read(FILE_DIR, 4))[0]
        directory = self.read(FILE_DIR, 4 + 64 * count)[4:]
        for entry in (directory[at : at + 64] for at in range(0, len(directory), 64)):
            size, item = struct.unpack(">IH", entry[:6])
            if entry[8:].split(b"\0")[0].decode() == name:
                return self.read(item, size)
        raise SystemExit(f"no {name}")


def overlaid(table, start, end, kind):
    kept = []
    for first, last, old in table:
        kept += [part for part in ((first, min(last, start), old), (max(first, end), last, old)) if part[0] < part[1]]
    joined = []
    for part in sorted(kept + ([(start, end, kind)] if kind else [])):
        if joined and joined[-1][1:] == (part[0], part[2]):
            part = (joined.pop()[0], *part[1:])
        joined.append(part)
    return joined


def memory_maps(e820):
    table = [(start, start + size, kind) for start, size, kind in struct.iter_unpack("<QQI", e820)]
    table = overlaid(table, 0xFEFFC000, 0xFF000000, RESERVED)
    table = overlaid(table, 0xA0000, 0xF0000, None)
    table = overlaid(table, 0xF0000, 0x100000, RESERVED)
    low = overlaid(table, 0x80000, 0xA0000, ACPI)
    fitting = [end for start, end, kind in low if kind == RAM and start < 0x3FF00000 and end - start >= 0x100000]
    end = min(fitting[-1], 0x40000000)
    return [digest(low), digest(overlaid(low, end - 0x100000, end, ACPI))]


def digest(table):
    packed = b"".join(struct.pack("<QQI", start, end - start, kind) for start, end, kind in table)
    return hashlib.sha256(packed).hexdigest()


def measured(fw_cfg):
    setup = bytearray(fw_cfg.sized(SETUP_SIZE, SETUP_DATA))
    setup[0x218:0x220] = bytes(8)
    return {
        "setup_data": hashlib.sha256(setup).hexdigest(),
        "kernel_image": hashlib.sha256(fw_cfg.sized(KERNEL_SIZE, KERNEL_DATA)).hexdigest(),
        "memory_map": memory_maps(fw_cfg.file("etc/e820")),
    }


if sys.argv[1] == "acpi":
    with open(sys.argv[2], "rb") as commands:
        loader = commands.read()
    rsdp_and_tables = b"rsdp" * 5 + b"tables" * 1000
    windows = struct.pack("<HHIIQQ", 0x6000, 0xFFFF, 0xC0000000, 0xFC000000, 1 << 40, 1 << 41)
    print(json.dumps([hashlib.sha256(loader + w + rsdp_and_tables).hexdigest() for w in (b"", windows)]))
else:
    fw_cfg = FwCfg(*sys.argv[1:])
    try:
        print(json.dumps(measured(fw_cfg)))
    finally:
        fw_cfg.qemu.kill()
