"""Locked Python environments in which calculators run, named by their digests; see README.md."""
