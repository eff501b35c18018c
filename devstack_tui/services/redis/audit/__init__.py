"""What the checks of Redis' accounts ask its nodes, and how they judge the answers."""
