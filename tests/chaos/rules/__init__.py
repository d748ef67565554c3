"""The rules, one a file: each takes a case and returns what it found."""
