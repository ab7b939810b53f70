"""The incident laboratory: incidents played through the real pipeline, beside what other designs would have published."""
