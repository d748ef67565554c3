"""The reference pages under docs/reference, made from the code they describe.

`python -m tools.docs generate` writes them, `python -m tools.docs check` says which are out of date.
"""
