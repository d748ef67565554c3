"""The duties of a replica, written against ports only."""
