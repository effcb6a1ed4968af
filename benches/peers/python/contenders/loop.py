"""Plain Python: a loop over the columns of a pandas frame."""

import functions as f
from parts import LOOPS, see_slopes


def contenders():
    return [(name, "zip", over(name, loop)) for name, loop in LOOPS.items()]


def over(name, loop):
    def make(data):
        frame = data.pandas(name)
        return lambda: loop(frame), see_slopes if name == f.SLOPE else list

    return make
