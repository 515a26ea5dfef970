"""Capture: the backends that build, the child process, the capture folder and its manifest."""
