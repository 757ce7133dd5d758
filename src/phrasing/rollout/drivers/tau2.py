"""tau2."""

SPLITS = ("base", "small", "train", "test", "full")
