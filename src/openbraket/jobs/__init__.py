"""What a hybrid job's processes see and how they are run, supervised and ended.

Works from a job's directory on disk alone: no store, no request, no object store in here. The
supervisor starts in milliseconds, so modules that it imports use the standard library only.
"""
