"""Sabotages of Vault, for each of its checks."""
