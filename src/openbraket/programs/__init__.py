"""Outside program formats, by one door each: text to circuit. No numerics, no numpy."""
