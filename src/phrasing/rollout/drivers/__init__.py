"""The other end of ``rollout.worker``: what runs in a process of its own, beside somebody else's package.

``serve`` reads requests and answers them; a driver says what a package's world does with them. These files import nothing of
ours, since they run by their paths, in an interpreter that knows the package and not us. Begin with ``serve``.
"""

__all__ = ["bfcl", "serve", "tau2"]
