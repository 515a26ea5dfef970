"""Parsers: text or bytes in, typed records out. They know nothing of sparsity verdicts."""
