#!/usr/bin/env python3
"""Prints the values that unit tests of this crate cite: digests, folds and messages, computed from the
standards with hashlib and struct alone. Run it without arguments; each line names the test's module."""

import hashlib
import struct
import uuid


def sha256(data):
    return hashlib.sha256(data).digest()


def sha384(data):
    return hashlib.sha384(data).digest()


def show(name, digest):
    print(f"{name:<32} {digest.hex()}")


# event, event::register, tpm: TPM 2.0 Library, part 1, "PCR": new = H(old || digest).
a, b = sha256(b"a"), sha256(b"b")
show("event: PCR 4, a then b", sha256(sha256(bytes(32) + a) + b))
show("event: PCR 17, a", sha256(b"\xff" * 32 + a))
show("event: PCR 0, locality 3, a", sha256(bytes(31) + b"\3" + a))
show("event: RTMR 1, a then b", sha384(sha384(bytes(48) + sha384(b"a")) + sha384(b"b")))


# snp::launch: SEV-SNP ABI (56860), section 8.17.2, PAGE_INFO.
def page_info(current, contents, page_type, gpa):
    info = current + contents + struct.pack("<HBB3sBQ", 0x70, page_type, 0, bytes(3), 0, gpa)
    assert len(info) == 0x70
    return sha384(info)


page = sha384(b"\x5a" * 4096)
digest = page_info(bytes(48), page, 1, 0xFFFFF000)
show("snp: a NORMAL page", digest)
digest = page_info(digest, bytes(48), 3, 0x800000)
show("snp: a ZERO page behind it", digest)
show("snp: a VMSA page behind both", page_info(digest, page, 2, 0xFFFFFFFFF000))


# tdx::mrtd: TDX Module ABI (348551), TDH.MEM.PAGE.ADD and TDH.MR.EXTEND.
def record(name, gpa):
    return name.ljust(16, b"\0") + struct.pack("<Q", gpa) + bytes(104)


mrtd = hashlib.sha384(record(b"MEM.PAGE.ADD", 0xFFC00000))
show("mrtd: a page", mrtd.digest())
mrtd.update(record(b"MR.EXTEND", 0xFFC00000) + b"\x11" * 256)
show("mrtd: 256 bytes of it", mrtd.digest())


# tpm::pcrsig: TPM 2.0 Library 1.59, part 3, section 23.7; PCR 11 is bit 3 of the second byte.
def policy_pcr(algorithm, value):
    selection = struct.pack(">IHB3s", 1, algorithm, 3, bytes([0, 8, 0]))
    return sha256(bytes(32) + struct.pack(">I", 0x17F) + selection + sha256(value))


show("pcrsig: SHA-256 of a", policy_pcr(0x000B, a))
show("pcrsig: SHA-384 of a", policy_pcr(0x000C, sha384(b"a")))


# kernel_hashes: SevHashTable of QEMU, target/i386/sev.c.
def guid(text):
    return uuid.UUID(text).bytes_le


entries = [
    ("97d02dd8-bd20-4c94-aa78-e7714d36ab2a", b"quiet\0"),
    ("44baf731-3a2f-4bd7-9af1-41e29169781d", b"i"),
    ("4de79437-abd2-427f-b835-d5b172d2045b", b"k"),
]
table = guid("9438d606-4f22-4cc9-b479-a793d411fd21") + struct.pack("<H", 168)
for name, contents in entries:
    table += guid(name) + struct.pack("<H", 50) + sha256(contents)
show("kernel_hashes: the table", sha256(table + bytes(8)))

# uefi::load_options: UTF-16 with a final NUL.
for line in ["quiet initrd=initrd", "initrd=initrd quiet"]:
    show(f"load_options: {line[:6].strip()}...", sha256(line.encode("utf-16-le") + bytes(2)))


# stage0::event: Protocol Buffers, fields of type LEN.
def field(number, data):
    length, varint = len(data), b""
    while length >= 0x80:
        varint += bytes([length & 0x7F | 0x80])
        length >>= 7
    return bytes([number << 3 | 2]) + varint + bytes([length]) + data


measurements = b"".join(field(n, bytes([n]) * 32) for n in range(1, 6)) + field(6, b"x" * 130)
kind = b"type.googleapis.com/oak.attestation.v1.Stage0Measurements"
event = field(1, b"Stage0") + field(2, field(1, kind) + field(2, measurements))
show(f"stage0: an event of {len(event)} bytes", sha256(event))
