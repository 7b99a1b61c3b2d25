"""How readings look on the wire to the broker."""
