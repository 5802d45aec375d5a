"""Exports trained weights to ONNX and proves that the file does what the network did."""
