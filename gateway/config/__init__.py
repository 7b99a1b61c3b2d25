"""Configuration: what may be written, how it is read, and what is said when it is wrong."""
