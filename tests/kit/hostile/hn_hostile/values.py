"""Faults, wrong types, and what differs between processes."""

from functools import reduce


def raises(tx, payload):
    tx.put(b"before", b"1")
    raise ValueError("text that stays on this node")


def raises_key(tx, payload):
    {}["absent"]


def unknown_rule(tx, payload):
    tx.require("hostile.unknown", False)


def text_key(tx, payload):
    tx.put("key", b"value")


def number_value(tx, payload):
    tx.put(b"key", 5)


def list_value(tx, payload):
    tx.put(b"key", [b"value"])


def empty_key(tx, payload):
    tx.put(b"", b"value")


def nested_event(tx, payload):
    tx.emit("hostile.event", "e", {"a": {"b": {"c": 1}}})


def undeclared_event(tx, payload):
    tx.emit("hostile.unheard", "e", {})


def unfit_event(tx, payload):
    tx.emit("hostile.event", "e", {"data": 1})


def object_event(tx, payload):
    tx.emit("hostile.event", "e", {"a": object()})


def answers(tx, payload):
    return b"x" * 1_000_000


def generator(tx, payload):
    yield tx.put(b"never", b"1")


def object_text(tx, payload):
    tx.put(b"key", f"{object()}".encode())


def object_str(tx, payload):
    tx.put(b"key", str(object()).encode())


def wide_text(tx, payload):
    f"{1:999999999d}"


def wide_percent(tx, payload):
    "%999999999d" % 1


def set_order(tx, payload):
    names = {"n%d" % n for n in range(50)}
    tx.put(b"order", ",".join(names).encode())
    for number, name in enumerate(names):
        tx.put(b"set%d" % number, name.encode())


def set_list(tx, payload):
    names = {"m%d" % n for n in range(50)}
    first, *rest = names
    listed = [first, *rest] + list(names) + [name for name in names]
    tx.put(b"listed", reduce(lambda a, b: a + b, listed).encode())
    tx.put(b"next", next(iter(names)).encode())


def set_pop(tx, payload):
    {"a", "b", "c"}.pop()


def unicode_tables(tx, payload):
    tx.put(b"upper", "ß\u1e9e\U00010d50".upper().encode())


def divide(tx, payload):
    tx.put(b"quotient", str(7 // 0).encode())


def negative_power(tx, payload):
    tx.put(b"power", str(2 ** (0 - 1)).encode())


FAILED = "HANDLER_FAILED"
ACTIONS = {
    "raises": (raises, FAILED),
    "raises_key": (raises_key, FAILED),
    "unknown_rule": (unknown_rule, FAILED),
    "text_key": (text_key, FAILED),
    "number_value": (number_value, FAILED),
    "list_value": (list_value, FAILED),
    "empty_key": (empty_key, "WRITE_LIMIT_EXCEEDED"),
    "nested_event": (nested_event, FAILED),
    "object_event": (object_event, FAILED),
    "undeclared_event": (undeclared_event, FAILED),
    "unfit_event": (unfit_event, FAILED),
    "answers": (answers, "OK"),
    "generator": (generator, "OK"),
    "object_text": (object_text, FAILED),
    "object_str": (object_str, FAILED),
    "wide_text": (wide_text, FAILED),
    "wide_percent": (wide_percent, FAILED),
    "set_order": (set_order, "OK"),
    "set_list": (set_list, "OK"),
    "set_pop": (set_pop, FAILED),
    "unicode_tables": (unicode_tables, FAILED),
    "divide": (divide, FAILED),
    "negative_power": (negative_power, FAILED),
}
