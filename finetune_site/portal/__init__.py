"""The processes of one portal on one machine: web, three queues, and the loop that rings and watches them."""
