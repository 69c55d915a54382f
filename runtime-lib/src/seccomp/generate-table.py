#!/usr/bin/env python3
"""Writes table.rs from libseccomp's src/syscalls.csv, which its maintainers take from the kernel's own
tables: `generate-table.py syscalls.csv 'libseccomp 2.6.1 (90d3f7dd)' > table.rs`.

A row is a name, a column an architecture. The file is not needed for a build."""
import csv
import sys

COLUMNS = ["x86", "x86_64", "x32", "arm", "aarch64", "riscv64"]

with open(sys.argv[1]) as file:
    rows = list(csv.reader(file))
head = rows[0]
kernel = head[0].split("(", 1)[1].rstrip(")")
at = [head.index(name) for name in COLUMNS]

names = {}
for row in rows[1:]:
    if row:
        numbers = [row[i] for i in at]
        names[row[0]] = ["N" if n in ("PNR", "") else n for n in numbers]

print(f"//! Numbers of all system calls that Linux {kernel} knows on any architecture.")
print("//!")
print("//! Written by generate-table.py, not to be edited; x32 numbers are without their bit 30. Source:")
print(f"//! src/syscalls.csv of {sys.argv[2]}.")
print()
print("/// There is no such call on this architecture.")
print("pub(super) const N: i32 = -1;")
print()
print("/// Sorted by name; columns: " + ", ".join(COLUMNS) + ".")
print("#[rustfmt::skip]")
print(f"pub(super) static CALLS: [(&str, [i32; {len(COLUMNS)}]); {len(names)}] = [")
for name in sorted(names):
    print(f'    ("{name}", [{", ".join(names[name])}]),')
print("];")
