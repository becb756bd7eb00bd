"""The matrix of peers and behaviours: what is tested with what, and how that went.

`interop/matrix.yaml` lists the peers, `loading` reads it, `interop/test_matrix.py` runs
what it comes to, `recorder` keeps the outcome of every test, and `python -m
interop.matrix` writes it down for readers.
"""
