"""The CustomResourceDefinition's generator.

`crds/scheduledjobs.yaml` is made of two halves: what an API server publishes about `jobTemplate`, and our own part in
`own_schema.yaml`. Nobody edits the result by hand.
"""
