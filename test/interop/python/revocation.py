"""The revocation stream of mayfly in another language: the set, the frames and a reader without clocks, written from docs/revocation.md alone."""
import hashlib
import os
import struct

from cryptography.exceptions import InvalidSignature

MAX_WHOLE = 2**53 - 1
SIGNED = b"mayfly revocation frame 1\0"


def sha(data):
    return hashlib.sha256(data).digest()


class Refused(Exception):
    pass


def need(truth, why):
    if not truth:
        raise Refused(why)


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def bytes(self, count):
        need(self.at + count <= len(self.data), "cut short")
        self.at += count
        return self.data[self.at - count : self.at]

    def uint(self, size):
        value = int.from_bytes(self.bytes(size), "big")
        need(value <= MAX_WHOLE, "a whole number over 2^53 - 1")
        return value

    @property
    def done(self):
        return self.at == len(self.data)


def is_grant_id(text):
    """Section 1: whole segments, `task` once and never the first, each `/sub/` after it with a grant of its own."""
    if not text.startswith("spiffe://") or "/" not in text[9:]:
        return False
    segments = text[9:].split("/")[1:]
    if "" in segments or segments.count("task") != 1 or segments.index("task") == 0:
        return False
    tail = segments[segments.index("task") :]
    names = tail[1::2]
    return len(tail) % 2 == 0 and all(word == "sub" for word in tail[2::2]) and not any(name in ("task", "sub") for name in names)


def decode_event(reader):
    start = reader.at
    kind, length = reader.uint(1), reader.uint(2)
    need(length <= 4096, "an event that is too long")
    payload = Reader(reader.bytes(length))
    raw = reader.data[start : reader.at]
    if kind in (1, 2):
        shard, minute, index = payload.uint(1), payload.uint(4), payload.uint(4)
        need(1 <= shard <= 127 and index < 2**22 and payload.done, "a place out of range")
        return raw, (kind, shard, minute, index)
    if kind in (3, 4):
        authority = payload.bytes(32)
        need(payload.done, "an authority of another length")
        return raw, (kind, authority)
    if kind == 5:
        minute, name = payload.uint(4), payload.bytes(length - 4)
        need(len(name) <= 2048 and name.isascii() and is_grant_id(name.decode()), "a prefix that is no grant's ID")
        return raw, (kind, minute, name.decode())
    need(kind >= 128, "an event that is not known")
    return raw, None


class RevocationSet:
    def __init__(self):
        self.floor, self.buckets, self.authorities, self.prefixes = 0, {}, {}, {}

    def apply(self, event):
        if event is None:
            return
        kind = event[0]
        if kind in (1, 2):
            _, shard, minute, index = event
            if minute >= self.floor:
                bits = self.buckets.setdefault((shard, minute), [0, 0])
                bits[kind - 1] |= 1 << index
        elif kind in (3, 4):
            self.authorities[event[1]] = self.authorities.get(event[1], 0) | (1 << (kind - 3))
        elif event[1] >= self.floor:
            self.prefixes[event[2]] = max(event[1], self.prefixes.get(event[2], 0))

    def drop_below(self, floor):
        self.floor = max(self.floor, floor)
        self.buckets = {place: bits for place, bits in self.buckets.items() if place[1] >= self.floor}
        self.prefixes = {name: minute for name, minute in self.prefixes.items() if minute >= self.floor}

    def root(self):
        authorities = b"".join(name + bytes([flags]) for name, flags in sorted(self.authorities.items()))
        buckets = b"".join(struct.pack(">BI", *place) + sha(b"".join(struct.pack(">I", len(bitmap)) + bitmap for bitmap in map(bitmap_of, bits))) for place, bits in sorted(self.buckets.items()))
        prefixes, before = b"", ""
        for name, minute in sorted(self.prefixes.items()):
            shared = len(os.path.commonprefix([before, name]))
            prefixes += struct.pack(">IHH", minute, shared, len(name) - shared) + name[shared:].encode()
            before = name
        hashed = b"mayfly revocation root 1\0" + struct.pack(">I", self.floor) + sha(authorities) + sha(buckets)
        return sha(hashed + (b"\x03" + sha(prefixes) if prefixes else b""))

    def check(self, spiffe_id, serial, not_after_ms, authorities):
        """Section 1, the table: `authorities` from the one that signed the leaf upwards."""
        if any(self.authorities.get(name, 0) & 2 for name in authorities):
            return "authority_revoked"
        if not self.authorities.get(authorities[0], 0) & 1:
            return "unindexed"
        if len(serial) != 17:
            return "malformed"
        shard, minute, index = struct.unpack(">BII", serial[:9])
        if not 1 <= shard <= 127 or index >= 2**22 or minute != not_after_ms // 60_000:
            return "malformed"
        if minute < self.floor:
            return "expired"
        superseded, revoked = self.buckets.get((shard, minute), (0, 0))
        segments = spiffe_id.split("/")
        closed = any(segments[at - 2] in ("task", "sub") and "/".join(segments[:at]) in self.prefixes for at in range(5, len(segments) + 1))
        if revoked >> index & 1 or closed:
            return "revoked"
        return "superseded" if superseded >> index & 1 else "good"

    def includes(self, other):
        return (
            all(self.authorities.get(name, 0) & flags == flags for name, flags in other.authorities.items())
            and all(minute < self.floor or self.prefixes.get(name, -1) >= minute for name, minute in other.prefixes.items())
            and all(place[1] < self.floor or all(ours & theirs == theirs for ours, theirs in zip(self.buckets.get(place, (0, 0)), bits)) for place, bits in other.buckets.items())
        )


def bitmap_of(bits):
    return bits.to_bytes((bits.bit_length() + 7) // 8, "little")  # bit i is byte[i >> 3] & 1 << (i & 7)


def decode_frame(body):
    reader = Reader(body)
    kind, version, flags = reader.uint(1), reader.uint(1), reader.uint(1)
    need(version == 1 and flags <= 1, "another version or flag")
    frame = {"kind": kind, "complete": flags == 1, "epoch": reader.uint(8), "seq": reader.uint(8), "signedAt": reader.uint(8), "floor": reader.uint(4), "hash": reader.bytes(32)}
    if kind == 1:
        need(frame["seq"] >= 1, "events are numbered from 1")
        frame["events"] = [decode_event(reader) for _ in range(reader.uint(2))]
        need(frame["events"], "a batch of none")
    elif kind == 2:
        frame["root"] = reader.bytes(32)
        need(frame["complete"], "a heartbeat is complete")
    elif kind == 3:
        frame["part"], frame["parts"] = reader.uint(2), reader.uint(2)
        need(1 <= frame["parts"] <= 256 and frame["part"] < frame["parts"], "a part of another number")
        frame["sections"] = list(sections_of(reader))
    elif kind == 4:
        frame["chain"] = [reader.bytes(reader.uint(2)) for _ in range(reader.uint(1))]
        need(1 <= len(frame["chain"]) <= 8, "a chain of another length")
    else:
        need(kind == 5 and not frame["complete"], "a kind that is not known")
        frame["nonces"] = [reader.bytes(16) for _ in range(reader.uint(1))]
        need(1 <= len(frame["nonces"]) <= 64, "nonces of another number")
    need(reader.done, "trailing bytes")
    return frame


def sections_of(reader):
    before = 0
    while not reader.done:
        kind, payload = reader.uint(1), reader.bytes(reader.uint(4))
        need(kind > before and payload and (kind <= 3 or kind >= 128), "a section that is unknown, empty or out of order")
        before = kind
        if kind <= 3:
            yield kind, list(items_of(kind, Reader(payload)))


def items_of(kind, reader):
    text, before = "", None
    while not reader.done:
        if kind == 1:
            key, value = reader.bytes(32), reader.uint(1)
            need(1 <= value <= 3, "flags of an authority")
        elif kind == 2:
            key = (reader.uint(1), reader.uint(4))
            value = [reader.bytes(reader.uint(4)) for _ in range(2)]
            need(1 <= key[0] <= 127 and any(value) and all(len(bits) <= 524_288 and bits[-1:] != b"\0" for bits in value), "a bitmap")
        else:
            value, shared, rest = reader.uint(4), reader.uint(2), reader.bytes(reader.uint(2))
            need(shared <= len(text) and rest.isascii(), "a prefix")
            key = text[:shared] + rest.decode()
            need(shared == len(os.path.commonprefix([text, key])) and is_grant_id(key), "a prefix")
            text = key
        need(before is None or key > before, "not ascending")
        before = key
        yield key, value


def open_frame(frame, keys):
    """Body of a frame that one of these keys signed; keys by id: (key, notBefore, notAfter)."""
    need(96 < len(frame) <= 2_097_152, "a frame of another size")
    body, key_id, signature = frame[:-96], frame[-96:-64], frame[-64:]
    decoded = decode_frame(body)
    need(key_id in keys, "an unknown key")
    key, not_before, not_after = keys[key_id]
    need(not_before <= decoded["signedAt"] <= not_after, "signed out of its certificate's time")
    try:
        key.verify(signature, SIGNED + body + key_id)
    except InvalidSignature:
        raise Refused("a bad signature") from None
    return decoded


class Follower:
    """Section 6, without clocks: what it knows, and whether what it is given may follow that."""

    def __init__(self):
        self.set, self.place, self.parts, self.newest = None, (0, 0, bytes(32)), [], 0

    def take(self, frame):
        epoch, seq, chain = self.place
        if frame["epoch"] < epoch:
            return "stale epoch"
        outcome = {1: self.batch, 2: self.heartbeat, 3: self.snapshot, 4: lambda _: "introduced", 5: lambda _: "time"}[frame["kind"]](frame)
        if outcome in ("applied", "replaced", "confirmed"):
            self.newest = max(self.newest, frame["signedAt"])
        return outcome

    def old(self, frame):
        return "rollback" if frame["complete"] and frame["signedAt"] > self.newest else "duplicate"

    def batch(self, frame):
        epoch, seq, chain = self.place
        if self.set is None or frame["epoch"] > epoch or frame["seq"] > seq + 1:
            return "gap"
        hashes = [frame["hash"]]
        for raw, _ in frame["events"]:
            hashes.append(sha(hashes[-1] + raw))
        last = frame["seq"] + len(frame["events"]) - 1
        if last < seq:
            return self.old(frame)
        if hashes[seq - frame["seq"] + 1] != chain:
            return "gap"
        for _, event in frame["events"][seq - frame["seq"] + 1 :]:
            self.set.apply(event)
        self.set.drop_below(frame["floor"])
        self.place = (epoch, last, hashes[-1])
        return "applied" if last > seq else "duplicate"

    def heartbeat(self, frame):
        epoch, seq, chain = self.place
        if self.set is None or frame["epoch"] > epoch or frame["seq"] > seq:
            return "gap"
        if frame["seq"] < seq:
            return self.old(frame)
        if frame["hash"] != chain:
            return "gap"
        self.set.drop_below(frame["floor"])
        return "gap" if frame["floor"] == self.set.floor and frame["root"] != self.set.root() else "confirmed"

    def snapshot(self, frame):
        epoch, seq, chain = self.place
        if self.set is not None and frame["epoch"] == epoch:
            if frame["seq"] < seq:
                return self.old(frame)
            if frame["seq"] == seq and frame["hash"] != chain:
                return "rollback"
        head = lambda one: [one[field] for field in ("epoch", "seq", "signedAt", "floor", "hash", "parts")]
        self.parts = [part for part in self.parts if head(part) == head(frame) and part["part"] != frame["part"]] + [frame]
        if len(self.parts) < frame["parts"]:
            return "partial"
        found, self.parts = set_of(frame["floor"], sorted(self.parts, key=lambda part: part["part"])), []
        if self.set is not None and frame["epoch"] == epoch:
            found.drop_below(self.set.floor)
            if not found.includes(self.set):
                return "rollback"
        self.set, self.place = found, (frame["epoch"], frame["seq"], frame["hash"])
        return "replaced"


def set_of(floor, parts):
    found = RevocationSet()
    found.floor = floor
    for kind, items in (section for part in parts for section in part["sections"]):
        into = {1: found.authorities, 2: found.buckets, 3: found.prefixes}[kind]
        for key, value in items:
            need(not into or key > max(into), "parts that are not ascending")
            into[key] = [int.from_bytes(bits, "little") for bits in value] if kind == 2 else value
    return found
