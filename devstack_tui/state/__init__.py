"""What is kept of one stack: settings, instance, parameters."""
