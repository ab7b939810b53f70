"""The schema of a database, as numbered steps that only go forward. A new file takes all of them, an older one those it lacks.

``PRAGMA user_version`` is the number of the last step that a file has taken; 0 is a file of release 0.1.0, or an empty one.

To add a step: a new module here with a function of the connection, and one line at the end of ``STEPS`` in ``steps.py``:

    Migration(number=2, name="what it does, for the log", run=run)

A step that was released is never changed: it holds its own SQL and does not follow the present code. What it may do:

- ``run`` is given a connection inside an exclusive transaction, with nobody else at the file, and must not begin, commit or
  call ``executescript`` (it commits): ``run_script`` runs several statements. The number is written in the same transaction.
- ``rewrites=True``: it moves or changes what is stored, rather than adding to it. The file is copied beside itself first
  (``NAME.schema-N``), and nothing is begun where the disk has no room for that.
- ``restartable=True``: it is too long for one transaction. ``run`` is called outside of one, makes its own, and goes on from
  whatever it left when it is called again; the number is written once it returns.
- ``needed_to_read=False``: present code can read a file that lacks it, so that commands which only read need not wait for it.
- it is run on an empty file too, right after the steps before it.
"""
