"""Compiled loops over columns, each with a twin in NumPy, Polars or Arrow.

What is here exists twice: in C, where a loop over rows or random reads of memory
would otherwise dominate a run, and beside its caller from libraries. Both give the
same bytes; tests compare them. Where no C compiler was at hand when the package was
built, everything works by the twin, slower (`native.state()` says which).
"""
