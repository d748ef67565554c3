"""Who has which address. The cables are those of one cluster: there is at most one on a machine at a time."""

HOST = "10.250.0.1"
PREFIX = 24
PODS = "10.244.0.0/16"
DNS = "10.96.0.10"
MOST_NODES = 8


def node_name(number: int) -> str:
    """Return the name of a node; the first is number 1."""
    return f"node{number}"


def node_address(number: int) -> str:
    """Return the address of a node."""
    return f"10.250.0.{10 + number}"


def pod_network(number: int) -> str:
    """Return the network of the pods on a node."""
    return f"10.244.{number}.0/24"
