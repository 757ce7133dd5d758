"""The embedded model: its weights from Python packages, and llama.cpp's server in a process of its own."""
