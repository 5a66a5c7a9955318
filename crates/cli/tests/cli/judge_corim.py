"""Judges a signed CoRIM and enclave identities by pycose, cbor2 and PyCryptodome.

Arguments: a signed CoRIM, the PEM of a private key, and hex registers of a TD. Prints a JSON object: whether the
signature verifies with the key's public half, whether the key id is its digest, the payload in hex, and TupleHash256
of the registers. Exits with 77 where these packages are not installed.
"""

import hashlib
import json
import sys

try:
    import cbor2
    from Crypto.Hash import TupleHash256
    from cryptography.hazmat.primitives import serialization
    from pycose.headers import KID
    from pycose.keys import EC2Key
    from pycose.messages import Sign1Message
except ImportError:
    sys.exit(77)

CONTEXT = b"oasis-core/tdx: TD enclave identity"

corim_file, key_file, *registers = sys.argv[1:]
with open(key_file, "rb") as file:
    public = serialization.load_pem_private_key(file.read(), None).public_key()
spki = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
numbers = public.public_numbers()
with open(corim_file, "rb") as file:
    message = Sign1Message.decode(file.read())
message.key = EC2Key(crv="P_384", x=numbers.x.to_bytes(48, "big"), y=numbers.y.to_bytes(48, "big"))
tuple_hash = TupleHash256.new(digest_bytes=32, custom=CONTEXT)
for register in registers:
    tuple_hash.update(bytes.fromhex(register))
corim = cbor2.loads(message.payload)
print(
    json.dumps(
        {
            "signature": message.verify_signature(),
            "key-id": message.phdr[KID] == hashlib.sha256(spki).digest(),
            "tag": corim.tag,
            "id": corim.value[0],
            "mrenclave": tuple_hash.hexdigest(),
        }
    )
)
