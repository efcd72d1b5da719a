"""The processes of one portal on one machine: web, two queues, and the loop that rings and watches them."""
