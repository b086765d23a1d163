"""Object contents as files: written aside, renamed, streamed. No metadata, no HTTP."""
