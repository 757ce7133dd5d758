"""What tests build with: small projects, made-up results, models that answer by script, servers that fail on purpose."""
