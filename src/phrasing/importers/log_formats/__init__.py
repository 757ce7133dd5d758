"""Logs that others wrote: one module a published format, and what several of them share."""
