"""How often a check is right: each case is checked as the portal checks it, and then really trained.

    python -m tests.accuracy [--cases public|rows|12|…] [--minutes 10]

`cases` and `public_sample` say what is tried, `portal` what the portal answers, `lab` and `training` what then happens,
`judge` puts both together, and `table` prints it. docs/accuracy.md explains the words and holds the last results.
"""
