"""Result documents as the Braket SDK reads them. No simulation."""
