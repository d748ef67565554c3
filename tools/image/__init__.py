"""Container images, made without a daemon, a registry or root: Debian packages, hashed wheels and files of ours.

Each becomes one tar in the OCI layout, which `ctr images import`, `docker load` and `podman load` understand, and
beside it the list of what is in it, as SPDX.
"""
