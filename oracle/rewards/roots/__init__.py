"""The report of an epoch, agreed on by its members over the mesh, by themselves; ADR 19 says why it is made so.

Members tell who was there (`words`), one after the other leads an attempt (`terms`), they vote until one report is decided
(`book`, `voting`), and only then does a report key sign it: so no key is ever bound to another report than the others'.
"""
