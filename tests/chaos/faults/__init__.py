"""The faults, by family: each is a generator that begins one, says what it did, and heals it when it is resumed."""

from tests.chaos.faults import apiserver, controllers, etcd, links, people, postgres, replica

FAMILIES = (apiserver, controllers, etcd, links, people, postgres, replica)
"""To import this package is to fill the list of faults."""
