"""What every job must say: which model, which method, which data, which strategy."""
