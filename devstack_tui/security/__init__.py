"""Security checks that can fail: the catalogue, the audit, and its proof by sabotage."""
