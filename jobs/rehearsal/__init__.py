"""The real trainer, tried on a tiny stand-in of the model before the job may start. It knows no Django."""
