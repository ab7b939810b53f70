"""What is played: a case of facts, of recorded series or of one's own rows, with its sources as paths over time."""
