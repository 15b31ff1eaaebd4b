"""Work without end: loops, recursion, and what tries to hide their end."""

from itertools import islice, product


def endless(tx, payload):
    while True:
        pass


def endless_for(tx, payload):
    for _ in range(10**18):
        tx.get(b"x") if False else None


def numbers():
    n = 0
    while True:
        yield n
        n += 1


def endless_generator(tx, payload):
    for n in numbers():
        n + 1


def endless_comprehension(tx, payload):
    tx.put(b"k", str(len([n for n in numbers()])).encode())


def endless_expression(tx, payload):
    any(n < 0 for n in numbers())


def endless_builtin(tx, payload):
    sum(numbers())


def endless_islice(tx, payload):
    islice(numbers(), 10**12)


def endless_product(tx, payload):
    product(*[range(100)] * 10)


def recursion(tx, payload):
    recursion(tx, payload)


def recursion_lambda(tx, payload):
    again = lambda f: f(f)  # noqa: E731
    again(again)


class Same:
    def __eq__(self, other):
        return other == self


def recursion_equality(tx, payload):
    Same() == Same()


def nested(values):
    for value in values:
        yield value


def recursion_generators(tx, payload):
    values = iter([1])
    for _ in range(10_000):
        values = nested(values)
    next(values)


def swallow(tx, payload):
    tx.put(b"swallow", b"1")
    try:
        while True:
            pass
    except Exception:
        pass


def swallow_finally(tx, payload):
    while True:
        try:
            while True:
                pass
        finally:
            raise ValueError("hidden")


def catch_recursion(tx, payload):
    try:
        recursion(tx, payload)
    except Exception:
        tx.put(b"caught", b"1")


def sort_long(tx, payload):
    for _ in range(1_000):
        sorted(range(60_000), key=lambda n: 0 - n)


def compare_deep(tx, payload):
    one, two = [], []
    for _ in range(60):
        one, two = [one, one], [two, two]
    tx.put(b"k", b"1" if one == two else b"0")


def search_long(tx, payload):
    text = "a" * 1_000_000
    for _ in range(100_000):
        "b" in text


ACTIONS = {
    name: (handler, "STEPS_EXCEEDED")
    for name, handler in {
        "endless": endless,
        "endless_for": endless_for,
        "endless_generator": endless_generator,
        "endless_comprehension": endless_comprehension,
        "endless_expression": endless_expression,
        "endless_builtin": endless_builtin,
        "endless_islice": endless_islice,
        "endless_product": endless_product,
        "recursion": recursion,
        "recursion_lambda": recursion_lambda,
        "recursion_equality": recursion_equality,
        "recursion_generators": recursion_generators,
        "swallow": swallow,
        "swallow_finally": swallow_finally,
        "catch_recursion": catch_recursion,
        "sort_long": sort_long,
        "compare_deep": compare_deep,
        "search_long": search_long,
    }.items()
}
