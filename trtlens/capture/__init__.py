"""Gets artefacts: the backends that build, the child process, the capture folder and its manifest.

In: BuildOptions. Out: a capture folder. Next: build.py, then parse/. Nothing here imports TensorRT in this process.
"""
