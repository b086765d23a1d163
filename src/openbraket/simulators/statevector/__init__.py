"""State-vector simulation: circuit to amplitudes, expectations, probabilities and samples."""
