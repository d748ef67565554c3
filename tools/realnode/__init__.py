"""A real Kubernetes cluster on this machine: a control plane, and nodes on which pods truly run.

It needs Linux and root, and no container runtime, registry or network beyond the package registries. Each node is a set
of namespaces, so that it has its own processes, mounts, network and name, and its end takes all of that along.
"""
