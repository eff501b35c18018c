"""Suite `trust`: whom the clients of the stack believe, and who could make them believe another."""
