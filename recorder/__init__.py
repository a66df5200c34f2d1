"""Profile Test Engine."""
