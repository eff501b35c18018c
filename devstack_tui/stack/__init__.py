"""What runs and how it is reached: the stack, its services as Protocols, its engines."""
