"""The commands of `wctl`: recording, curating, replaying, and what runs beside them."""
