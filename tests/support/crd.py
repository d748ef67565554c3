"""The CustomResourceDefinition in a control plane, as tests speak of it."""

from tools.devcluster.manifests import CRD_FILE, EXAMPLES, RBAC_FILE, ROOT, collection
from tools.devcluster.manifests import install_crd as install

__all__ = ["CRD_FILE", "EXAMPLES", "RBAC_FILE", "ROOT", "collection", "install"]
