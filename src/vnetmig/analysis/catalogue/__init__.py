"""QEMU's messages on loading a stream: tables, one module for each layer of its loader."""
