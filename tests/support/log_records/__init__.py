"""Records of the log formats, a module a format: the same few turns as each writes them."""
