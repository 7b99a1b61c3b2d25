"""The stages of the pipeline: pure functions over columns. No clock, no socket, no file, no await."""
