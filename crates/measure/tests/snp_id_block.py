"""Judges ID blocks by sev-snp-measure and by `cryptography`.

Standard input is a JSON object: `measurement` in hex, the paths `id_key` and `author_key`, and our `id_block` and
`id_auth` in hex. The answer is a JSON object: what snp-create-id-block makes of the same inputs, and whether the
signatures in our `id_auth` verify. `signatures` are those RFC 6979 prescribes, where OpenSSL makes them (3.2 and later).
"""

import base64
import json
import sys

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils
from sevsnpmeasure import id_block

SIGNATURE_LEN, KEY_LEN = 512, 1028
BLOCK_SIG, ID_KEY, ID_KEY_SIG, AUTHOR_KEY = 0x40, 0x240, 0x680, 0x880


def number(field):
    return int.from_bytes(field, "little")


def signed(auth, key_at, signature_at, message):
    key = auth[key_at : key_at + KEY_LEN]
    numbers = ec.EllipticCurvePublicNumbers(number(key[4:76]), number(key[76:148]), ec.SECP384R1())
    signature = auth[signature_at : signature_at + SIGNATURE_LEN]
    encoded = utils.encode_dss_signature(number(signature[:72]), number(signature[72:144]))
    try:
        numbers.public_key().verify(encoded, message, ec.ECDSA(hashes.SHA384()))
    except InvalidSignature:
        return False
    return True


def prescribed(key_file, message):
    key = id_block.load_private_key_from_pem_file(key_file)
    try:
        algorithm = ec.ECDSA(hashes.SHA384(), deterministic_signing=True)
    except (TypeError, UnsupportedAlgorithm):
        return None
    r, s = utils.decode_dss_signature(key.sign(message, algorithm))
    return (r.to_bytes(72, "little") + s.to_bytes(72, "little")).hex()


def answer(asked):
    measurement = bytes.fromhex(asked["measurement"])
    text = id_block.snp_calc_id_block(measurement, asked["id_key"], asked["author_key"])
    theirs = dict(part.split("=", 1) for part in text.splitlines()[0].split(","))
    digests = dict(line.split(": ", 1) for line in text.splitlines()[1:])
    block, auth = bytes.fromhex(asked["id_block"]), bytes.fromhex(asked["id_auth"])
    id_key = auth[ID_KEY : ID_KEY + KEY_LEN]
    return {
        "signatures": [prescribed(asked["id_key"], block), prescribed(asked["author_key"], id_key)],
        "id_block": base64.b64decode(theirs["id-block"]).hex(),
        "id_auth": base64.b64decode(theirs["id-auth"]).hex(),
        "id_key_digest": base64.b64decode(digests["id_key_hash"]).hex(),
        "author_key_digest": base64.b64decode(digests["author_key"]).hex(),
        "block_verifies": signed(auth, ID_KEY, BLOCK_SIG, block),
        "id_key_verifies": signed(auth, AUTHOR_KEY, ID_KEY_SIG, id_key),
    }


print(json.dumps(answer(json.load(sys.stdin))))
