"""What stands inside the sandbox in the place of modules that are reference data; see ``image``.

These files are bound over modules of other packages and are never imported from here.
"""
