"""`make demo`: two replicas on a real control plane, live, one of them killed half-way; counted from outside.

What is counted comes from this package's own watch on Jobs and from its own enumeration of the ticks, never from the
product's tables; those only tell who did what, and why a tick did not run.
"""
