"""Amazon Braket's operations: devices, quantum tasks and tags. No HTTP parsing, no SQL text."""
