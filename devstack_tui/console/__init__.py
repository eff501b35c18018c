"""The terminal console: it shows and asks, and holds no input, output or business rule."""
