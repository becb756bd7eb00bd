"""What users configure: frozen values, checked when they are made.

One file for each side, because each is slow to import: neither pays for the other.
"""
