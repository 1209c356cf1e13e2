"""The web service of Touchstone; see README.md beside this file."""
