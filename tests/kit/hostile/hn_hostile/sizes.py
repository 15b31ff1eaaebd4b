"""A gibibyte, in many ways, and numbers and replies that are too large."""

GIB = 1 << 30


def allocate_bytes(tx, payload):
    bytes(GIB)


def allocate_alias(tx, payload):
    make = bytearray
    make(GIB)


def allocate_map(tx, payload):
    list(map(bytes, [GIB]))


def allocate_times(tx, payload):
    b"x" * GIB


def allocate_list(tx, payload):
    [0] * GIB


def allocate_times_in_place(tx, payload):
    text = "x"
    text *= GIB


def allocate_doubling(tx, payload):
    text = "x" * 64
    while len(text) < GIB:
        text = text + text


def allocate_doubling_in_place(tx, payload):
    values = [0]
    while len(values) < GIB:
        values += values


def allocate_extend(tx, payload):
    values = [0]
    while len(values) < GIB:
        values.extend(values)


def allocate_slice(tx, payload):
    values = [0]
    while len(values) < GIB:
        values[len(values) :] = values


def allocate_star(tx, payload):
    values = [0]
    while len(values) < GIB:
        values = [*values, *values]


def allocate_join(tx, payload):
    ("x" * 60_000).join(["y"] * 60_000)


def allocate_pad(tx, payload):
    pad = "x".ljust
    pad(GIB)


def allocate_replace(tx, payload):
    ("x" * 100_000).replace("x", "y" * 100_000)


def allocate_range(tx, payload):
    list(range(GIB))


def allocate_set(tx, payload):
    set(range(GIB))


def allocate_dict(tx, payload):
    held = {}
    for n in range(GIB):
        held[n] = b"x" * 1_000


def allocate_kept(tx, payload):
    held = []
    while True:
        held.append(b"x" * 1_000_000)


def allocate_from_int(tx, payload):
    (1).to_bytes(GIB, "big")


def big_power(tx, payload):
    10 ** (10**9)


def big_tower(tx, payload):
    n = 3
    while True:
        n = n**n


def big_shift(tx, payload):
    1 << GIB


def big_square(tx, payload):
    n = 3
    while True:
        n *= n


def big_sum(tx, payload):
    sum(range(10**12))


def reply_writes(tx, payload):
    for n in range(65):
        tx.put(b"w%d" % n, b"x" * 10)


def reply_value(tx, payload):
    tx.put(b"w", b"x" * 65_537)


def reply_events(tx, payload):
    for n in range(65):
        tx.emit("hostile.event", str(n), {})


def reply_event(tx, payload):
    tx.emit("hostile.event", "e", {"data": "x" * 17_000})


def reply_largest(tx, payload):
    value = b"x" * 65_536
    for n in range(64):
        tx.put(b"v%d" % n, value)


OVER = "STEPS_EXCEEDED"
WRITES = "WRITE_LIMIT_EXCEEDED"
ACTIONS = {
    "allocate_bytes": (allocate_bytes, OVER),
    "allocate_alias": (allocate_alias, OVER),
    "allocate_map": (allocate_map, OVER),
    "allocate_times": (allocate_times, OVER),
    "allocate_list": (allocate_list, OVER),
    "allocate_times_in_place": (allocate_times_in_place, OVER),
    "allocate_doubling": (allocate_doubling, OVER),
    "allocate_doubling_in_place": (allocate_doubling_in_place, OVER),
    "allocate_extend": (allocate_extend, OVER),
    "allocate_slice": (allocate_slice, OVER),
    "allocate_star": (allocate_star, OVER),
    "allocate_join": (allocate_join, OVER),
    "allocate_pad": (allocate_pad, OVER),
    "allocate_replace": (allocate_replace, OVER),
    "allocate_range": (allocate_range, OVER),
    "allocate_set": (allocate_set, OVER),
    "allocate_dict": (allocate_dict, OVER),
    "allocate_kept": (allocate_kept, OVER),
    "allocate_from_int": (allocate_from_int, OVER),
    "big_power": (big_power, OVER),
    "big_tower": (big_tower, OVER),
    "big_shift": (big_shift, OVER),
    "big_square": (big_square, OVER),
    "big_sum": (big_sum, OVER),
    "reply_writes": (reply_writes, WRITES),
    "reply_value": (reply_value, WRITES),
    "reply_events": (reply_events, WRITES),
    "reply_event": (reply_event, WRITES),
    "reply_largest": (reply_largest, "OK"),
}
