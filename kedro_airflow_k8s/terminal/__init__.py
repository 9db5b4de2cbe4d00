"""What the screen shows while a command works."""
