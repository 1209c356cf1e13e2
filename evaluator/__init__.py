"""The physics and the sandbox of Touchstone; see README.md beside this file."""
