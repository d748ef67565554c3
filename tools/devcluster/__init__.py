"""A real PostgreSQL and a real Kubernetes control plane on this machine, for tests, the demo and the bench.

Nothing here needs a container runtime or a network beyond the package registries, and nothing remains after the
process that started it: not after Ctrl-C, nor after SIGKILL.
"""
