"""How Vault is broken on purpose: each of its checks is seen to fail."""
