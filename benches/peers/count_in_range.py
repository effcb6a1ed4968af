"""Counts how many of five digits lie in 4..=8, row by row, with `multiprocessing.Pool`.

    python3 benches/peers/count_in_range.py [ROWS [WORKERS [ROUNDS]]]

Prints a line for each way: its name, the median and the least of the rounds in seconds, and a checksum of the counts.
The pool is made, and each of its processes has run something, before the clock starts.
"""

import statistics
import sys
import time
from multiprocessing import Pool

MASK = (1 << 64) - 1


def make_rows(rows):
    """Knuth's linear congruential generator modulo 2**64, as in the Rust group."""
    state = 0
    table = []
    for _ in range(rows):
        row = []
        for _ in range(5):
            state = (state * 6364136223846793005 + 1442695040888963407) & MASK
            row.append((state >> 33) % 10)
        table.append(row)
    return table


def count_in_range(row, minimum, maximum):
    count = 0
    for n in row:
        if minimum <= n <= maximum:
            count += 1
    return count


def count_in_4_to_8(row):
    return count_in_range(row, 4, 8)


def checksum(counts):
    return sum(place * count for place, count in enumerate(counts, 1)) & MASK


def measure(name, rounds, run):
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        counts = run()
        times.append(time.perf_counter() - start)
    print(name, statistics.median(times), min(times), checksum(counts))


def main():
    arguments = [int(argument) for argument in sys.argv[1:]]
    rows, workers, rounds = arguments + [200_000, 2, 11][len(arguments) :]
    table = make_rows(rows)
    with Pool(workers) as pool:
        pool.map(count_in_4_to_8, table[:1000])
        measure("map", rounds, lambda: pool.map(count_in_4_to_8, table))
        measure(
            "starmap",
            rounds,
            lambda: pool.starmap(count_in_range, [(row, 4, 8) for row in table]),
        )


if __name__ == "__main__":
    main()
