"""BAML's own ``test`` blocks as cases: the blocks, their assertions as labels, their threads as events."""
