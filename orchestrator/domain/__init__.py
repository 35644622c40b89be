"""What the project is about, without any I/O."""
