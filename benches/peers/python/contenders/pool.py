"""`multiprocessing.Pool.map` over the parts of a frame."""

from multiprocessing import Pool

import functions as f
from parts import LOOPS, put_together, see_slopes, split

WORKERS = 2


def contenders():
    pool = Pool(WORKERS)
    pool.map(abs, range(1000))
    return [(name, "map", over(pool, name, loop)) for name, loop in LOOPS.items()]


def over(pool, name, loop):
    def make(data):
        frame = data.pandas(name)

        def run():
            return put_together(name, pool.map(loop, split(name, frame, WORKERS)))

        return run, see_slopes if name == f.SLOPE else list

    return make
