"""A verifier of mayfly's revocations in Python. `vectors FOLDER` holds it to the vectors; `watch CERTIFICATE.pem …` follows the stream of the agent at
SPIFFE_ENDPOINT_SOCKET and says, after each frame that changed anything, what it thinks of these. One JSON object a line on standard output."""
import json
import os
import sys

import grpc
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from spiffe import WorkloadApiClient

from revocation import Follower, Reader, Refused, RevocationSet, decode_event, decode_frame, need, open_frame, sha

STREAM_USAGE = "2.25.147690565135727973746999822851605260563.1"


def say(event, **fields):
    print(json.dumps({"event": event, **fields}), flush=True)


def lines(folder, name):
    with open(os.path.join(folder, name), encoding="utf-8") as file:
        return [line.rstrip("\n").split(" ") for line in file if line.strip() and not line.startswith("#")]


def key_id(key):
    return sha(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))


def vectors(folder):
    [[seed], [spki], [wanted]] = lines(folder, "key.txt")
    public = ed25519.Ed25519PrivateKey.from_private_bytes(bytes.fromhex(seed)).public_key()
    need(public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo).hex() == spki and key_id(public).hex() == wanted, "key.txt")
    keys, chain, known, events = {key_id(public): (public, 0, 2**53)}, bytes(32), RevocationSet(), []
    for seq, raw, after, *_ in lines(folder, "chain.txt"):
        bytes_, event = decode_event(Reader(bytes.fromhex(raw)))
        chain = sha(chain + bytes_)
        need(chain.hex() == after, f"chain.txt {seq}")
        events.append(event)
    roots = {int(seq): (int(floor), root) for seq, floor, root in lines(folder, "roots.txt")}
    for seq in range(len(events) + 1):
        if seq > 0:
            known.apply(events[seq - 1])
        if seq in roots:
            known.drop_below(roots[seq][0])
            need(known.root().hex() == roots[seq][1], f"roots.txt {seq}")
    for hex_, *what in lines(folder, "frames.txt"):
        frame = open_frame(bytes.fromhex(hex_), keys)
        say("frame", kind=frame["kind"], what=" ".join(what))
    for body, *why in lines(folder, "refused.txt"):
        try:
            decode_frame(bytes.fromhex(body))
        except Refused as refusal:
            say("refused", why=str(refusal), wanted=" ".join(why))
        else:
            raise AssertionError("not refused: " + " ".join(why))
    for body, signature, *what in lines(folder, "reports.txt"):
        public.verify(bytes.fromhex(signature), b"mayfly verifier report 1\0" + bytes.fromhex(body))
        say("report", what=" ".join(what))


def is_signed_by(child, issuer):
    key = issuer.public_key()
    try:
        if isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(child.signature, child.tbs_certificate_bytes, ec.ECDSA(child.signature_hash_algorithm))
        elif isinstance(key, rsa.RSAPublicKey):
            key.verify(child.signature, child.tbs_certificate_bytes, padding.PKCS1v15(), child.signature_hash_algorithm)
        else:
            return False
        return child.issuer == issuer.subject
    except InvalidSignature:
        return False


def path_of(chain, anchors):
    """Authorities from the one that signed the leaf up to one of the bundle: enough of RFC 5280 for a test."""
    path, child = [], chain[0]
    for _ in range(8):
        anchor = next((one for one in anchors if is_signed_by(child, one)), None)
        if anchor is not None:
            return [*path, anchor]
        child = next((one for one in chain[1:] if one not in path and is_signed_by(child, one)), None)
        need(child is not None, "no authority of the bundle above it")
        path.append(child)
    raise Refused("a chain that is too long")


def stream_key(ders, anchors, revocations):
    """Section 5: the key of a stream's certificate, with the time in which it may sign, in ms."""
    chain = [x509.load_der_x509_certificate(der) for der in ders]
    leaf = chain[0]
    extensions = leaf.extensions
    need([usage.dotted_string for usage in extensions.get_extension_for_class(x509.ExtendedKeyUsage).value] == [STREAM_USAGE], "another extended key usage")
    usage = extensions.get_extension_for_class(x509.KeyUsage)
    need(usage.critical and usage.value == x509.KeyUsage(True, False, False, False, False, False, False, False, False), "another key usage")
    need(isinstance(leaf.public_key(), ed25519.Ed25519PublicKey), "no Ed25519 key")
    start, end = leaf.not_valid_before_utc.timestamp(), leaf.not_valid_after_utc.timestamp()
    need(end - start <= 86_460, "valid for more than 24 h")
    above = [key_id(one.public_key()) for one in path_of(chain, anchors)]
    need(revocations is None or not any(revocations.authorities.get(name, 0) & 2 for name in above), "an authority above it was revoked")
    return key_id(leaf.public_key()), (leaf.public_key(), start * 1000, end * 1000)


def fields_of(message):
    """A protobuf message's fields of bytes: number and value."""
    reader = Reader(message)
    while not reader.done:
        tag, length = varint(reader), varint(reader)
        need(tag & 7 == 2, "a field that is not of bytes")
        yield tag >> 3, reader.bytes(length)


def varint(reader):
    value, shift = 0, 0
    while True:
        byte = reader.uint(1)
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return value


def watch(paths):
    with WorkloadApiClient() as client:
        bundle = client.fetch_x509_bundles().bundles
        anchors = [one for each in bundle for one in each.x509_authorities]
    watched = [x509.load_pem_x509_certificates(open(path, "rb").read()) for path in paths]
    keys, follower = {}, Follower()
    channel = grpc.insecure_channel(os.environ["SPIFFE_ENDPOINT_SOCKET"].replace("unix://", "unix:"), options=[("grpc.default_authority", "localhost")])
    messages = channel.unary_stream("/mayfly.v1.RevocationStream/Watch", request_serializer=lambda one: one, response_deserializer=lambda one: one)(b"")
    for message in messages:
        fields = list(fields_of(message))
        signers = [value for number, value in fields if number == 2]
        if signers:
            name, key = stream_key(signers, anchors, follower.set)
            keys[name] = key
        frame = open_frame(next(value for number, value in fields if number == 1), keys)
        outcome = follower.take(frame)
        say(outcome, epoch=follower.place[0], seq=follower.place[1], verdicts=[verdict_of(chain, anchors, follower.set) for chain in watched])


def verdict_of(chain, anchors, revocations):
    leaf = chain[0]
    uri = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value.get_values_for_type(x509.UniformResourceIdentifier)[0]
    serial = leaf.serial_number.to_bytes(17, "big")
    above = [key_id(one.public_key()) for one in path_of(chain, anchors)]
    return "unknown" if revocations is None else revocations.check(uri, serial, int(leaf.not_valid_after_utc.timestamp() * 1000), above)


if __name__ == "__main__":
    {"vectors": lambda: vectors(sys.argv[2]), "watch": lambda: watch(sys.argv[2:])}[sys.argv[1]]()
