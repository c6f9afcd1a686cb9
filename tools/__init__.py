"""What a machine needs before the code can run: the Python environment and the real components.

Only the standard library is used here, because this runs before anything is installed.
"""
