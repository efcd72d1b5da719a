"""How the portal is: for people who run it, and for the programs that watch it for them."""
