"""The incident laboratory: what happened, played through the real pipeline, beside what other designs would have said."""
