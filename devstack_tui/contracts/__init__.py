"""What one side promises another: Protocols and values, no input and no output."""
