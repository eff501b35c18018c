"""What the checks of RabbitMQ's accounts ask it, and how somebody without one knocks."""
