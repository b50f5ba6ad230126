"""The ``ferrule`` command: one verb tree, one module per verb, imported when the verb is chosen."""
