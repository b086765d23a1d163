"""Web pages for people. Empty until the console lands; no service logic may live here."""
