"""The C++ core and its bindings: numerical work only, no formats and no policy."""
