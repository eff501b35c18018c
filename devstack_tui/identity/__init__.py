"""Vault's bootstrap, the login by AppRole, certificates and their rotation."""
