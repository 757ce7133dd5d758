"""The Berkeley Function-Calling Leaderboard's files as cases; its multi-turn ground truth is executed by its own package."""
