#!/usr/bin/env python3
"""A second reader of tidline's trace files, written from src/format/format.md and nothing else.

It shares no code with the library, so where the two agree, the specification says what the library
does. It prints one JSON object per line: the header, each event, each definition, the checkpoints,
the counters, and what is wrong with the file. Bytes that a recorded program chose are printed as hex.

    python3 tests/format_reader.py FILE...
"""

import json
import struct
import sys
import zlib

MAGIC = b"\x89TID\r\n\x1a\n"
MARKER = b"\xf5TDC"
GOES_ON = "the recording goes on in the next file"
MAX_HEADER = 1 << 20
MAX_PAYLOAD = 16 << 20
MAX_TIME = 2**64 - 1

GIVEN_UP_EARLY = "files_given_up_early"
CHUNK_EVENTS, CHUNK_END, CHUNK_CHECKPOINT, CHUNK_DEFINITIONS = 1, 2, 3, 5
SITE, PART, CARRIED, ANCHOR, COUNTER, END = 1, 2, 3, 4, 64, 65
MODULE, FRAME, STACK, SYMBOL, TALLY = range(5, 10)
EXISTING, BIRTH, EXEC, EXIT, RENAME, DETACH, GAP, LOST, MARK = range(16, 25)
CREATE_FAILED, SYSCALL_ENTER, SYSCALL_EXIT = range(25, 28)


class Bad(Exception):
    """Something that cannot be read."""


# Values


class Bytes:
    """Takes values from the front of some bytes."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def left(self):
        return len(self.data) - self.at

    def take(self, count):
        if count > self.left():
            raise Bad("ends too soon")
        self.at += count
        return self.data[self.at - count : self.at]

    def u8(self):
        return self.take(1)[0]

    def unsigned(self, width):
        first = self.u8()
        if first <= 250:
            return first
        size = {251: 2, 252: 4, 253: 8, 254: 16}.get(first, 99)
        if size > width:
            raise Bad("a number too wide for its type")
        return int.from_bytes(self.take(size), "little")

    def signed(self, width):
        zigzag = self.unsigned(width)
        return zigzag // 2 if zigzag % 2 == 0 else -(zigzag + 1) // 2

    def u16(self):
        return self.unsigned(2)

    def u32(self):
        return self.unsigned(4)

    def u64(self):
        return self.unsigned(8)

    def u128(self):
        return self.unsigned(16)

    def i32(self):
        return self.signed(4)

    def i64(self):
        return self.signed(8)

    def bool(self):
        value = self.u8()
        if value > 1:
            raise Bad("neither true nor false")
        return value == 1

    def last_u32(self):
        """A last field that is there if there are bytes left."""
        return self.u32() if self.left() else None

    def number(self):
        """A number that need not be there: plus 1, and 0 is none."""
        plus_1 = self.u32()
        return plus_1 - 1 if plus_1 else None

    def last_number(self):
        return self.number() if self.left() else None

    def stack_and_start(self):
        if not self.left():
            return {"stack": None, "start": None}
        return {"stack": self.number(), "start": self.number()}

    def last_hex(self):
        return self.hex() if self.left() else None

    def last_bool(self):
        return self.bool() if self.left() else False

    def option(self, value):
        return value() if self.bool() else None

    def bytes(self):
        return self.take(self.u64())

    def hex(self):
        return self.bytes().hex()

    def string(self):
        try:
            return self.bytes().decode("utf-8")
        except UnicodeDecodeError as error:
            raise Bad("not UTF-8") from error

    def vec(self, element):
        return [element() for _ in range(self.u64())]


def crc32(data):
    return zlib.crc32(data)


# The file header


def read_header(data):
    """The header's fields, and the offset behind it."""
    if data[:8] != MAGIC[: len(data)]:
        raise Bad("not a trace")
    if len(data) < 20:
        raise Bad("the header is cut")
    version, _, length, crc = struct.unpack_from("<HHII", data, 8)
    if version != 1:
        raise Bad(f"version {version}")
    body = data[20 : 20 + length]
    if length > MAX_HEADER or len(body) < length or crc32(body) != crc:
        raise Bad("the header is damaged")
    b = Bytes(body)
    header = {
        "trace_id": f"{b.u128():x}",
        "segment": b.u32(),
        "host": b.string(),
        "kernel": b.string(),
        "arch": b.string(),
        "boot_id": b.string(),
        "recorder": b.string(),
        "backend": b.string(),
        "options": b.vec(lambda: [b.string(), b.string()]),
        "launched": b.bool(),
        "targets": b.vec(lambda: {"pid": b.u32(), "command": b.vec(b.hex)}),
        "start_monotonic_ns": b.u64(),
        "start_wall_ns": b.i64(),
        "utc_offset_s": b.i32(),
    }
    return header, 20 + length


HOST_RANGE, MOST_HOSTS = 10_000_000, 200


def hosts(header):
    """The hosts that a file was merged from, and what is added to their TIDs and pids; none if it is of one."""
    options = {}
    for name, value in header["options"]:
        options.setdefault(name, value)  # the first of a name
    found = []
    while len(found) < MOST_HOSTS and (name := options.get(f"host-{len(found)}")) is not None:
        number = len(found)
        apart = options.get(f"clock-apart-{number}", "0")
        apart = int(apart) if apart.isascii() and apart.isdecimal() and int(apart) <= MAX_TIME else 0
        found.append([name, options.get(f"boot-{number}", ""), apart, number * HOST_RANGE])
    return found if len(found) > 1 else []


# Chunks


def read_chunk_header(data, at):
    """The chunk header at an offset, or None if no chunk begins there."""
    head = data[at : at + 48]
    if len(head) < 48 or head[:4] != MARKER:
        return None
    names = "kind codec _ number stored raw records first last crc header_crc".split()
    chunk = dict(zip(names, struct.unpack_from("<BBHIIIIQQII", head, 4)))
    chunk["end"] = at + 48 + chunk["stored"]
    fits = max(chunk["stored"], chunk["raw"]) <= MAX_PAYLOAD and chunk["end"] <= len(data)
    return chunk if fits and crc32(head[:44]) == chunk["header_crc"] else None


def unpack(chunk, stored):
    if chunk["codec"] == 0:
        raw = stored
    elif chunk["codec"] == 1 and chunk["raw"] <= len(stored) * 255:
        raw = unpack_lz4(Bytes(stored), chunk["raw"])
    else:
        raise Bad("unknown codec or impossible length")
    if len(raw) != chunk["raw"]:
        raise Bad("unpacks to another length")
    return raw


def unpack_lz4(block, limit):
    def length(nibble):
        total, more = nibble, 255 if nibble == 15 else 0
        while more == 255:
            more = block.u8()
            total += more
        return total

    out = bytearray()
    while True:
        token = block.u8()
        out += block.take(length(token >> 4))
        if not block.left():
            return bytes(out)
        distance = int.from_bytes(block.take(2), "little")
        if not 0 < distance <= len(out):
            raise Bad("an LZ4 distance out of range")
        count = length(token & 15) + 4
        if len(out) + count > limit:
            raise Bad("unpacks to another length")
        for _ in range(count):
            out.append(out[-distance])


# Records


class Chunk:
    """What a chunk builds up while its records are read: the bases and the sites."""

    def __init__(self):
        self.time = 0
        self.base = {"tid": 0, "pid": 0, "creator": 0, "child": 0}
        self.sites = []

    def id(self, base, difference):
        self.base[base] = in_range(self.base[base] + difference)
        return self.base[base]

    def task(self, b):
        return {"tid": self.id("tid", b.i64()), "pid": self.id("pid", b.i64())}

    def birth(self, b):
        bits, creator, pid, child, site = b.u8(), b.i64(), b.i64(), b.i64(), b.u32()
        known = not bits & 8
        creator = self.id("creator", creator) if known else None
        pid = self.id("pid", pid)
        child = self.id("child", child)
        if bits & 3 == 3 or site >= len(self.sites):
            raise Bad("a birth of an unknown kind or site")
        process = bool(bits & 4)
        return {
            "kind": ("clone", "fork", "vfork")[bits & 3],
            "what": "process" if process else "thread",
            "parent_pid": pid if known else None,
            "parent_tid": creator,
            "pid": child if process else pid,
            "tid": child,
            **self.sites[site],
            "inner": b.last_u32(),
        }

    def exec(self, b):
        task = self.task(b)
        former = in_range(task["tid"] + b.i64())
        return {"kind": "exec", **task, "former_tid": former, "exe": b.hex(), "name": b.hex()}

    def exit(self, b):
        task, how = self.task(b), b.u16()
        ends = {0: {"code": how}, 1: {"signal": how - 256, "core": False}}
        ends[2] = {"signal": how - 512, "core": True}
        return {"kind": "exit", **task, **ends.get(how >> 8, {"unknown": True})}

    def fields(self, kind, b):
        """The fields of a record, or None if its kind is unknown."""
        if kind == SITE:
            return {"pc": b.option(b.u64), "flags": b.option(b.u64), **b.stack_and_start()}
        if kind == EXISTING:
            task, parent, pc = self.task(b), b.option(b.u32), b.option(b.u64)
            existing = {"kind": "existing", **task, "parent_pid": parent, "pc": pc}
            return {**existing, "name": b.hex(), "inner": b.last_u32()}
        if kind == BIRTH:
            return self.birth(b)
        if kind == EXEC:
            return self.exec(b)
        if kind == EXIT:
            return self.exit(b)
        if kind == RENAME:
            return {"kind": "rename", **self.task(b), "name": b.hex()}
        if kind == DETACH:
            return {"kind": "detach", **self.task(b), "reason": b.u8()}
        if kind == GAP:
            loss = {"reason": b.u8(), "count": b.u64(), "since": b.u64(), "detail": b.hex()}
            return {"kind": "gap", **loss}
        if kind == LOST:
            return {"kind": "lost", "count": b.u64(), "since": b.u64(), "reason": b.hex()}
        if kind == CREATE_FAILED:
            body = {"tid": b.u32(), "pid": b.u32(), "errno": b.u16(), "flags": b.option(b.u64)}
            body |= {"pc": b.option(b.u64), "call": b.hex(), "stack": b.last_number()}
            return {"kind": "create-failed", **body}
        if kind in (SYSCALL_ENTER, SYSCALL_EXIT):
            call = {"tid": b.u32(), "pid": b.u32(), "number": b.u64(), "name": b.hex()}
            if kind == SYSCALL_ENTER:
                return {"kind": "syscall-enter", **call, "args": [b.u64() for _ in range(6)]}
            return {"kind": "syscall-exit", **call, "result": b.i64()}
        if kind == MARK:
            return {"kind": "mark", "text": b.hex()}
        if kind == COUNTER:
            return {"name": b.string(), "value": b.u64()}
        if kind == END:
            return {"events": b.u64(), "reason": b.string()}
        return None


def in_range(number):
    if not 0 <= number < 2**32:
        raise Bad("an id out of range")
    return number


def records(payload):
    chunk = Chunk()
    while payload.left():
        kind, since = payload.u8(), payload.u64()
        body = Bytes(payload.take(payload.u32()))
        chunk.time = min(chunk.time + since, MAX_TIME)
        yield chunk, kind, body


def read_anchor(b):
    return {"wall_ns": b.i64(), "utc_offset_s": b.i32()}


def read_carried(b):
    return {
        "tid": b.u32(),
        "pid": b.u32(),
        "inner": b.option(b.u32),
        "origin": {0: "existing", 1: "birth"}.get(b.u8(), "inferred"),
        "parent": b.option(b.u32),
        "born": b.u64(),
        "name": b.hex(),
        "exe": b.option(b.hex),
        "ended": b.option(lambda: [b.u64(), b.u16()]),
        **b.stack_and_start(),
        "creator_name": b.last_hex(),
    }


COUNTED = (
    "events existing threads processes inferred exited let_go end_missing became_leader peak gaps lost"
    " with_stack refused_with_stack"
).split()


def read_tally(b):
    counts = {name: b.u64() for name in COUNTED}
    refused = b.vec(lambda: [b.u16(), b.u64()])
    stacks = b.vec(b.u32)
    return {**counts, "refused": refused, "stacks": stacks, "creators": b.last_bool()}


def read_definition(kind, b):
    """What a number stands for, or None if the kind is unknown."""
    if kind == MODULE:
        names = {"module": b.u32(), "path": b.hex(), "build_id": b.hex()}
        return {**names, "pid": b.u32(), "start": b.u64(), "end": b.u64()}
    if kind == FRAME:
        return {"frame": b.u32(), "module": b.number(), "address": b.u64(), "trust": b.u8()}
    if kind == STACK:
        stack = {"stack": b.u32(), "up": b.number(), "frame": b.u32(), "end": b.u8()}
        if stack["up"] is not None and stack["up"] >= stack["stack"]:
            raise Bad("a caller that comes later")
        return stack
    if kind == SYMBOL:
        frame, source, count = b.u32(), b.u8(), b.u32()
        functions = [[b.hex(), b.hex(), b.u32()] for _ in range(count)]
        return {"symbol": frame, "source": source, "functions": functions}
    return None


# The file


class Reader:
    def __init__(self, data):
        self.data = data
        self.header, self.at = read_header(data)
        self.events, self.counters = [], {}
        self.damage, self.open = [], []  # open: the next readable chunk's time is not known yet
        self.explained = False  # whether what stands just before is damage
        self.definitions = []
        self.anchors, self.checkpoints, self.carried, self.next_part = [], [], [], 0
        self.unknown = self.longer = self.chunks = self.counted = 0
        self.end, self.now, self.next_number = None, 0, 0
        self.good, self.patience = self.at, 4 * len(data)
        missing = []  # the files before this one, unless they were given up
        options = {name for name, _ in self.header["options"]}
        if self.header["segment"] > 0 and not options & {"ring", "max-disk", GIVEN_UP_EARLY}:
            missing = [self.damaged(0, 0)]
        self.open += missing
        while self.at < len(data) and self.step():
            pass
        self.damage += self.open
        if self.end and self.end["events"] != self.counted and not self.damage:
            self.damage.append(self.damaged(self.good, 0))
        if GIVEN_UP_EARLY in self.counters:
            self.damage = [damage for damage in self.damage if damage not in missing]

    def damaged(self, at, length):
        self.explained = True
        return {"offset": at, "bytes": length, "after": self.now, "before": None}

    def step(self):
        """Reads what begins here; whether there is more."""
        start = self.at
        chunk = read_chunk_header(self.data, start)
        if not chunk:
            return self.search()
        end = chunk["end"]
        stored = self.data[start + 48 : end]
        if crc32(stored) != chunk["crc"]:
            return self.pass_over(start, end)
        if chunk["number"] < self.next_number:
            self.open.append(self.damaged(start, end - start))
        else:
            if chunk["number"] > self.next_number and not self.explained:
                self.open.append(self.damaged(start, 0))
            self.next_number = chunk["number"] + 1
            try:
                payload = unpack(chunk, stored)
            except Bad:
                self.open.append(self.damaged(start, end - start))
            else:
                self.read_chunk(chunk, payload, start)
        self.at = self.good = end
        if self.end and self.trace_begins(end):
            self.open.append(self.damaged(end, len(self.data) - end))
        return not self.end

    def read_chunk(self, chunk, payload, start):
        self.explained = False
        if chunk["kind"] != CHUNK_DEFINITIONS:
            for damage in self.open:
                damage["before"] = max(chunk["first"], damage["after"])
            self.damage, self.open = self.damage + self.open, []
        self.chunks += 1
        known = CHUNK_EVENTS, CHUNK_END, CHUNK_CHECKPOINT, CHUNK_DEFINITIONS
        if chunk["kind"] not in known:
            self.unknown += max(chunk["records"], 1)
            return
        try:
            if chunk["kind"] == CHUNK_DEFINITIONS:
                count = self.read_definitions(Bytes(payload))
            elif chunk["kind"] == CHUNK_CHECKPOINT:
                count = self.read_checkpoint(Bytes(payload), chunk["records"], chunk["last"])
            else:
                count = self.read_records(Bytes(payload))
            if count != chunk["records"]:
                raise Bad("another number of records")
        except Bad:
            self.open.append(self.damaged(start, chunk["end"] - start))
        self.now = max(self.now, chunk["last"])

    def read_records(self, payload):
        count = 0
        for count, (chunk, kind, body) in enumerate(records(payload), 1):
            self.read_record(chunk, kind, body)
        return count

    def read_definitions(self, payload):
        count = 0
        for count, (_, kind, body) in enumerate(records(payload), 1):
            definition = read_definition(kind, body)
            if definition is None:
                self.unknown += 1
            else:
                self.definitions.append(definition)
                self.longer += body.left() > 0
        return count

    def read_checkpoint(self, payload, expected, last):
        before, self.carried = self.carried, []
        next_part, self.next_part = self.next_part, 0
        carried, count, end = list(before), 0, None
        for count, (chunk, kind, body) in enumerate(records(payload), 1):
            if kind == ANCHOR:
                self.read_record(chunk, kind, body)
            elif kind == CARRIED:
                task = read_carried(body)
                if task["parent"] is not None and task["parent"] >= len(carried):
                    raise Bad("a parent that comes later")
                self.longer += body.left() > 0
                carried.append(task)
            elif kind == TALLY:
                # Who reads everything counts for himself.
                read_tally(body)
                self.longer += body.left() > 0
            elif kind == PART:
                part, end = body.u32(), body.bool()
                self.longer += body.left() > 0
                if part not in (0, next_part):
                    raise Bad("a part without those before")
                if part == 0 and next_part != 0:
                    carried = carried[len(before) :]
                next_part = part + 1
            else:
                self.unknown += 1
        if count != expected:
            raise Bad("another number of records")
        for place, task in enumerate(carried):
            if task["parent"] is not None and task["parent"] >= place:
                raise Bad("a parent that comes later")
        if end is None:
            raise Bad("a checkpoint that does not end")
        if end:
            self.now = max(self.now, last)
            for task in carried:
                creator = 0 if task["parent"] is None else carried[task["parent"]]["born"]
                task["born"] = max(min(task["born"], self.now), creator)
                if task["ended"] is not None:
                    task["ended"][0] = max(min(task["ended"][0], self.now), task["born"])
            self.checkpoints.append({"time": self.now, "carried": carried})
        else:
            self.carried, self.next_part = carried, next_part
        return count

    def read_record(self, chunk, kind, body):
        fields = chunk.fields(kind, body)
        if kind == ANCHOR:
            self.anchors.append({"time": chunk.time, **read_anchor(body)})
            self.longer += body.left() > 0
            return
        if fields is None:
            self.unknown += 1
            self.counted += 16 <= kind < 64
            return
        self.longer += body.left() > 0
        if kind == SITE:
            chunk.sites.append(fields)
        elif kind == COUNTER:
            self.counters[fields["name"]] = fields["value"]
        elif kind == END:
            self.end = fields
        else:
            self.now = max(self.now, chunk.time)
            self.events.append({"time": self.now, **fields})
            self.counted += 1

    def search(self):
        found = self.find(self.at)
        if found is None:
            return False
        if found > self.at:
            self.open.append(self.damaged(self.at, found - self.at))
        self.at = found
        if read_chunk_header(self.data, found):
            return True
        self.open.append(self.damaged(found, len(self.data) - found))
        return False

    def pass_over(self, start, end):
        """Moves behind a chunk whose payload is not what was written."""
        behind = end
        certain = end == len(self.data) or read_chunk_header(self.data, end)
        if not certain and end - start <= self.patience:
            self.patience -= end - start
            behind = self.find(start + 48) or end
        self.open.append(self.damaged(start, behind - start))
        self.at = self.good = behind
        return True

    def find(self, at):
        """Where the next chunk or another trace begins."""
        while at < len(self.data):
            first = self.data[at]
            if first == MARKER[0] and read_chunk_header(self.data, at):
                return at
            if first == MAGIC[0] and self.trace_begins(at):
                return at
            at += 1
        return None

    def trace_begins(self, at):
        try:
            read_header(self.data[at : at + 20 + MAX_HEADER])
        except Bad:
            return False
        return at < len(self.data)

    def lines(self):
        yield {"header": self.header}
        if several := hosts(self.header):
            yield {"hosts": several}
        yield from self.events
        yield from self.definitions
        yield from self.checkpoints
        yield {"anchors": self.anchors}
        yield {"counters": [[name, value] for name, value in self.counters.items()]}
        for damage in self.damage:
            yield {"damage": damage}
        yield {
            "ending": self.end["reason"] if self.end and self.end["reason"] != GOES_ON else None,
            "unknown_records": self.unknown,
            "longer_records": self.longer,
            "trailing_bytes": len(self.data) - self.good,
            "chunks": self.chunks,
            "end": self.now,
        }


def describe(data):
    try:
        lines = Reader(data).lines()
    except Bad as problem:
        lines = [{"unreadable": str(problem)}]
    for line in lines:
        print(json.dumps(line, separators=(",", ":")))


def main():
    if sys.argv[1:] == ["--framed"]:  # many files, each behind its length
        while length := sys.stdin.buffer.read(4):
            describe(sys.stdin.buffer.read(int.from_bytes(length, "little")))
            print("--")
        return
    for path in sys.argv[1:]:
        with open(path, "rb") as file:
            describe(file.read())


if __name__ == "__main__":
    main()
