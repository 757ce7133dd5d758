"""How many requests a provider takes: found out from what becomes of them, for each host and key. Nothing here waits or sends.

A provider may hold its users to a *number at a time* or to a *rate*, may say what is left of a *quota*, or may just get slower.
Each of them is a module: ``window``, ``pace``, ``quota``. ``calm`` says when more may be tried. ``controller`` asks all of them
when the next request may be sent, and tells what a refusal means.

Begin with ``controller``.
"""

__all__ = ["controller"]
