"""What an expert would check in Vault itself."""
