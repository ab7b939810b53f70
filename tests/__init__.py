"""The tests: a folder for each room, helpers in modules of their own."""
