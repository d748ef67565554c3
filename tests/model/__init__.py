"""The launch protocol as a model that is searched exhaustively.

Read it in this order: `state` (the nouns), the duties (`launching`, `settling`, `reporting`, `tidying`, `quarantine`),
what is around them (`surroundings`), what goes wrong (`faults`), what must hold (`invariants`), which guards keep it
(`guards`). `search` knows nothing of the protocol. `python -m tests.model` searches every row of `configurations`.
"""
