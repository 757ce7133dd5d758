"""Messages as model APIs and frameworks write them: read the same wherever a log holds them."""
