"""How fast, how small, how quick to import: measured, never promised from memory.

Run `make bench`, or `python -m benchmarks --help`. The figures live in `README.md` beside this
file. Absolute figures belong to the machine of the day; the ratios inside one run are the result.
"""
