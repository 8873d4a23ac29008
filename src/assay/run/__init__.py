"""Who adds the states up: sources read and counted in parts, by all threads."""
