"""What the checks of MongoDB's accounts ask it, and how they judge the answers."""
