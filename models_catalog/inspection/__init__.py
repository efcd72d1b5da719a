"""Looks into a model without its weights. Plain Python with torch: runs in the warm process, knows no Django."""
