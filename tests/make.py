"""Plain functions that make things for tests, with literal values. Named people: owner, colleague, stranger, admin."""
