"""What the stack's processes can be reached by, against what is declared."""
