"""A storm: clients that ask, while what serves them is killed again and again."""
