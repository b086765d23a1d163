"""Where attempts run: `local` worker processes. No decision about order or state."""
