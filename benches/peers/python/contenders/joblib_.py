"""joblib's `Parallel` over the parts of a frame; its processes are kept from call to call."""

from joblib import Parallel, delayed

import functions as f
from parts import LOOPS, put_together, see_slopes, split

WORKERS = 2


def contenders():
    return [(name, "Parallel", over(name, loop)) for name, loop in LOOPS.items()]


def over(name, loop):
    def make(data):
        frame = data.pandas(name)

        def run():
            parts = split(name, frame, WORKERS)
            return put_together(name, Parallel(n_jobs=WORKERS)(delayed(loop)(part) for part in parts))

        return run, see_slopes if name == f.SLOPE else list

    return make
