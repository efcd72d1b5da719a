"""The process that trains. It knows no Django: one file in, one folder out."""
