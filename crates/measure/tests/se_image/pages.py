"""Makes the encrypted pages of s390-tools' unit test `prepare_aligned_component_test`, with `cryptography`.

Two components of bytes 1 and 2, 0x3400 and 0x3000 bytes, padded to pages with zeros and encrypted with AES-256-XTS, the
key 32 bytes 0x42 and 32 bytes 0x43, the tweak of each page 4096 more than that of the page before. Prints them in hex.
"""

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

PAGE = 4096
KEY = b"\x42" * 32 + b"\x43" * 32
TWEAK = 0x42 << 64


def encrypted(plain):
    pages = b""
    for at in range(0, len(plain), PAGE):
        page = plain[at : at + PAGE].ljust(PAGE, b"\0")
        tweak = (TWEAK + at).to_bytes(16, "big")
        encryptor = Cipher(algorithms.AES(KEY), modes.XTS(tweak)).encryptor()
        pages += encryptor.update(page) + encryptor.finalize()
    return pages


print(encrypted(b"\x01" * 0x3400).hex())
print(encrypted(b"\x02" * 0x3000).hex())
