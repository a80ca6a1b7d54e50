"""The dashboard's HTTP server: what it answers, to whom, and with which bounds."""
