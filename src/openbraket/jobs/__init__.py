"""What a hybrid job's process sees. Empty until hybrid jobs land."""
